//! Optical flow.

use gblend_core::{Array, BuildContext, Encoder, Error, Media, MediaKind, Modality, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoder::{EncoderSettings, PictureEncoder};
use crate::frontend::pictures::Planes;
use crate::rgb::{choose, wrong_media};

/// Optical flow: displacements to the next frame, clipped and scaled (Simonyan and Zisserman, NeurIPS 2014).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Flow {
    /// Height and width that fields are brought to; displacements are scaled along. Default: as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// Fields taken of each sample, evenly spread. Default: all, and every sample must have as many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<usize>,
    /// The largest displacement in pixels; longer ones are clipped, and all are divided by it.
    pub limit: f32,
    /// The network.
    pub encoder: EncoderSettings,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            size: None,
            frames: None,
            limit: 20.0,
            encoder: EncoderSettings::default(),
        }
    }
}

#[typetag::serde(name = "flow")]
impl Modality for Flow {
    fn media(&self) -> MediaKind {
        MediaKind::Flow
    }

    fn prepare(&self, media: &Media) -> Result<Array> {
        let Media::Flow(fields) = media else {
            return Err(wrong_media("flow", MediaKind::Flow, media));
        };
        if !(self.limit.is_finite() && self.limit > 0.0) {
            return Err(Error::setting("limit", self.limit, "a number of pixels above 0"));
        }
        let shape = fields.shape();
        let chosen = choose(shape, self.frames)?;
        let mut planes = Planes::gather(fields.vectors(), shape, &chosen);
        let [height, width] = self.size.unwrap_or([shape.height, shape.width]);
        planes = planes.resized(height, width)?;
        let scales = [
            width as f32 / shape.width as f32,
            height as f32 / shape.height as f32,
        ];
        for (channel, scale) in scales.into_iter().enumerate() {
            planes.map_channel(channel, |value| (value * scale / self.limit).clamp(-1.0, 1.0));
        }
        planes.into_sample()
    }

    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(PictureEncoder::new(&self.encoder, cx)?))
    }
}

gblend_core::register!(Modality, "flow" => Flow);
