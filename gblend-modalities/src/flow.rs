//! Optical flow.

use std::num::NonZeroUsize;

use gblend_core::media::{FlowFields, Frames, SequenceShape};
use gblend_core::{Array, BuildContext, Encoder, Error, Media, MediaKind, Modality, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoder::EncoderSettings;
use crate::frontend::frame_sampling::{FrameChoice, Sampling};
use crate::frontend::optical_flow;
use crate::frontend::pictures::Planes;
use crate::rgb::wrong_media;

/// Optical flow: displacements to the next frame, clipped and scaled (Simonyan and Zisserman, NeurIPS 2014).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Flow {
    /// Whether the dataset's stream carries flow or frames.
    pub from: FlowOrigin,
    /// Height and width that fields are brought to; displacements are scaled along. Default: as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// Fields taken of each sample, or of each clip. Default: all, and every sample must have as many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<usize>,
    /// Which fields are taken.
    pub sampling: Sampling,
    /// Fields from one field of a clip to the next, at least 1.
    pub stride: usize,
    /// Clips of each sample, evenly spread over it: training sees one of them at random, and evaluation takes the mean
    /// of the class probabilities of all (as Wang et al., "Non-local Neural Networks", CVPR 2018, do with 10).
    pub clips: usize,
    /// The largest displacement in pixels; longer ones are clipped, and all are divided by it.
    pub limit: f32,
    /// The network.
    pub encoder: EncoderSettings,
}

/// Where flow comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FlowOrigin {
    /// The dataset's own flow.
    #[default]
    Flow,
    /// Computed from each frame to the next (Brox et al., ECCV 2004), a field fewer than there are frames.
    /// Frames are brought to `size` first, as two-stream networks are given flow of about their input's size
    /// (Wang et al., "Temporal segment networks", ECCV 2016).
    Frames,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            from: FlowOrigin::default(),
            size: None,
            frames: None,
            sampling: Sampling::default(),
            stride: 1,
            clips: 1,
            limit: 20.0,
            encoder: EncoderSettings::default(),
        }
    }
}

impl Flow {
    fn choice(&self) -> FrameChoice {
        FrameChoice {
            frames: self.frames,
            sampling: self.sampling,
            stride: self.stride,
            clips: self.clips,
        }
    }

    /// The chosen fields of a dataset's flow, in pixels of the size that they are brought to.
    fn given(&self, fields: &FlowFields) -> Result<Planes> {
        let shape = fields.shape();
        let chosen = self.choice().of(shape.frames)?;
        let [height, width] = self.size.unwrap_or([shape.height, shape.width]);
        let mut planes = Planes::gather(fields.vectors(), shape, &chosen).resized(height, width)?;
        let scales = [
            width as f32 / shape.width as f32,
            height as f32 / shape.height as f32,
        ];
        for (channel, scale) in scales.into_iter().enumerate() {
            planes.map_channel(channel, |value| value * scale);
        }
        Ok(planes)
    }

    /// The chosen fields between frames.
    fn computed(&self, frames: &Frames) -> Result<Planes> {
        let shape = frames.shape();
        if shape.frames < 2 {
            return Err(Error::data(
                "modality kind flow",
                format!(
                    "found {} frame, expected at least 2, because flow goes from each frame to the next",
                    shape.frames
                ),
            ));
        }
        let chosen = self.choice().of(shape.frames - 1)?;
        let [height, width] = self.size.unwrap_or([shape.height, shape.width]);
        let mut values = Vec::with_capacity(chosen.len() * 2 * height * width);
        for &frame in &chosen {
            let pair = Planes::gather(frames.pixels(), shape, &[frame, frame + 1]);
            let pair = pair.gray().resized(height, width)?;
            let mut pictures = pair
                .pictures()
                .map(|picture| Array::new([height, width], picture.to_vec()));
            if let (Some(first), Some(second)) = (pictures.next(), pictures.next()) {
                values.extend(optical_flow::between(&first?, &second?)?.into_values());
            }
        }
        let fields = SequenceShape {
            frames: chosen.len(),
            height,
            width,
            channels: 2,
        };
        Planes::new(fields, values)
    }
}

#[typetag::serde(name = "flow")]
impl Modality for Flow {
    fn media(&self) -> MediaKind {
        match self.from {
            FlowOrigin::Flow => MediaKind::Flow,
            FlowOrigin::Frames => MediaKind::Frames,
        }
    }

    fn prepares_quantities(&self) -> bool {
        true
    }

    fn prepare(&self, media: &Media) -> Result<Array> {
        if !(self.limit.is_finite() && self.limit > 0.0) {
            return Err(Error::setting("limit", self.limit, "a number of pixels above 0"));
        }
        let mut planes = match (self.from, media) {
            (FlowOrigin::Flow, Media::Flow(fields)) => self.given(fields)?,
            (FlowOrigin::Frames, Media::Frames(frames)) => self.computed(frames)?,
            _ => return Err(wrong_media("flow", self.media(), media)),
        };
        for channel in 0..2 {
            planes.map_channel(channel, |value| (value / self.limit).clamp(-1.0, 1.0));
        }
        planes.into_sample()
    }

    fn views(&self) -> NonZeroUsize {
        self.choice().views()
    }

    fn view(&self, sample: Array, view: usize) -> Result<Array> {
        self.choice().view(sample, view)
    }

    fn augments(&self) -> bool {
        false
    }

    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        self.encoder.build(cx)
    }
}

gblend_core::register!(Modality, "flow" => Flow);
