//! Random changes to pictures and clips in training.

use gblend_core::{Array, Error, Result, SampleRng};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Crops, flips, and changes of color and time, drawn anew for each sample and epoch; one draw for all frames of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PictureAugment {
    /// Least share of the picture's area that a crop keeps, above 0 to 1. The share is drawn evenly, then the place; the
    /// crop has the picture's aspect and is brought to its size. 1: no crop.
    pub crop: f64,
    /// Whether every other picture is mirrored, left to right.
    pub flip: bool,
    /// Most that brightness is multiplied or divided apart: the factor is drawn between 1 − this and 1 + this; 0 to 1.
    pub brightness: f64,
    /// The same for the differences from the mean of the sample's gray values.
    pub contrast: f64,
    /// The same for the differences from each pixel's gray value; pictures in gray have none.
    pub saturation: f64,
    /// Most frames that a clip is moved by in time, to either side; the frame at the end it comes from is repeated.
    pub time_shift: usize,
}

impl Default for PictureAugment {
    fn default() -> Self {
        Self {
            crop: 1.0,
            flip: false,
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            time_shift: 0,
        }
    }
}

/// How the values of prepared pictures were made of values from 0 to 1: `(value − mean) / deviation`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standardized {
    /// Subtracted first, of red, green and blue; a single channel has the first.
    pub mean: [f32; 3],
    /// Divides afterwards.
    pub deviation: [f32; 3],
}

/// Weights of red, green and blue in a gray value (ITU-R BT.601).
const GRAY: [f32; 3] = [0.299, 0.587, 0.114];

impl PictureAugment {
    /// Changes a sample `[channels, height, width, frames]`.
    ///
    /// # Errors
    /// [`Error::Setting`] if a setting is out of its range, [`Error::Shape`] if the sample has another rank.
    pub fn apply(&self, sample: Array, values: Standardized, rng: &mut SampleRng) -> Result<Array> {
        if !self.changes() {
            return Ok(sample);
        }
        self.check()?;
        let &[channels, height, width, frames] = sample.shape() else {
            let expected = "[channels, height, width, frames]";
            return Err(Error::shape("a sample of pictures", expected, sample.shape()));
        };
        let shape = [channels, height, width, frames];
        // Every number is drawn, whatever is switched on: one setting does not shift another's draws.
        let side = rng.random_range(self.crop..=1.0).sqrt();
        let mut place = |length: usize| {
            let kept = side * length as f64;
            let start: f64 = rng.random_range(0.0..=1.0);
            Span {
                start: start * (length as f64 - kept),
                length: kept,
            }
        };
        let (rows, columns) = (place(height), place(width));
        let mirrored = rng.random_bool(0.5) && self.flip;
        let mut factor = |most: f64| rng.random_range(1.0 - most..=1.0 + most) as f32;
        let factors = [
            factor(self.brightness),
            factor(self.contrast),
            factor(self.saturation),
        ];
        let most = self.time_shift.min(frames);
        let later = rng.random_range(0..=2 * most) as isize - most as isize;
        let sources = Sources {
            rows: rows.sources(height, false),
            columns: columns.sources(width, mirrored),
            frames: (0..frames)
                .map(|frame| frame.saturating_add_signed(-later).min(frames.saturating_sub(1)))
                .collect(),
        };
        let mut changed = sources.gather(sample.values(), channels);
        jitter(&mut changed, channels, values, factors);
        Array::new(shape, changed)
    }

    /// Whether anything is switched on.
    pub fn changes(&self) -> bool {
        *self != Self::default()
    }

    fn check(&self) -> Result<()> {
        if !(self.crop > 0.0 && self.crop <= 1.0) {
            return Err(Error::setting("augment.crop", self.crop, "above 0, at most 1"));
        }
        for (key, value) in [
            ("augment.brightness", self.brightness),
            ("augment.contrast", self.contrast),
            ("augment.saturation", self.saturation),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::setting(key, value, "0 to 1"));
            }
        }
        Ok(())
    }
}

/// Part of an axis, in pixels.
#[derive(Clone, Copy)]
struct Span {
    start: f64,
    length: f64,
}

