//! Choosing frames of a sequence: spread over it, or clips of it.

use std::num::NonZeroUsize;

use gblend_core::{Array, Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::range::within;

/// Which frames of a sequence are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Evenly spread over all of it: the middle one of each of `frames` equal parts (as in Temporal Segment Networks,
    /// Wang et al., ECCV 2016).
    #[default]
    Spread,
    /// Clips of `frames` in a row, every `stride`-th. A single one is from the middle.
    Clip,
}

/// The settings that choose frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameChoice {
    /// Frames of each clip, or of all; every frame there is, if not given.
    pub frames: Option<usize>,
    /// Which ones.
    pub sampling: Sampling,
    /// Frames from one frame of a clip to the next.
    pub stride: usize,
    /// Clips of each sequence.
    pub clips: usize,
}

/// Frames of all clips together: more than anyone trains on, whatever their size.
const MOST: usize = 4096;

impl FrameChoice {
    /// The frames that are taken of a sequence of `available`, one clip after another.
    ///
    /// # Errors
    /// [`Error::Setting`] if a setting is out of its range, or does nothing beside the others.
    pub fn of(self, available: usize) -> Result<Vec<usize>> {
        within("stride", self.stride, 1..=usize::MAX)?;
        within("clips", self.clips, 1..=MOST)?;
        if self.clips > 1 && (self.sampling != Sampling::Clip || self.frames.is_none()) {
            let expected = "1, or `sampling = \"clip\"` and the number of `frames` in each clip";
            return Err(Error::setting("clips", self.clips, expected));
        }
        match (self.frames, self.sampling) {
            (None, _) => Ok((0..available).collect()),
            (Some(count), sampling) => {
                within("frames", count, 1..=MOST / self.clips)?;
                Ok(match sampling {
                    Sampling::Spread => spread(available, count),
                    Sampling::Clip => clips(available, count, self.stride, self.clips),
                })
            }
        }
    }

    /// The number of clips.
    pub fn views(self) -> NonZeroUsize {
        NonZeroUsize::new(self.clips).unwrap_or(NonZeroUsize::MIN)
    }

    /// One clip of a sample `[channels, height, width, clips × frames]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the frames do not divide into the clips, or there is no such clip.
    pub fn view(self, sample: Array, view: usize) -> Result<Array> {
        if self.clips <= 1 {
            return Ok(sample);
        }
        let frames = match sample.shape() {
            &[.., all] if all > 0 && all.is_multiple_of(self.clips) && view < self.clips => all / self.clips,
            _ => {
                let expected = format!("the frames of {} clips", self.clips);
                return Err(Error::shape("clips of a sample", expected, sample.shape()));
            }
        };
        let mut shape = sample.shape().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = frames;
        }
        let pixels = sample.values().chunks_exact(frames * self.clips);
        let values = pixels.flat_map(|pixel| &pixel[view * frames..(view + 1) * frames]);
        Array::new(shape, values.copied().collect())
    }
}

/// `count` frames out of `frames`, evenly spread: the middle one of each of `count` equal parts. Frames
/// repeat if there are fewer.
pub fn spread(frames: usize, count: usize) -> Vec<usize> {
    (0..count)
        .map(|index| ((2 * index + 1) * frames / (2 * count)).min(frames.saturating_sub(1)))
        .collect()
}

