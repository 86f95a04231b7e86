//! Sequences of pictures: changing the size, laying out channels.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::F32;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use gblend_core::media::SequenceShape;
use gblend_core::{Array, Error, Result};

/// Pictures of one channel each as `f32`, with their sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Planes {
    /// `[frames, channels, height, width]`.
    values: Vec<f32>,
    shape: SequenceShape,
}

impl Planes {
    /// Takes the chosen frames of a sequence `[frames, height, width, channels]`.
    pub fn gather<T: Copy + Into<f32>>(values: &[T], shape: SequenceShape, frames: &[usize]) -> Self {
        let pixels = shape.height * shape.width;
        let mut planes = Vec::with_capacity(frames.len() * pixels * shape.channels);
        for &frame in frames {
            let picture = &values[frame * pixels * shape.channels..][..pixels * shape.channels];
            for channel in 0..shape.channels {
                planes.extend(
                    picture[channel..]
                        .iter()
                        .step_by(shape.channels)
                        .map(|&v| v.into()),
                );
            }
        }
        Self {
            values: planes,
            shape: SequenceShape {
                frames: frames.len(),
                ..shape
            },
        }
    }

    /// Pictures from their values, `[frames, channels, height, width]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not as many values as the shape says.
    pub fn new(shape: SequenceShape, values: Vec<f32>) -> Result<Self> {
        let SequenceShape {
            frames,
            height,
            width,
            channels,
        } = shape;
        let values = Array::new([frames, channels, height, width], values)?.into_values();
        Ok(Self { values, shape })
    }

    /// The extents.
    pub fn shape(&self) -> SequenceShape {
        self.shape
    }

    /// The values of each frame, `[channels, height, width]`.
    pub fn pictures(&self) -> impl Iterator<Item = &[f32]> {
        let values = self.shape.channels * self.shape.height * self.shape.width;
        self.values.chunks_exact(values.max(1))
    }

    /// The brightness of red, green and blue as television weighs them (ITU-R BT.601); pictures of another
    /// number of channels stay as they are.
    #[must_use]
    pub fn gray(self) -> Self {
        let pixels = self.shape.height * self.shape.width;
        if self.shape.channels != 3 || pixels == 0 {
            return self;
        }
        let mut values = Vec::with_capacity(self.shape.frames * pixels);
        for picture in self.pictures() {
            let (red, rest) = picture.split_at(pixels);
            let (green, blue) = rest.split_at(pixels);
            let colors = red.iter().zip(green).zip(blue);
            values.extend(colors.map(|((red, green), blue)| 0.299 * red + 0.587 * green + 0.114 * blue));
        }
        Self {
            values,
            shape: SequenceShape {
                channels: 1,
                ..self.shape
            },
        }
    }

    /// Changes every value of one channel.
    pub fn map_channel(&mut self, channel: usize, change: impl Fn(f32) -> f32) {
        let pixels = self.shape.height * self.shape.width;
        let planes = self.values.chunks_exact_mut(pixels.max(1));
        for plane in planes.skip(channel).step_by(self.shape.channels) {
            plane.iter_mut().for_each(|value| *value = change(*value));
        }
    }

    /// Adds a channel that is computed from the first.
    #[must_use]
    pub fn with_channel(self, value: impl Fn(f32) -> f32) -> Self {
        let pixels = self.shape.height * self.shape.width;
        let mut values = Vec::with_capacity(self.values.len() + self.shape.frames * pixels);
        for picture in self.values.chunks_exact((pixels * self.shape.channels).max(1)) {
            values.extend_from_slice(picture);
            values.extend(picture[..pixels].iter().map(|&first| value(first)));
        }
        let channels = self.shape.channels + 1;
        Self {
            values,
            shape: SequenceShape {
                channels,
                ..self.shape
            },
        }
    }