/// Two neighbors and the second one's share.
#[derive(Clone, Copy)]
struct Between {
    first: usize,
    second: usize,
    share: f32,
}

impl Span {
    /// Where each of `length` pixels comes from, if they are spread over the span.
    fn sources(self, length: usize, mirrored: bool) -> Vec<Between> {
        let last = length.saturating_sub(1);
        let source = |at: usize| {
            let at = if mirrored { last - at } else { at };
            let middle = self.start + (at as f64 + 0.5) * self.length / length as f64 - 0.5;
            let middle = middle.clamp(0.0, last as f64);
            let first = (middle.floor() as usize).min(last);
            Between {
                first,
                second: (first + 1).min(last),
                share: (middle - first as f64) as f32,
            }
        };
        (0..length).map(source).collect()
    }
}

/// Where every pixel of every frame comes from.
struct Sources {
    rows: Vec<Between>,
    columns: Vec<Between>,
    frames: Vec<usize>,
}

impl Sources {
    /// The changed sample, bilinear between pixels.
    fn gather(&self, values: &[f32], channels: usize) -> Vec<f32> {
        let (width, frames) = (self.columns.len(), self.frames.len());
        let mut changed = Vec::with_capacity(values.len());
        for channel in 0..channels {
            let plane = &values[channel * self.rows.len() * width * frames..];
            for row in &self.rows {
                for column in &self.columns {
                    for &frame in &self.frames {
                        let at = |row: usize, column: usize| plane[(row * width + column) * frames + frame];
                        let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
                        let upper = mix(
                            at(row.first, column.first),
                            at(row.first, column.second),
                            column.share,
                        );
                        let lower = mix(
                            at(row.second, column.first),
                            at(row.second, column.second),
                            column.share,
                        );
                        changed.push(mix(upper, lower, row.share));
                    }
                }
            }
        }
        changed
    }
}

