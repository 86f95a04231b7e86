//! Depth maps.

use gblend_core::{Array, BuildContext, Encoder, Error, Media, MediaKind, Modality, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoder::{EncoderSettings, PictureEncoder};
use crate::frontend::pictures::Planes;
use crate::rgb::{choose, wrong_media};

/// Depth: distances scaled to a range, and beside them which pixels were measured at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Depth {
    /// Height and width that maps are brought to. Default: as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// Maps taken of each sample, evenly spread. Default: all, and every sample must have as many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<usize>,
    /// Nearest and farthest distance in meters, which become −1 and 1; what lies beyond is clipped.
    pub range: [f32; 2],
    /// The network.
    pub encoder: EncoderSettings,
}

impl Default for Depth {
    fn default() -> Self {
        Self {
            size: None,
            frames: None,
            range: [0.5, 8.0],
            encoder: EncoderSettings::default(),
        }
    }
}

#[typetag::serde(name = "depth")]
impl Modality for Depth {
    fn media(&self) -> MediaKind {
        MediaKind::Depth
    }

    fn prepare(&self, media: &Media) -> Result<Array> {
        let Media::Depth(maps) = media else {
            return Err(wrong_media("depth", MediaKind::Depth, media));
        };
        let [near, far] = self.range;
        if !(near.is_finite() && far.is_finite() && 0.0 <= near && near < far) {
            let found = format!("[{near}, {far}]");
            return Err(Error::setting(
                "range",
                found,
                "two distances in meters, the nearer first",
            ));
        }
        let chosen = choose(maps.shape(), self.frames)?;
        // Both channels are scaled before the size changes, so that a pixel without a measurement counts
        // as the middle of the range and not as a distance of 0.
        let planes = Planes::gather(maps.meters(), maps.shape(), &chosen);
        let mut planes = planes.with_channel(|meters| if meters > 0.0 { 1.0 } else { 0.0 });
        planes.map_channel(0, |meters| {
            if meters > 0.0 {
                ((meters - near) / (far - near) * 2.0 - 1.0).clamp(-1.0, 1.0)
            } else {
                0.0
            }
        });
        if let Some([height, width]) = self.size {
            planes = planes.resized(height, width)?;
        }
        planes.into_sample()
    }

    fn build(&self, cx: &BuildContext<'_>) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(PictureEncoder::new(&self.encoder, cx)?))
    }
}

gblend_core::register!(Modality, "depth" => Depth);
