//! Means and deviations of columns, one row at a time.

use gblend_core::category;
use serde::{Deserialize, Serialize};

/// Stands for a cell that is not there in prepared vectors and sequences, whose values are finite.
pub(crate) const MISSING: f32 = f32::MAX;

/// A value of a cell as prepared samples have it: NaN is a cell that is missing.
///
/// # Errors
/// The value, if it is none that an array can have.
pub(crate) fn cell(value: f32) -> Result<f32, f32> {
    if value.is_nan() {
        Ok(MISSING)
    } else if value.abs() < f32::MAX && !category::is_code(value) {
        // There is one zero.
        Ok(value + 0.0)
    } else {
        Err(value)
    }
}

/// What is said of a value that [`cell`] refuses.
pub(crate) fn refused(value: f32) -> String {
    if category::is_code(value) {
        return "found the name of a category, which kind `vector` takes, expected a number".to_owned();
    }
    format!("found {value}, expected a finite number, or NaN where a cell is missing")
}

/// Mean and deviation of the values of one column, as they come (Welford, Technometrics 1962, in float64).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    count: u64,
    missing: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Takes the next value in; [`MISSING`] is counted.
    pub(crate) fn push(&mut self, value: f32) {
        if value == MISSING {
            self.missing += 1;
            return;
        }
        self.count += 1;
        let value = f64::from(value);
        let away = value - self.mean;
        self.mean += away / self.count as f64;
        self.squares += away * (value - self.mean);
    }

    /// How often the column was missing.
    pub(crate) fn missing(&self) -> u64 {
        self.missing
    }

    /// What standardizes the column.
    pub(crate) fn scale(&self) -> Scale {
        Scale {
            mean: self.mean,
            deviation: (self.squares / self.count.max(1) as f64).sqrt(),
        }
    }
}

/// What standardizes a column: its mean and its deviation, as that of a population.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scale {
    pub(crate) mean: f64,
    /// 0 of a column whose values are all the same.
    pub(crate) deviation: f64,
}

impl Scale {
    /// How many deviations a value is from the mean, at most `clip`; 0 of a missing cell and in a constant column.
    pub(crate) fn of(&self, value: f32, clip: f64) -> f32 {
        if value == MISSING || self.deviation <= 0.0 {
            return 0.0;
        }
        let deviations = (f64::from(value) - self.mean) / self.deviation;
        deviations.clamp(-clip, clip) as f32
    }
}

/// A line about columns that are standardized, for `gblend check`.
pub(crate) fn summary(scales: &[Scale], what: &str) -> String {
    let range = |value: fn(&Scale) -> f64| {
        let values = scales.iter().map(value);
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        format!("{low:.4} to {high:.4}")
    };
    let constant = scales.iter().filter(|scale| scale.deviation <= 0.0).count();
    let mut text = format!("{} {what} standardized", scales.len());
    if !scales.is_empty() {
        let (means, deviations) = (range(|scale| scale.mean), range(|scale| scale.deviation));
        text = format!("{text}: means {means}, deviations {deviations}");
    }
    if constant > 0 {
        text = format!("{text}; {constant} constant, which become 0");
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn moments(values: &[f32]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|&value| moments.push(value));
        moments
    }

    proptest! {
        #[test]
        fn one_pass_finds_what_two_passes_find(
            values in proptest::collection::vec(-1e3_f32..1e3, 2..40), offset in -1e6_f32..1e6,
        ) {
            let values: Vec<f32> = values.iter().map(|value| value + offset).collect();
            let scale = moments(&values).scale();
            let count = values.len() as f64;
            let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
            let squares: f64 = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum();
            prop_assert!((scale.mean - mean).abs() <= 1e-12 * (1.0 + mean.abs()));
            let deviation = (squares / count).sqrt();
            prop_assert!((scale.deviation - deviation).abs() <= 1e-9 * (1.0 + deviation));
        }

        #[test]
        fn what_is_standardized_is_finite_and_within_the_clip(
            values in proptest::collection::vec(proptest::num::f32::NORMAL, 1..9), value in proptest::num::f32::ANY,
            clip in 0.1_f64..20.0,
        ) {
            let values: Vec<f32> = values.into_iter().filter_map(|value| cell(value).ok()).collect();
            let scale = moments(&values).scale();
            if let Ok(value) = cell(value) {
                prop_assert!(f64::from(scale.of(value, clip).abs()) <= clip * 1.000_001);
            }
        }
    }

    #[test]
    fn constant_and_missing_cells_become_zero_and_no_moment() {
        let scale = moments(&[0.1, 0.1, MISSING, 0.1]).scale();
        assert_eq!(scale.deviation, 0.0);
        assert_eq!(scale.of(7.0, 5.0), 0.0);
        let moments = moments(&[1.0, MISSING, 3.0]);
        assert_eq!(moments.missing(), 1);
        let scale = moments.scale();
        assert_eq!((scale.mean, scale.deviation), (2.0, 1.0));
        assert_eq!(
            (scale.of(MISSING, 5.0), scale.of(4.0, 5.0), scale.of(99.0, 5.0)),
            (0.0, 2.0, 5.0)
        );
        assert_eq!(Moments::default().scale().of(3.0, 5.0), 0.0);
    }

    #[test]
    fn infinite_cells_and_the_mark_of_missing_ones_are_refused() {
        let category = category::code("a");
        for value in [f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, category] {
            assert!(cell(value).is_err());
        }
        assert_eq!(cell(f32::NAN), Ok(MISSING));
        assert_eq!(cell(-0.0).unwrap().to_bits(), 0);
    }
}