/// Changes brightness, contrast and saturation by factors, in this order, within 0 to 1.
fn jitter(values: &mut [f32], channels: usize, standardized: Standardized, factors: [f32; 3]) {
    if factors == [1.0; 3] || values.is_empty() {
        return;
    }
    let Standardized { mean, deviation } = standardized;
    let [brightness, contrast, saturation] = factors;
    let pixels = values.len() / channels;
    // Other pictures than those of three channels have the same for all.
    let of = |channel: usize| (mean[channel.min(2)], deviation[channel.min(2)]);
    for (channel, plane) in values.chunks_exact_mut(pixels).enumerate() {
        let (mean, deviation) = of(channel);
        for value in plane {
            *value = ((*value * deviation + mean) * brightness).clamp(0.0, 1.0);
        }
    }
    let gray: Vec<f32> = match channels {
        3 => (0..pixels)
            .map(|at| {
                GRAY.iter()
                    .enumerate()
                    .map(|(channel, weight)| weight * values[channel * pixels + at])
                    .sum()
            })
            .collect(),
        _ => values[..pixels].to_vec(),
    };
    let middle = (gray.iter().map(|&value| f64::from(value)).sum::<f64>() / pixels as f64) as f32;
    for (channel, plane) in values.chunks_exact_mut(pixels).enumerate() {
        let (mean, deviation) = of(channel);
        for (value, gray) in plane.iter_mut().zip(&gray) {
            // Contrast is linear, so that it may follow saturation: gray values keep their own.
            let colored = gray + (*value - gray) * saturation;
            let contrasted = (middle + (colored - middle) * contrast).clamp(0.0, 1.0);
            *value = (contrasted - mean) / deviation;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::Seed;
    use proptest::prelude::*;

    const VALUES: Standardized = Standardized {
        mean: [0.5, 0.45, 0.4],
        deviation: [0.25, 0.2, 0.3],
    };

    /// A ramp from left to right, other for each channel, frame and row, within 0 to 1 before standardizing.
    fn sample() -> Array {
        let value = |at: usize| {
            let (frame, column, row, channel) = (at % 4, at / 4 % 8, at / 32 % 6, at / 192);
            let ramp =
                column as f32 / 10.0 + frame as f32 / 100.0 + row as f32 / 1000.0 + channel as f32 / 50.0;
            (ramp - VALUES.mean[channel]) / VALUES.deviation[channel]
        };
        Array::new([3, 6, 8, 4], (0..576).map(value).collect()).unwrap()
    }

    fn apply(augment: PictureAugment, seed: u64) -> Array {
        augment
            .apply(sample(), VALUES, &mut Seed::new(seed).rng())
            .unwrap()
    }

    proptest! {
        #[test]
        fn changes_keep_shape_and_range_and_follow_the_seed(
            crop in 0.05_f64..1.0, flip: bool, strength in 0.0_f64..1.0, time_shift in 0_usize..9, seed: u64,
        ) {
            let augment = PictureAugment {
                crop, flip, brightness: strength, contrast: strength, saturation: strength, time_shift,
            };
            let changed = apply(augment, seed);
            prop_assert_eq!(changed.shape(), [3, 6, 8, 4]);
            prop_assert_eq!(&changed, &apply(augment, seed));
            for (at, value) in changed.values().iter().enumerate() {
                let plain = value * VALUES.deviation[at / 192] + VALUES.mean[at / 192];
                prop_assert!((-1e-5..=1.0 + 1e-5).contains(&plain), "{}", plain);
            }
        }

        #[test]
        fn a_flip_mirrors_every_other_picture_and_nothing_else(seed: u64) {
            let changed = apply(PictureAugment { flip: true, ..PictureAugment::default() }, seed);
            let mirrored: Vec<f32> = (0..576)
                .map(|at| sample().values()[at / 32 * 32 + (7 - at / 4 % 8) * 4 + at % 4])
                .collect();
            prop_assert!(changed.values() == sample().values() || changed.values() == mirrored);
        }

        #[test]
        fn a_shift_in_time_moves_every_pixel_by_the_same_frames(seed: u64) {
            let changed = apply(PictureAugment { time_shift: 2, ..PictureAugment::default() }, seed);
            let found = (-2_isize..=2).find(|later| {
                let moved = (0..576).map(|at| {
                    let frame = ((at % 4) as isize - later).clamp(0, 3) as usize;
                    sample().values()[at / 4 * 4 + frame]
                });
                changed.values().iter().copied().eq(moved)
            });
            prop_assert!(found.is_some());
        }
    }

    #[test]
    fn a_crop_shows_its_share_of_the_ramp() {
        for seed in 0..50 {
            let changed = apply(
                PictureAugment {
                    crop: 0.25,
                    ..PictureAugment::default()
                },
                seed,
            );
            // Away from the border, where pixels repeat, neighbors differ by the crop's share of a step.
            let plain = |column: usize| changed.values()[column * 4] * VALUES.deviation[0];
            let share = (plain(4) - plain(3)) / 0.1;
            assert!((0.499..=1.001).contains(&share), "{share}");
        }
    }

    #[test]
    fn both_sides_of_a_flip_come_up() {
        let flip = PictureAugment {
            flip: true,
            ..PictureAugment::default()
        };
        let same = (0..200).filter(|&seed| apply(flip, seed) == sample()).count();
        assert!((60..=140).contains(&same), "{same} of 200");
    }

    #[test]
    fn without_settings_nothing_is_changed_or_drawn() {
        let (mut rng, mut other) = (Seed::new(1).rng(), Seed::new(1).rng());
        let same = PictureAugment::default()
            .apply(sample(), VALUES, &mut rng)
            .unwrap();
        assert_eq!(same, sample());
        assert_eq!(rng.random::<u64>(), other.random::<u64>());
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let base = PictureAugment::default();
        for (augment, key) in [
            (PictureAugment { crop: 0.0, ..base }, "augment.crop"),
            (
                PictureAugment {
                    crop: f64::NAN,
                    ..base
                },
                "augment.crop",
            ),
            (
                PictureAugment {
                    brightness: 1.5,
                    ..base
                },
                "augment.brightness",
            ),
            (
                PictureAugment {
                    contrast: -0.1,
                    ..base
                },
                "augment.contrast",
            ),
            (
                PictureAugment {
                    saturation: f64::NAN,
                    ..base
                },
                "augment.saturation",
            ),
        ] {
            let error = augment
                .apply(sample(), VALUES, &mut Seed::new(1).rng())
                .unwrap_err()
                .to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