/// `clips` times `count` frames out of `frames` in a row, every `stride`-th: the first clip from the beginning, the last
/// from the end, the others evenly between; a single one from the middle. The last frame repeats if there are fewer.
fn clips(frames: usize, count: usize, stride: usize, clips: usize) -> Vec<usize> {
    let extent = count.saturating_sub(1).saturating_mul(stride).saturating_add(1);
    let room = frames.saturating_sub(extent);
    let first = |clip: usize| match clips {
        1 => room / 2,
        _ => (clip * room + (clips - 1) / 2) / (clips - 1),
    };
    (0..clips)
        .flat_map(|clip| {
            let first = first(clip);
            (0..count).map(move |index| {
                first
                    .saturating_add(index.saturating_mul(stride))
                    .min(frames.saturating_sub(1))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn choice(sampling: Sampling, frames: usize, stride: usize, clips: usize) -> FrameChoice {
        FrameChoice {
            frames: Some(frames),
            sampling,
            stride,
            clips,
        }
    }

    proptest! {
        #[test]
        fn spread_frames_exist_are_in_order_and_cover_the_sequence(frames in 1_usize..50, count in 1_usize..20) {
            let chosen = choice(Sampling::Spread, count, 1, 1).of(frames).unwrap();
            prop_assert_eq!(chosen.len(), count);
            prop_assert!(chosen.is_sorted() && chosen.iter().all(|&frame| frame < frames));
            let part = frames.div_ceil(count);
            prop_assert!(chosen[0] <= part && chosen[count - 1] + part >= frames - 1);
        }

        #[test]
        fn a_clip_has_even_steps_and_lies_in_the_middle(frames in 1_usize..50, count in 1_usize..20, stride in 1_usize..5) {
            let chosen = choice(Sampling::Clip, count, stride, 1).of(frames).unwrap();
            prop_assert_eq!(chosen.len(), count);
            prop_assert!(chosen.iter().all(|&frame| frame < frames));
            if (count - 1) * stride < frames {
                prop_assert!(chosen.windows(2).all(|pair| pair[1] - pair[0] == stride));
                let behind = frames - 1 - chosen[count - 1];
                prop_assert!(behind.abs_diff(chosen[0]) <= 1);
            }
        }

        #[test]
        fn clips_reach_from_the_beginning_to_the_end_in_even_steps(
            count in 1_usize..9, stride in 1_usize..4, room in 0_usize..60, clips in 2_usize..9,
        ) {
            let extent = (count - 1) * stride + 1;
            let frames = extent + room;
            let chosen = choice(Sampling::Clip, count, stride, clips).of(frames).unwrap();
            let firsts: Vec<usize> = chosen.iter().copied().step_by(count).collect();
            prop_assert_eq!(firsts.len(), clips);
            prop_assert_eq!((firsts[0], firsts[clips - 1]), (0, room));
            let steps: Vec<usize> = firsts.windows(2).map(|pair| pair[1] - pair[0]).collect();
            prop_assert!(steps.iter().all(|step| step.abs_diff(room / (clips - 1)) <= 1));
        }

        #[test]
        fn the_views_of_a_sample_are_its_clips(pixels in 1_usize..5, frames in 1_usize..4, clips in 1_usize..5) {
            let values: Vec<f32> = (0..pixels * clips * frames).map(|i| i as f32).collect();
            let sample = Array::new([1, 1, pixels, clips * frames], values).unwrap();
            let choice = choice(Sampling::Clip, frames, 1, clips);
            prop_assert_eq!(choice.views().get(), clips);
            for view in 0..clips {
                let seen = choice.view(sample.clone(), view).unwrap();
                prop_assert_eq!(seen.shape(), &[1, 1, pixels, frames]);
                for pixel in 0..pixels {
                    for frame in 0..frames {
                        let expected = (pixel * clips + view) * frames + frame;
                        prop_assert_eq!(seen.values()[pixel * frames + frame], expected as f32);
                    }
                }
            }
            if clips > 1 {
                prop_assert!(choice.view(sample, clips).is_err());
            }
        }
    }

    #[test]
    fn settings_that_do_nothing_are_refused() {
        assert!(choice(Sampling::Spread, 4, 1, 3).of(10).is_err());
        assert!(choice(Sampling::Clip, 4, 0, 1).of(10).is_err());
        assert!(choice(Sampling::Clip, 0, 1, 1).of(10).is_err());
        assert!(choice(Sampling::Clip, 4, 1, 0).of(10).is_err());
        let all = FrameChoice {
            frames: None,
            ..choice(Sampling::Clip, 1, 1, 2)
        };
        assert!(all.of(10).is_err());
    }
}
