//! What a dataset hands to a modality's front end: a piece of media, decoded but not yet transformed.

use std::fmt;

use crate::array::Array;
use crate::error::{Error, Result};

/// Decoded media of one stream of one sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Media {
    /// 8-bit images in time order.
    Frames(Frames),
    /// Optical flow in time order.
    Flow(FlowFields),
    /// Metric depth in time order.
    Depth(DepthMaps),
    /// Sound.
    Waveform(Waveform),
    /// Anything else: features, inertial data, tabular rows.
    Array(Array),
    /// A text, in any language.
    Text(String),
}

/// What kind of media a stream carries or a modality takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MediaKind {
    /// [`Media::Frames`].
    Frames,
    /// [`Media::Flow`].
    Flow,
    /// [`Media::Depth`].
    Depth,
    /// [`Media::Waveform`].
    Waveform,
    /// [`Media::Array`].
    Array,
    /// [`Media::Text`].
    Text,
}

impl MediaKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Frames,
        Self::Flow,
        Self::Depth,
        Self::Waveform,
        Self::Array,
        Self::Text,
    ];
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frames => "frames",
            Self::Flow => "optical flow",
            Self::Depth => "depth",
            Self::Waveform => "waveform",
            Self::Array => "array",
            Self::Text => "text",
        })
    }
}

impl Media {
    /// The kind of this media.
    pub fn kind(&self) -> MediaKind {
        match self {
            Self::Frames(_) => MediaKind::Frames,
            Self::Flow(_) => MediaKind::Flow,
            Self::Depth(_) => MediaKind::Depth,
            Self::Waveform(_) => MediaKind::Waveform,
            Self::Array(_) => MediaKind::Array,
            Self::Text(_) => MediaKind::Text,
        }
    }
}

/// Extents of a sequence of pictures, outermost axis first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceShape {
    /// Number of pictures.
    pub frames: usize,
    /// Rows of a picture.
    pub height: usize,
    /// Columns of a picture.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
}

impl SequenceShape {
    /// The number of values.
    pub fn len(&self) -> usize {
        self.frames * self.height * self.width * self.channels
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn check<T>(self, what: &str, values: &[T]) -> Result<Self> {
        let extents = [self.frames, self.height, self.width, self.channels];
        let len = extents
            .iter()
            .try_fold(1_usize, |product, &extent| product.checked_mul(extent));
        if len == Some(values.len()) && !values.is_empty() {
            Ok(self)
        } else {
            Err(Error::shape(
                what,
                format!(
                    "[frames, height, width, channels] with {} values in all, and at least one",
                    values.len()
                ),
                extents,
            ))
        }
    }
}

/// 8-bit images: `[frames, height, width, channels]`, one channel (gray) or three (RGB).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames {
    shape: SequenceShape,
    pixels: Vec<u8>,
}

impl Frames {
    /// Images from their pixels.
    ///
    /// # Errors
    /// [`Error::Shape`] if the sizes disagree, there is no pixel, or the channels are not 1 or 3.
    pub fn new(shape: SequenceShape, pixels: Vec<u8>) -> Result<Self> {
        let shape = shape.check("frames", &pixels)?;
        if shape.channels != 1 && shape.channels != 3 {
            return Err(Error::shape("frames", "1 or 3 channels", [shape.channels]));
        }
        Ok(Self { shape, pixels })
    }

    /// The extents.
    pub fn shape(&self) -> SequenceShape {
        self.shape
    }

    /// The pixels, `[frames, height, width, channels]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }
}

/// Optical flow: `[frames, height, width, 2]`, the displacement to the next frame in pixels, x then y.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowFields {
    shape: SequenceShape,
    vectors: Vec<f32>,
}

impl FlowFields {
    /// Flow from its vectors.
    ///
    /// # Errors
    /// [`Error::Shape`] if the sizes disagree, there is no vector, or the channels are not 2.
    pub fn new(shape: SequenceShape, vectors: Vec<f32>) -> Result<Self> {
        let shape = shape.check("optical flow", &vectors)?;
        if shape.channels != 2 {
            return Err(Error::shape(
                "optical flow",
                "2 channels, x and y",
                [shape.channels],
            ));
        }
        Ok(Self { shape, vectors })
    }

