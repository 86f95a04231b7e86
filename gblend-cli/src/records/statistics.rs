//! Means over seeds, their confidence intervals, and differences seed by seed.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::Difference;

/// The mean, and half the width of its 95 % confidence interval by Student's t, which two values have at least.
///
/// Values over seeds are few and their deviation is estimated from them, so a normal interval would be too narrow: with
/// five seeds by a factor of 1.4.
pub fn mean_and_ci95(values: &[f64]) -> (f64, Option<f64>) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count.max(1.0);
    if values.len() < 2 {
        return (mean, None);
    }
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let quantile = StudentsT::new(0.0, 1.0, count - 1.0).map(|t| t.inverse_cdf(0.975));
    (mean, quantile.ok().map(|t| t * (variance / count).sqrt()))
}

/// The fewest seeds that a difference is marked with. Two give an interval that says next to nothing: its width is 12.7 times
/// the deviation of the mean, and a deviation of two values is often near 0 by chance.
const LEAST_SEEDS: usize = 3;

/// The difference of values that belong together pair by pair, such as accuracies with the same seed. It is significant
/// with three pairs at least.
pub fn difference(to: &str, pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<Difference> {
    let differences: Vec<f64> = pairs.into_iter().map(|(value, other)| value - other).collect();
    if differences.is_empty() {
        return None;
    }
    let (mean, ci95) = mean_and_ci95(&differences);
    Some(Difference {
        to: to.to_owned(),
        mean,
        ci95,
        significant: differences.len() >= LEAST_SEEDS && ci95.is_some_and(|ci95| mean.abs() > ci95),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_interval_is_scipys() {
        // scipy.stats.t.ppf(0.975, 4) is 2.7764451051977987; the values' variance is 0.000139.
        let (mean, ci95) = mean_and_ci95(&[0.716, 0.73, 0.698, 0.72, 0.711]);
        assert!((mean - 0.715).abs() < 1e-12, "{mean}");
        assert!(
            (ci95.unwrap() - 2.7764451051977987 * (0.000139_f64 / 5.0).sqrt()).abs() < 1e-9,
            "{ci95:?}"
        );
    }

    #[test]
    fn one_seed_has_no_interval_and_two_mark_nothing() {
        let only = difference("equal", [(0.9, 0.1)]).unwrap();
        assert_eq!((only.ci95, only.significant), (None, false));
        assert_eq!(difference("equal", []), None);
        let two = difference("equal", [(0.9, 0.1), (0.9, 0.1)]).unwrap();
        assert_eq!((two.ci95, two.significant), (Some(0.0), false));
    }

    proptest! {
        #[test]
        fn what_both_share_cancels(
            values in proptest::collection::vec((-1.0_f64..1.0, -0.1_f64..0.1), 2..9), shift in -5.0_f64..5.0,
        ) {
            let of = |shift: f64| difference("equal", values.iter().map(|(common, own)| (common + own + shift, common + shift)));
            let (here, there) = (of(0.0).unwrap(), of(shift).unwrap());
            prop_assert!((here.mean - there.mean).abs() < 1e-9);
            prop_assert!((here.ci95.unwrap() - there.ci95.unwrap()).abs() < 1e-9);
        }

        #[test]
        fn a_difference_is_the_other_one_turned_round(
            values in proptest::collection::vec((0.0_f64..1.0, 0.0_f64..1.0), 2..9),
        ) {
            let here = difference("a", values.iter().copied()).unwrap();
            let there = difference("a", values.iter().map(|&(a, b)| (b, a))).unwrap();
            prop_assert!((here.mean + there.mean).abs() < 1e-12);
            prop_assert_eq!(here.significant, there.significant);
        }
    }
}
