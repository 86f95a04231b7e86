//! Depth maps.

use std::num::NonZeroUsize;

use gblend_core::media::{DepthMaps, SequenceShape};
use gblend_core::{Array, BuildContext, Encoder, Error, Media, MediaKind, Modality, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoder::EncoderSettings;
use crate::frontend::depth_geometry::{DepthMap, Intrinsics, normals};
use crate::frontend::frame_sampling::{FrameChoice, Sampling};
use crate::frontend::hha::{Gravity, hha};
use crate::frontend::pictures::Planes;
use crate::rgb::wrong_media;

/// Depth: distances scaled to a range, surface normals or HHA, and beside them which pixels were measured at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Depth {
    /// Height and width that maps are brought to. Default: as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// Maps taken of each sample, or of each clip. Default: all, and every sample must have as many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<usize>,
    /// Which frames are taken.
    pub sampling: Sampling,
    /// Frames from one frame of a clip to the next, at least 1.
    pub stride: usize,
    /// Clips of each sample, evenly spread over it: training sees one of them at random, and evaluation takes the mean
    /// of the class probabilities of all (as Wang et al., "Non-local Neural Networks", CVPR 2018, do with 10).
    pub clips: usize,
    /// Nearest and farthest distance in meters, which become −1 and 1; what lies beyond is clipped.
    pub range: [f32; 2],
    /// How distances lie between the two.
    pub scale: DepthScale,
    /// What the network is shown.
    pub encoding: DepthEncoding,
    /// The camera, in pixels of the maps as they come: `{ fx = 525.0, fy = 525.0, cx = 319.5, cy = 239.5 }`. Needed for
    /// normals and HHA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intrinsics: Option<Intrinsics>,
    /// Pixels to each side that a normal is fitted to, 1 to 50, for normals and HHA. Of a Kinect's depths, whose steps are
    /// a centimeter at 2 meters, 3 pixels to each side see the steps and 10 the surface.
    pub normal_radius: usize,
    /// What HHA assumes about the direction of gravity.
    pub gravity: Gravity,
    /// The network.
    pub encoder: EncoderSettings,
}

/// How distances lie between the nearest and the farthest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DepthScale {
    /// Evenly.
    #[default]
    Linear,
    /// Their inverses evenly, as disparities: near things are told apart finely, as sensors do. The nearest distance
    /// must be above 0.
    Inverse,
    /// Their logarithms evenly: equal ratios are equal steps. The nearest distance must be above 0.
    Logarithmic,
}

/// What the network is shown of a depth map; a last channel is 1 where it is known and 0 where it is not, and all
/// others are 0 there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DepthEncoding {
    /// The distance, −1 to 1.
    #[default]
    Depth,
    /// Three channels: the unit normal toward the camera; x to the right, y down, z ahead.
    Normals,
    /// Three channels, −1 to 1 each: disparity over `range`, height above ground of 0 to 2.55 meters, and 0 to 180
    /// degrees between gravity and the normal (Gupta et al., ECCV 2014).
    Hha,
}

/// Greatest height above ground that HHA tells apart, in meters: 255 cm, as the paper's 8-bit pictures.
const HIGHEST: f64 = 2.55;

/// Brings a number between two others to −1..1, clipped.
fn between(value: f64, low: f64, high: f64) -> f32 {
    ((value - low) / (high - low) * 2.0 - 1.0).clamp(-1.0, 1.0) as f32
}

impl Depth {
    fn choice(&self) -> FrameChoice {
        FrameChoice {
            frames: self.frames,
            sampling: self.sampling,
            stride: self.stride,
            clips: self.clips,
        }
    }

    /// The range, if it can be one.
    fn checked_range(&self) -> Result<(f32, f32)> {
        let [near, far] = self.range;
        let positive = self.scale != DepthScale::Linear || self.encoding == DepthEncoding::Hha;
        let least = if positive { near > 0.0 } else { near >= 0.0 };
        if least && near.is_finite() && far.is_finite() && near < far {
            return Ok((near, far));
        }
        let expected = if positive {
            "two distances in meters, the nearer first and above 0, for an inverse or logarithmic scale and for HHA"
        } else {
            "two distances in meters, the nearer first"
        };
        Err(Error::setting("range", format!("[{near}, {far}]"), expected))
    }