    /// The extents.
    pub fn shape(&self) -> SequenceShape {
        self.shape
    }

    /// The vectors, `[frames, height, width, 2]`.
    pub fn vectors(&self) -> &[f32] {
        &self.vectors
    }
}

/// Depth: `[frames, height, width, 1]` in meters; 0 where nothing was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthMaps {
    shape: SequenceShape,
    meters: Vec<f32>,
}

impl DepthMaps {
    /// Depth from its values.
    ///
    /// # Errors
    /// [`Error::Shape`] if the sizes disagree, there is no value, or there is not one channel.
    pub fn new(shape: SequenceShape, meters: Vec<f32>) -> Result<Self> {
        let shape = shape.check("depth", &meters)?;
        if shape.channels != 1 {
            return Err(Error::shape("depth", "1 channel", [shape.channels]));
        }
        Ok(Self { shape, meters })
    }

    /// The extents.
    pub fn shape(&self) -> SequenceShape {
        self.shape
    }

    /// The depths, `[frames, height, width, 1]`, in meters; 0 where nothing was measured.
    pub fn meters(&self) -> &[f32] {
        &self.meters
    }
}

/// Sound: mono samples, nominally in −1..1.
#[derive(Clone, Debug, PartialEq)]
pub struct Waveform {
    /// Samples per second.
    pub sample_rate: u32,
    /// The samples.
    pub samples: Vec<f32>,
}

impl Waveform {
    /// The mean of the channels of a sound whose samples are interleaved, `[samples, channels]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no channel, or the last sample lacks some.
    pub fn mixed(sample_rate: u32, channels: usize, interleaved: &[f32]) -> Result<Self> {
        if channels == 0 || !interleaved.len().is_multiple_of(channels) {
            return Err(Error::shape(
                "a waveform",
                format!("a multiple of its {channels} channels, and at least one channel"),
                [interleaved.len()],
            ));
        }
        let frames = interleaved.chunks_exact(channels);
        Ok(Self {
            sample_rate,
            samples: frames
                .map(|frame| frame.iter().sum::<f32>() / channels as f32)
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SHAPE: SequenceShape = SequenceShape {
        frames: 2,
        height: 3,
        width: 4,
        channels: 3,
    };

    #[test]
    fn frames_need_as_many_pixels_as_their_shape_says() {
        assert!(Frames::new(SHAPE, vec![0; 72]).is_ok());
        assert!(Frames::new(SHAPE, vec![0; 71]).is_err());
        assert!(Frames::new(SequenceShape { frames: 0, ..SHAPE }, vec![]).is_err());
    }

    #[test]
    fn several_channels_are_averaged_and_must_be_whole() {
        let stereo = Waveform::mixed(8000, 2, &[1.0, 0.0, -0.5, 0.5]).unwrap();
        assert_eq!(stereo.samples, [0.5, 0.0]);
        assert_eq!(Waveform::mixed(8000, 1, &[0.25]).unwrap().samples, [0.25]);
        assert!(Waveform::mixed(8000, 2, &[1.0; 3]).is_err());
        assert!(Waveform::mixed(8000, 0, &[]).is_err());
    }

    #[test]
    fn each_media_has_its_own_number_of_channels() {
        let shape = |channels| SequenceShape { channels, ..SHAPE };
        assert!(Frames::new(shape(2), vec![0; 48]).is_err());
        assert!(FlowFields::new(shape(2), vec![0.0; 48]).is_ok());
        assert!(FlowFields::new(shape(3), vec![0.0; 72]).is_err());
        assert!(DepthMaps::new(shape(1), vec![0.0; 24]).is_ok());
        assert!(DepthMaps::new(shape(2), vec![0.0; 48]).is_err());
    }
}
