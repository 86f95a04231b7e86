//! Random changes to texts in training.

use gblend_core::{Array, Error, Result, SampleRng};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tokens that are left out, drawn anew for each sample and epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TextAugment {
    /// How likely each token of a text is left out, 0 to below 1; one stays whatever is drawn.
    pub delete: f64,
}

impl TextAugment {
    /// Whether samples are changed.
    pub(super) fn changes(self) -> bool {
        self.delete != 0.0
    }

    /// The share is one.
    ///
    /// # Errors
    /// [`Error::Setting`] if not.
    pub(super) fn check(self) -> Result<()> {
        match (0.0..1.0).contains(&self.delete) {
            true => Ok(()),
            false => Err(Error::setting(
                "augment.delete",
                self.delete,
                "a share from 0 to below 1",
            )),
        }
    }

    /// Leaves tokens out of a sample `[length]`, numbers from 1 and then zeros; those that are left move together. The first and
    /// the last `marks` of them stay.
    pub(super) fn apply(self, mut sample: Array, marks: usize, rng: &mut SampleRng) -> Result<Array> {
        self.check()?;
        if !self.changes() {
            return Ok(sample);
        }
        let tokens = sample.values().iter().take_while(|&&token| token != 0.0).count();
        let within = marks..tokens.saturating_sub(marks).max(marks);
        // As many draws whatever stays.
        let kept: Vec<bool> = within.clone().map(|_| !rng.random_bool(self.delete)).collect();
        let spared = match within.is_empty() {
            true => None,
            false => Some(rng.random_range(within.clone())),
        };
        let none_is_kept = !kept.contains(&true);
        let stays = |place: usize| {
            let drawn = place
                .checked_sub(within.start)
                .and_then(|drawn| kept.get(drawn).copied());
            drawn.unwrap_or(true) || (none_is_kept && spared == Some(place))
        };
        let values = sample.values_mut();
        let mut left = 0;
        for place in 0..tokens {
            if stays(place) {
                values[left] = values[place];
                left += 1;
            }
        }
        values[left..tokens].fill(0.0);
        Ok(sample)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::Seed;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_left_is_in_order_and_never_nothing(
            tokens in proptest::collection::vec(1_u8..9, 1..12), padding in 0_usize..4, delete in 0.01_f64..0.99,
            marks in 0_usize..2, seed: u64,
        ) {
            let mut values: Vec<f32> = tokens.iter().map(|&token| f32::from(token)).collect();
            values.extend(vec![0.0; padding]);
            let sample = Array::new([values.len()], values.clone()).unwrap();
            let augmented = TextAugment { delete }.apply(sample, marks, &mut Seed::new(seed).rng()).unwrap();
            let left: Vec<f32> = augmented.values().iter().copied().take_while(|&token| token != 0.0).collect();
            prop_assert_eq!(augmented.len(), values.len());
            prop_assert!(augmented.values()[left.len()..].iter().all(|&token| token == 0.0));
            prop_assert!(!left.is_empty());
            let mut rest = values.iter();
            prop_assert!(left.iter().all(|token| rest.any(|other| other == token)), "{left:?} of {values:?}");
            if marks > 0 {
                prop_assert_eq!(left[0], values[0]);
                prop_assert_eq!(left[left.len() - 1], values[tokens.len() - 1]);
            }
        }
    }

    #[test]
    fn about_the_share_that_is_asked_for_is_left_out() {
        let sample = Array::new([4000], vec![1.0; 4000]).unwrap();
        let augmented = TextAugment { delete: 0.25 }
            .apply(sample, 0, &mut Seed::new(1).rng())
            .unwrap();
        let left: f32 = augmented.values().iter().sum();
        assert!((left - 3000.0).abs() < 100.0, "{left}");
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for delete in [-0.1, 1.0, f64::NAN] {
            assert!(TextAugment { delete }.check().is_err());
        }
    }
}
