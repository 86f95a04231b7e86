//! Random changes to a sequence in training.

use gblend_core::{Array, Error, Result, SampleRng};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::range::within;

/// Changes of a standardized sequence, drawn anew for each sample and epoch (Um et al., "Data Augmentation of Wearable
/// Sensor Data for Parkinson's Disease Monitoring using Convolutional Neural Networks", ICMI 2017).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SequenceAugment {
    /// Deviation of normal noise that is added to each value.
    pub jitter: f64,
    /// Deviation of the normal factor around 1 by which each feature is multiplied.
    pub scale: f64,
    /// Most steps that the sequence is moved by, to either side; what is moved out of it is lost, and nothing is where
    /// nothing is moved in.
    pub shift: usize,
    /// Most steps in a row that are taken out.
    pub mask: usize,
    /// How often, of places that may overlap.
    pub masks: usize,
}

impl Default for SequenceAugment {
    fn default() -> Self {
        Self {
            jitter: 0.0,
            scale: 0.0,
            shift: 0,
            mask: 0,
            masks: 1,
        }
    }
}

impl SequenceAugment {
    /// Whether anything is switched on, or set to what cannot be, which changing a sample tells.
    pub(super) fn changes(&self) -> bool {
        *self != Self::default()
    }

    /// Changes a sample `[features + 1, steps]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the sample has another rank, [`Error::Setting`] if a setting is out of its range.
    pub(super) fn apply(&self, mut sample: Array, rng: &mut SampleRng) -> Result<Array> {
        if (self.jitter, self.scale, self.shift, self.mask) == (0.0, 0.0, 0, 0) {
            return Ok(sample);
        }
        for (key, value) in [("augment.jitter", self.jitter), ("augment.scale", self.scale)] {
            if !(0.0..=100.0).contains(&value) {
                return Err(Error::setting(key, value, "0 to 100"));
            }
        }
        within("augment.shift", self.shift, 0..=super::LONGEST)?;
        within("augment.mask", self.mask, 0..=super::LONGEST)?;
        within("augment.masks", self.masks, 0..=1000)?;
        let &[rows, length] = sample.shape() else {
            let expected = "[features + 1, steps]";
            return Err(Error::shape("a sequence", expected, sample.shape()));
        };
        if rows == 0 || length == 0 || !self.changes() {
            return Ok(sample);
        }
        let right = rng.random_range(0..=2 * self.shift) as isize - self.shift as isize;
        let spans: Vec<(usize, usize)> = (0..self.masks)
            .map(|_| {
                let width = rng.random_range(0..=self.mask.min(length));
                (rng.random_range(0..=length - width), width)
            })
            .collect();
        for series in sample.values_mut().chunks_exact_mut(length) {
            moved(series, right);
        }
        let (values, mask) = sample.values_mut().split_at_mut((rows - 1) * length);
        for (start, width) in spans {
            mask[start..start + width].fill(0.0);
        }
        for series in values.chunks_exact_mut(length) {
            let factor: f64 = StandardNormal.sample(rng);
            let factor = 1.0 + self.scale * factor;
            for (value, &there) in series.iter_mut().zip(&*mask) {
                let noise: f64 = match self.jitter > 0.0 {
                    true => StandardNormal.sample(rng),
                    false => 0.0,
                };
                *value = match there > 0.0 {
                    true => (f64::from(*value) * factor + self.jitter * noise) as f32,
                    false => 0.0,
                };
            }
        }
        Ok(sample)
    }
}

/// Moves values to the right, or to the left if `right` is negative; 0 is moved in.
fn moved(series: &mut [f32], right: isize) {
    let by = right.unsigned_abs().min(series.len());
    let kept = series.len() - by;
    if right >= 0 {
        series.copy_within(..kept, by);
        series[..by].fill(0.0);
    } else {
        series.copy_within(by.., 0);
        series[kept..].fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::Seed;
    use proptest::prelude::*;

    /// Two features of four steps, the last of which is padding.
    fn sample() -> Array {
        let values = vec![1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0, 1.0, 1.0, 1.0, 0.0];
        Array::new([3, 4], values).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_not_there_stays_zero_and_the_mask_says_so(
            seed: u64, jitter in 0.0..2.0, scale in 0.0..2.0, shift in 0_usize..9, mask in 0_usize..9, masks in 0_usize..4,
        ) {
            let augment = SequenceAugment { jitter, scale, shift, mask, masks };
            let changed = augment.apply(sample(), &mut Seed::new(seed).rng()).unwrap();
            let (values, there) = changed.values().split_at(8);
            for (step, &there) in there.iter().enumerate() {
                prop_assert!(there == 0.0 || there == 1.0);
                prop_assert!(there == 1.0 || (values[step] == 0.0 && values[4 + step] == 0.0));
            }
            // Nothing comes from nowhere.
            prop_assert!(there.iter().sum::<f32>() <= 3.0);
        }
    }

    #[test]
    fn a_shift_moves_features_and_mask_alike() {
        let mut series = [1.0, 2.0, 3.0];
        moved(&mut series, 1);
        assert_eq!(series, [0.0, 1.0, 2.0]);
        moved(&mut series, -2);
        assert_eq!(series, [2.0, 0.0, 0.0]);
        moved(&mut series, 9);
        assert_eq!(series, [0.0; 3]);
        let augment = SequenceAugment {
            shift: 3,
            ..SequenceAugment::default()
        };
        let rows: std::collections::BTreeSet<Vec<u32>> = (0..40)
            .map(|seed| augment.apply(sample(), &mut Seed::new(seed).rng()).unwrap())
            .map(|changed| changed.values().iter().map(|value| value.to_bits()).collect())
            .collect();
        // Up to three to either side; three to the left leaves nothing but is there.
        assert_eq!(rows.len(), 7);
    }
}
