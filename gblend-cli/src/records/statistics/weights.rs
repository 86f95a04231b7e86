//! How much each seed counts in a mean.
//!
//! Folds of whole groups differ in size. So that a mean over folds is one over samples, each counts as many times as it has samples: a
//! ratio estimator, of which the variance is that of its linear part, and the degrees of freedom those of as many equal folds as would
//! have these weights' sum of squares. Where all weights are the same it is the mean, its variance and its degrees of freedom.

/// Parts of a mean that add up to 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weights(Vec<f64>);

impl Weights {
    /// In proportion to these.
    pub(super) fn of(weights: impl Iterator<Item = f64>) -> Self {
        let weights: Vec<f64> = weights.collect();
        let sum: f64 = weights.iter().sum();
        match sum > 0.0 && sum.is_finite() {
            true => Self(weights.iter().map(|weight| weight / sum).collect()),
            false => Self::equal(weights.len()),
        }
    }

    /// All the same.
    pub(super) fn equal(count: usize) -> Self {
        Self(vec![1.0 / count.max(1) as f64; count])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = f64> + '_ {
        self.0.iter().copied()
    }

    /// The mean of values.
    pub(super) fn mean(&self, values: &[f64]) -> f64 {
        match self.are_equal() {
            // To the last bit as others compute a mean.
            true => values.iter().sum::<f64>() / (values.len() as f64).max(1.0),
            false => self
                .iter()
                .zip(values)
                .map(|(weight, value)| weight * value)
                .sum(),
        }
    }

    /// The variance of the mean of values, from how they vary; `None` of fewer than two.
    pub(super) fn variance_of_mean(&self, values: &[f64]) -> Option<f64> {
        let count = values.len() as f64;
        if values.len() < 2 {
            return None;
        }
        let mean = self.mean(values);
        let squares = self
            .iter()
            .zip(values)
            .map(|(weight, value)| (weight * (value - mean)).powi(2));
        Some(squares.sum::<f64>() * count / (count - 1.0))
    }

    /// The degrees of freedom of that variance.
    pub(super) fn freedom(&self) -> f64 {
        1.0 / self.squares() - 1.0
    }

    /// The same, where it is not that of so many equal weights.
    pub(super) fn unequal_freedom(&self) -> Option<f64> {
        (!self.are_equal()).then(|| self.freedom().max(1.0))
    }

    /// The sum of squares.
    pub(super) fn squares(&self) -> f64 {
        match self.are_equal() {
            true => 1.0 / (self.0.len() as f64).max(1.0),
            false => self.iter().map(|weight| weight * weight).sum(),
        }
    }

    fn are_equal(&self) -> bool {
        let first = self.0.first().copied().unwrap_or(0.0);
        self.iter().all(|weight| (weight - first).abs() <= 1e-12 * first)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equal_weights_have_the_mean_and_variance_of_a_sample(values in proptest::collection::vec(-1.0_f64..1.0, 2..20)) {
            let count = values.len() as f64;
            let weights = Weights::of(values.iter().map(|_| 7.0));
            let mean = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
            prop_assert_eq!(weights.mean(&values), mean);
            prop_assert!((weights.variance_of_mean(&values).unwrap() - variance / count).abs() < 1e-12);
            prop_assert!((weights.freedom() - (count - 1.0)).abs() < 1e-9);
            prop_assert_eq!(weights.unequal_freedom(), None);
        }

        #[test]
        fn a_mean_over_folds_is_the_mean_over_their_samples(
            folds in proptest::collection::vec(proptest::collection::vec(0.0_f64..1.0, 1..9), 1..9),
        ) {
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            let figures: Vec<f64> = folds.iter().map(|fold| mean(fold)).collect();
            let weights = Weights::of(folds.iter().map(|fold| fold.len() as f64));
            let all: Vec<f64> = folds.concat();
            prop_assert!((weights.mean(&figures) - mean(&all)).abs() < 1e-12);
            prop_assert!(weights.freedom() <= folds.len() as f64 - 1.0 + 1e-9);
        }
    }
}
