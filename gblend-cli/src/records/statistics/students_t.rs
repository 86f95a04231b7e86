//! Quantiles of Student's t.
//!
//! The library's inverse of the distribution function goes on for ever from about 10^7 degrees of freedom on, where its steps are
//! smaller than what they can be told by (statrs issue 435 has more of the kind), and what would settle an open difference is
//! looked for on a thousand times the test samples. From a thousand degrees on the quantile is the normal one and its expansion in 1/ν.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Degrees of freedom from which five terms of the expansion are right to 1e-9 for every tail down to 1e-6.
const MANY: f64 = 1000.0;

/// What is exceeded with the probability `tail` by the absolute value of a Student's t; `None` if there is no such distribution.
pub(super) fn two_sided_quantile(tail: f64, freedom: f64) -> Option<f64> {
    if freedom.is_nan() || freedom <= 0.0 || !(0.0..=1.0).contains(&tail) {
        return None;
    }
    let below = 1.0 - 0.5 * tail;
    match freedom < MANY {
        true => Some(StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(below)),
        false => Some(expanded(Normal::standard().inverse_cdf(below), freedom)),
    }
}

/// M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions" (1964), 26.7.5, for the normal quantile `z`.
fn expanded(z: f64, freedom: f64) -> f64 {
    let square = z * z;
    // Each a polynomial in z², from the highest power down, times z and over its divisor.
    let term = |factors: &[f64], divisor: f64| {
        z * factors.iter().fold(0.0, |sum, factor| sum * square + factor) / divisor
    };
    let terms = [
        term(&[79.0, 776.0, 1482.0, -1920.0, -945.0], 92160.0),
        term(&[3.0, 19.0, 17.0, -15.0], 384.0),
        term(&[5.0, 16.0, 3.0], 96.0),
        term(&[1.0, 1.0], 4.0),
        z,
    ];
    terms.iter().fold(0.0, |sum, term| sum / freedom + term)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_are_scipys() {
        // scipy.stats.t.isf(tail / 2, freedom)
        for (freedom, tail, expected) in [
            (1.0, 0.05, 12.706204736175),
            (2.5, 0.05, 3.574654842),
            (17.3, 0.05, 2.107032004),
            (999.0, 0.05, 1.962341461133),
            (999.0, 1e-6, 4.922320372367),
            (1000.0, 0.05, 1.962339080826),
            (1000.0, 1e-6, 4.922289523430),
            (1000.0, 0.38058373426370995, 0.877209152058),
            (9999.0, 0.05, 1.960201264),
            (31622.7, 1.8567673232821803e-05, 4.282107649957),
            // The library does not come back from these.
            (26283464.728764396, 1.8567673232821803e-05, 4.281454039814),
            (157103808.65501258, 0.05, 1.959963999640),
            (157103808.65501258, 0.38058373426370995, 0.876821253999),
            (1e15, 1e-6, 4.891638475699),
            (f64::INFINITY, 0.05, 1.959963984540),
        ] {
            let found = two_sided_quantile(tail, freedom).unwrap();
            assert!(
                (found - expected).abs() < 2e-9,
                "{freedom} {tail}: {found} for {expected}"
            );
        }
    }

    #[test]
    fn there_is_none_of_no_freedom_or_no_share() {
        for (tail, freedom) in [
            (0.05, 0.0),
            (0.05, -1.0),
            (0.05, f64::NAN),
            (-0.1, 3.0),
            (f64::NAN, 3.0),
            (1.1, 3.0),
        ] {
            assert_eq!(two_sided_quantile(tail, freedom), None, "{tail} {freedom}");
        }
    }

    proptest! {
        #[test]
        fn of_any_freedom_it_is_found_and_is_less_the_more_there_is(
            freedom in (0.0_f64..30.0).prop_map(f64::exp), more in 1.001_f64..3.0, tail in (-13.8_f64..-0.01).prop_map(f64::exp),
        ) {
            let found = two_sided_quantile(tail, freedom).unwrap();
            prop_assert!(found.is_finite() && found > 0.0);
            prop_assert!(two_sided_quantile(tail, more * freedom).unwrap() <= found + 2e-9);
        }
    }
}
