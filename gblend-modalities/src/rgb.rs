//! Pictures and video in color or gray.

use std::num::NonZeroUsize;

use gblend_core::{Array, BuildContext, Encoder, Error, Media, MediaKind, Modality, Result, SampleRng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoder::EncoderSettings;
use crate::frontend::frame_sampling::{FrameChoice, Sampling};
use crate::frontend::per_channel::PerChannel;
use crate::frontend::picture_augment::{PictureAugment, Standardized};
use crate::frontend::pictures::Planes;

/// Pictures and video: frames, encoded one by one or with time, and averaged.
///
/// Where every sample is gray they have one channel. Where one has color all have three, and gray ones three equal ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rgb {
    /// Height and width that frames are brought to. Default: as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// Frames taken of each sample, or of each clip. Default: all, and every sample must have as many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<usize>,
    /// Which frames are taken.
    pub sampling: Sampling,
    /// Frames from one frame of a clip to the next, at least 1.
    pub stride: usize,
    /// Clips of each sample, evenly spread over it: training sees one of them at random, and evaluation takes the mean
    /// of the class probabilities of all (as Wang et al., "Non-local Neural Networks", CVPR 2018, do with 10).
    pub clips: usize,
    /// Subtracted from values between 0 and 1: a number, or three, of red, green and blue. Where this or `deviation` is three
    /// numbers, gray pictures become three equal channels first.
    pub mean: PerChannel,
    /// Divides them afterwards: a number, or three.
    pub deviation: PerChannel,
    /// Random changes in training. Default: none.
    pub augment: PictureAugment,
    /// The network.
    pub encoder: EncoderSettings,
}

impl Default for Rgb {
    fn default() -> Self {
        Self {
            size: None,
            frames: None,
            sampling: Sampling::default(),
            stride: 1,
            clips: 1,
            mean: PerChannel::All(0.5),
            deviation: PerChannel::All(0.25),
            augment: PictureAugment::default(),
            encoder: EncoderSettings::default(),
        }
    }
}

impl Rgb {
    /// Whether channels may have another mean or deviation than the others.
    fn standardizes_each(&self) -> bool {
        self.mean.is_each() || self.deviation.is_each()
    }

    fn choice(&self) -> FrameChoice {
        FrameChoice {
            frames: self.frames,
            sampling: self.sampling,
            stride: self.stride,
            clips: self.clips,
        }
    }
}

#[typetag::serde(name = "rgb")]
impl Modality for Rgb {
    fn media(&self) -> MediaKind {
        MediaKind::Frames
    }

    fn prepares_quantities(&self) -> bool {
        true
    }

    fn prepare(&self, media: &Media) -> Result<Array> {
        let Media::Frames(frames) = media else {
            return Err(wrong_media("rgb", MediaKind::Frames, media));
        };
        let (mean, deviation) = (self.mean.of_each(), self.deviation.of_each());
        if !deviation
            .iter()
            .all(|deviation| deviation.is_finite() && *deviation > 0.0)
        {
            return Err(Error::setting("deviation", self.deviation, "a number above 0"));
        }
        if !mean.iter().all(|mean| mean.is_finite()) {
            return Err(Error::setting("mean", self.mean, "a finite number"));
        }
        let chosen = self.choice().of(frames.shape().frames)?;
        let mut planes = Planes::gather(frames.pixels(), frames.shape(), &chosen);
        if let Some([height, width]) = self.size {
            planes = planes.resized(height, width)?;
        }
        if self.standardizes_each() {
            planes = match planes.shape().channels {
                1 => planes.with_channel(|gray| gray).with_channel(|gray| gray),
                3 => planes,
                channels => {
                    let problem = format!("found {channels} channels, and mean or deviation is of three");
                    return Err(Error::data("a picture", problem));
                }
            };
        }
        for channel in 0..planes.shape().channels {
            let (mean, deviation) = (mean[channel.min(2)], deviation[channel.min(2)]);
            planes.map_channel(channel, |value| (value / 255.0 - mean) / deviation);
        }
        planes.into_sample()
    }

    fn in_shape(&self, sample: &Array, shape: &[usize]) -> Option<Array> {
        // Every channel has the same mean and deviation, or all samples have three channels.
        match (sample.shape(), shape) {
            ([1, gray @ ..], [3, color @ ..]) if gray == color => {
                Array::new(shape, sample.values().repeat(3)).ok()
            }
            _ => None,
        }
    }

    fn views(&self) -> NonZeroUsize {
        self.choice().views()
    }

    fn view(&self, sample: Array, view: usize) -> Result<Array> {
        self.choice().view(sample, view)
    }

    fn augment(&self, sample: Array, rng: &mut SampleRng) -> Result<Array> {
        let values = Standardized {
            mean: self.mean.of_each(),
            deviation: self.deviation.of_each(),
        };
        self.augment.apply(sample, values, rng)
    }

    fn augments(&self) -> bool {
        self.augment.changes()
    }

    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        self.encoder.build(cx)
    }
}

gblend_core::register!(Modality, "rgb" => Rgb);

/// The error of a modality that was given media of another kind.
pub(crate) fn wrong_media(modality: &str, expected: MediaKind, found: &Media) -> Error {
    Error::data(
        format!("modality kind {modality}"),
        format!("found {}, expected {expected}", found.kind()),
    )
}