    /// Distances as channels, `[frames, 2, height, width]`.
    fn distances(&self, maps: &DepthMaps, chosen: &[usize]) -> Result<Planes> {
        let (near, far) = self.checked_range()?;
        // Both channels are scaled before the size changes, so that a pixel without a measurement counts
        // as the middle of the range and not as a distance of 0.
        let planes = Planes::gather(maps.meters(), maps.shape(), chosen);
        let mut planes = planes.with_channel(|meters| if meters > 0.0 { 1.0 } else { 0.0 });
        let scale = self.scale;
        planes.map_channel(0, |meters| {
            if meters > 0.0 {
                match scale {
                    DepthScale::Linear => ((meters - near) / (far - near) * 2.0 - 1.0).clamp(-1.0, 1.0),
                    DepthScale::Inverse => between(
                        -1.0 / f64::from(meters),
                        -1.0 / f64::from(near),
                        -1.0 / f64::from(far),
                    ),
                    DepthScale::Logarithmic => {
                        between(f64::from(meters).ln(), f64::from(near).ln(), f64::from(far).ln())
                    }
                }
            } else {
                0.0
            }
        });
        Ok(planes)
    }

    /// Normals or HHA as channels, `[frames, 4, height, width]`.
    fn surfaces(&self, maps: &DepthMaps, chosen: &[usize]) -> Result<Planes> {
        let (near, far) = self.checked_range()?;
        let Some(camera) = self.intrinsics else {
            let expected = "the camera's { fx, fy, cx, cy } in pixels, for encoding = \"normals\" or \"hha\"";
            return Err(Error::setting("intrinsics", "none", expected));
        };
        let camera = camera.checked()?;
        if !(1..=50).contains(&self.normal_radius) {
            return Err(Error::setting("normal_radius", self.normal_radius, "1 to 50"));
        }
        let (nearest, farthest) = (1.0 / f64::from(near), 1.0 / f64::from(far));
        let shape = maps.shape();
        let pixels = shape.height * shape.width;
        let mut values = vec![0.0; chosen.len() * 4 * pixels];
        for (picture, &frame) in values.chunks_exact_mut((4 * pixels).max(1)).zip(chosen) {
            let map = DepthMap {
                meters: &maps.meters()[frame * pixels..][..pixels],
                width: shape.width,
            };
            let channels: Vec<Option<[f32; 3]>> = if self.encoding == DepthEncoding::Normals {
                let normals = normals(map, camera, self.normal_radius).into_iter();
                normals
                    .map(|normal| normal.map(|n| n.map(|part| part as f32)))
                    .collect()
            } else {
                let hha = hha(map, camera, self.normal_radius, self.gravity).into_iter();
                hha.map(|pixel| {
                    pixel.map(|hha| {
                        [
                            between(hha.inverse_depth, farthest, nearest),
                            between(hha.height, 0.0, HIGHEST),
                            between(hha.angle, 0.0, 180.0),
                        ]
                    })
                })
                .collect()
            };
            for (at, known) in channels.iter().enumerate() {
                let Some(known) = known else { continue };
                for (channel, &value) in known.iter().chain(&[1.0]).enumerate() {
                    picture[channel * pixels + at] = value;
                }
            }
        }
        let shape = SequenceShape {
            frames: chosen.len(),
            channels: 4,
            ..shape
        };
        Planes::new(shape, values)
    }
}

impl Default for Depth {
    fn default() -> Self {
        Self {
            size: None,
            frames: None,
            sampling: Sampling::default(),
            stride: 1,
            clips: 1,
            range: [0.5, 8.0],
            scale: DepthScale::default(),
            encoding: DepthEncoding::default(),
            intrinsics: None,
            normal_radius: 5,
            gravity: Gravity::default(),
            encoder: EncoderSettings::default(),
        }
    }
}

#[typetag::serde(name = "depth")]
impl Modality for Depth {
    fn media(&self) -> MediaKind {
        MediaKind::Depth
    }

    fn prepares_quantities(&self) -> bool {
        true
    }

    fn prepare(&self, media: &Media) -> Result<Array> {
        let Media::Depth(maps) = media else {
            return Err(wrong_media("depth", MediaKind::Depth, media));
        };
        let chosen = self.choice().of(maps.shape().frames)?;
        let mut planes = match self.encoding {
            DepthEncoding::Depth => self.distances(maps, &chosen)?,
            DepthEncoding::Normals | DepthEncoding::Hha => self.surfaces(maps, &chosen)?,
        };
        if let Some([height, width]) = self.size {
            planes = planes.resized(height, width)?;
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

gblend_core::register!(Modality, "depth" => Depth);