    /// The same pictures at another size: bilinear, averaging over the pixels that fall together.
    ///
    /// # Errors
    /// [`Error::Setting`] if a side is 0, or there would be more values than a sample may have.
    pub fn resized(self, height: usize, width: usize) -> Result<Self> {
        if (height, width) == (self.shape.height, self.shape.width) {
            return Ok(self);
        }
        let setting = |_| {
            Error::setting(
                "size",
                format!("[{height}, {width}]"),
                "two numbers from 1 to 65536",
            )
        };
        let side = |value: usize| match u32::try_from(value) {
            Ok(side @ 1..=65_536) => Ok(side),
            _ => Err(setting(())),
        };
        let (target_width, target_height) = (side(width)?, side(height)?);
        /// Values of one sample: a gigabyte.
        const MOST: usize = 1 << 28;
        let count = [self.shape.frames, self.shape.channels, height, width]
            .into_iter()
            .try_fold(1, usize::checked_mul);
        if count.is_none_or(|count| count > MOST) {
            let expected = format!(
                "less, for {} frames of {} channels: at most {MOST} values in one sample",
                self.shape.frames, self.shape.channels
            );
            return Err(Error::setting("size", format!("[{height}, {width}]"), expected));
        }
        let (from_width, from_height) = (side(self.shape.width)?, side(self.shape.height)?);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let mut resizer = Resizer::new();
        let pixels = self.shape.height * self.shape.width;
        let mut values = Vec::with_capacity(self.shape.frames * self.shape.channels * height * width);
        for plane in self.values.chunks_exact(pixels.max(1)) {
            let pixels: Vec<F32> = plane.iter().map(|&value| F32::new(value)).collect();
            let source = TypedImageRef::new(from_width, from_height, &pixels).map_err(Error::plugin)?;
            let mut target = TypedImage::new(target_width, target_height);
            resizer
                .resize_typed(&source, &mut target, &options)
                .map_err(Error::plugin)?;
            values.extend(target.pixels().iter().map(|pixel| pixel.0));
        }
        Ok(Self {
            values,
            shape: SequenceShape {
                height,
                width,
                ..self.shape
            },
        })
    }

    /// The layout of an encoder's sample, `[channels, height, width, frames]`.
    ///
    /// # Errors
    /// Never; the sizes were checked before.
    pub fn into_sample(self) -> Result<Array> {
        let SequenceShape {
            frames,
            height,
            width,
            channels,
        } = self.shape;
        let pixels = height * width;
        let mut values = vec![0.0; self.values.len()];
        for (plane, source) in self.values.chunks_exact(pixels.max(1)).enumerate() {
            let (frame, channel) = (plane / channels, plane % channels);
            let target = &mut values[channel * pixels * frames..];
            for (pixel, &value) in source.iter().enumerate() {
                target[pixel * frames + frame] = value;
            }
        }
        Array::new([channels, height, width, frames], values)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn planes(frames: usize, height: usize, width: usize, channels: usize) -> Planes {
        let shape = SequenceShape {
            frames,
            height,
            width,
            channels,
        };
        let values: Vec<f32> = (0..shape.len()).map(|i| i as f32).collect();
        Planes::gather(&values, shape, &(0..frames).collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn a_sample_holds_every_pixel_in_its_place(
            frames in 1_usize..4, height in 1_usize..5, width in 1_usize..5, channels in 1_usize..4,
        ) {
            let sample = planes(frames, height, width, channels).into_sample().unwrap();
            prop_assert_eq!(sample.shape(), [channels, height, width, frames]);
            for (index, &value) in sample.values().iter().enumerate() {
                let (frame, rest) = (index % frames, index / frames);
                let (column, rest) = (rest % width, rest / width);
                let (row, channel) = (rest % height, rest / height);
                let source = ((frame * height + row) * width + column) * channels + channel;
                prop_assert_eq!(value, source as f32);
            }
        }

        #[test]
        fn a_flat_picture_stays_flat_at_any_size(height in 1_usize..9, width in 1_usize..9) {
            let shape = SequenceShape { frames: 1, height: 5, width: 6, channels: 1 };
            let resized = Planes::gather(&[0.25_f32; 30], shape, &[0]).resized(height, width).unwrap();
            prop_assert!(resized.values.iter().all(|&value| (value - 0.25).abs() < 1e-6));
            prop_assert_eq!(resized.values.len(), height * width);
        }
    }

    #[test]
    fn gray_keeps_the_brightness_of_gray_and_weighs_colors() {
        let shape = SequenceShape {
            frames: 2,
            height: 1,
            width: 2,
            channels: 3,
        };
        let colors = [
            90.0, 90.0, 90.0, 255.0, 0.0, 0.0, 0.0, 255.0, 0.0, 0.0, 0.0, 255.0_f32,
        ];
        let gray = Planes::gather(&colors, shape, &[0, 1]).gray();
        assert_eq!(gray.shape().channels, 1);
        for (value, expected) in gray.values.iter().zip([90.0, 76.245, 149.685, 29.07]) {
            assert!((value - expected).abs() < 1e-3);
        }
        assert_eq!(planes(2, 3, 4, 1).gray(), planes(2, 3, 4, 1));
    }

    #[test]
    fn halving_the_size_keeps_the_mean() {
        let resized = planes(1, 8, 8, 1).resized(4, 4).unwrap();
        let mean = resized.values.iter().sum::<f32>() / 16.0;
        assert!((mean - 31.5).abs() < 1e-3, "{mean}");
    }

    #[test]
    fn a_size_of_zero_is_refused() {
        assert!(planes(1, 4, 4, 1).resized(0, 4).is_err());
    }
}
