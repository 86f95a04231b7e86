//! Random changes to a spectrogram in training.

use gblend_core::{Array, Error, Result, SampleRng};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::range::within;

/// Noise, shifts and masks of a spectrogram, drawn anew for each sample and epoch (masks: SpecAugment, Park et al.,
/// Interspeech 2019, section 2, without time warping).
///
/// A mask's width is drawn from 0 to its setting, and then its place from all where it fits, the last one included.
/// Spectrograms have one length, so that the paper's bound on a time mask as a share of it needs no setting.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpecAugment {
    /// Most frames that the sound is moved by, to either side.
    pub time_shift: usize,
    /// Most mel filters that the sound is moved by, up or down: other pitches and voices.
    pub frequency_shift: usize,
    /// Most frames in a row that are masked.
    pub time_mask: usize,
    /// Most mel filters in a row that are masked.
    pub frequency_mask: usize,
    /// Masks of each kind, which may overlap.
    pub masks: usize,
    /// Least and greatest ratio, in decibels, of the sound's power to that of white noise that is added; the ratio is
    /// drawn evenly. The noise is drawn in the power spectrogram, with the mean and the spread that noise in the
    /// waveform has there; powers are means over the spectrogram's cells. Needs `normalization = "fixed"`. Default:
    /// no noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise_snr: Option<[f64; 2]>,
}

impl Default for SpecAugment {
    fn default() -> Self {
        Self {
            time_shift: 0,
            frequency_shift: 0,
            time_mask: 0,
            frequency_mask: 0,
            masks: 1,
            noise_snr: None,
        }
    }
}

/// Longer shifts and masks than any spectrogram is.
const LONGEST: usize = 1 << 24;
/// More masks than any spectrogram needs.
const MOST_MASKS: usize = 1000;

impl SpecAugment {
    /// Whether anything is switched on.
    pub fn changes(&self) -> bool {
        self.noise_snr.is_some() || self.moves_or_masks()
    }

    fn moves_or_masks(&self) -> bool {
        let sizes = [
            self.time_shift,
            self.frequency_shift,
            self.time_mask,
            self.frequency_mask,
        ];
        sizes != [0; 4]
    }

    /// Shifts and masks a sample `[1, mels, frames, 1]`; what is moved out of it is lost, and what is moved in or
    /// masked has the sample's mean. Noise is [`add_noise`](super::spectrogram_noise::add_noise)'s part.
    ///
    /// # Errors
    /// [`Error::Shape`] if the sample has another rank, [`Error::Setting`] if a shift or a mask is longer than any spectrogram, or there are too many masks.
    pub fn apply(&self, sample: Array, rng: &mut SampleRng) -> Result<Array> {
        if !self.moves_or_masks() {
            return Ok(sample);
        }
        for (key, size) in [
            ("augment.time_shift", self.time_shift),
            ("augment.frequency_shift", self.frequency_shift),
            ("augment.time_mask", self.time_mask),
            ("augment.frequency_mask", self.frequency_mask),
        ] {
            within(key, size, 0..=LONGEST)?;
        }
        within("augment.masks", self.masks, 0..=MOST_MASKS)?;
        let &[1, mels, frames, 1] = sample.shape() else {
            return Err(Error::shape(
                "a spectrogram",
                "[1, mels, frames, 1]",
                sample.shape(),
            ));
        };
        let mut either = |most: usize| rng.random_range(0..=2 * most) as isize - most as isize;
        let (up, right) = (either(self.frequency_shift), either(self.time_shift));
        let mut span = |most: usize, length: usize| {
            let width = rng.random_range(0..=most.min(length));
            let start = rng.random_range(0..=length - width);
            start..start + width
        };
        let (mut mels_left, mut frames_left) = (vec![true; mels], vec![true; frames]);
        for _ in 0..self.masks {
            mels_left[span(self.frequency_mask, mels)].fill(false);
            frames_left[span(self.time_mask, frames)].fill(false);
        }
        let values = sample.values();
        let mean = values.iter().sum::<f32>() / values.len().max(1) as f32;
        let source = |at: usize, by: isize, length: usize| {
            at.checked_add_signed(-by).filter(|&source| source < length)
        };
        let mut changed = vec![mean; values.len()];
        for mel in (0..mels).filter(|&mel| mels_left[mel]) {
            for frame in (0..frames).filter(|&frame| frames_left[frame]) {
                if let (Some(row), Some(column)) = (source(mel, up, mels), source(frame, right, frames)) {
                    changed[mel * frames + frame] = values[row * frames + column];
                }
            }
        }
        Array::new(sample.shape(), changed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::Seed;
    use proptest::prelude::*;

    fn sample() -> Array {
        Array::new([1, 6, 8, 1], (0..48).map(|i| 100.0 + i as f32).collect()).unwrap()
    }

    proptest! {
        #[test]
        fn masks_take_at_most_their_size_and_leave_the_rest(
            time_mask in 0_usize..12, frequency_mask in 0_usize..12, masks in 0_usize..3, seed: u64,
        ) {
            let augment = SpecAugment { time_mask, frequency_mask, masks, ..SpecAugment::default() };
            let changed = augment.apply(sample(), &mut Seed::new(seed).rng()).unwrap();
            let same = changed.values().iter().zip(sample().values()).filter(|(a, b)| a == b).count();
            let least = 6_usize.saturating_sub(masks * frequency_mask) * 8_usize.saturating_sub(masks * time_mask);
            prop_assert!(same >= least, "{} of at least {}", same, least);
        }

        #[test]
        fn a_shift_moves_every_value_by_the_same_step(time_shift in 0_usize..4, frequency_shift in 0_usize..4, seed: u64) {
            let augment = SpecAugment { time_shift, frequency_shift, ..SpecAugment::default() };
            let changed = augment.apply(sample(), &mut Seed::new(seed).rng()).unwrap();
            let steps: std::collections::BTreeSet<(isize, isize)> = changed
                .values()
                .iter()
                .enumerate()
                .filter(|(_, value)| value.fract() == 0.0)
                .map(|(at, &value)| {
                    let from = (value - 100.0) as isize;
                    ((at / 8) as isize - from / 8, (at % 8) as isize - from % 8)
                })
                .collect();
            prop_assert_eq!(steps.len(), 1);
            let (up, right) = steps.into_iter().next().unwrap();
            prop_assert!(up.unsigned_abs() <= frequency_shift && right.unsigned_abs() <= time_shift);
        }
    }

    #[test]
    fn every_width_and_place_of_a_mask_comes_up() {
        let augment = SpecAugment {
            time_mask: 3,
            ..SpecAugment::default()
        };
        let masks: std::collections::BTreeSet<Vec<bool>> = (0..500)
            .map(|seed| {
                let changed = augment.apply(sample(), &mut Seed::new(seed).rng()).unwrap();
                let first = changed.values().iter().zip(sample().into_values()).take(8);
                first.map(|(&found, was)| found != was).collect()
            })
            .collect();
        // None, and 8, 7 and 6 places for 1 to 3 frames.
        assert_eq!(masks.len(), 1 + 8 + 7 + 6);
    }

    #[test]
    fn without_settings_nothing_is_changed_or_drawn() {
        let (mut rng, mut other) = (Seed::new(1).rng(), Seed::new(1).rng());
        assert_eq!(
            SpecAugment::default().apply(sample(), &mut rng).unwrap(),
            sample()
        );
        assert_eq!(rng.random::<u64>(), other.random::<u64>());
    }
}
