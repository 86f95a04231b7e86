//! What many noisy timings say.

/// The middle value, or the mean of the two middle ones; not a number if there is none.
pub(super) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which a share of the others lies, by linear interpolation.
pub(super) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = share.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

/// The ratios of what was measured in the same round.
pub(super) fn ratios(of: &[f64], to: &[f64]) -> Vec<f64> {
    of.iter().zip(to).map(|(of, to)| of / to).collect()
}

/// The exponent `b` of `y = a · x^b`, by least squares on the logarithms.
pub(super) fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let (x, y) = logs
        .iter()
        .fold((0.0, 0.0), |sum, at| (sum.0 + at.0 / count, sum.1 + at.1 / count));
    let (mut both, mut square) = (0.0, 0.0);
    for at in &logs {
        both += (at.0 - x) * (at.1 - y);
        square += (at.0 - x).powi(2);
    }
    both / square
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two_middle_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn quartiles_lie_a_quarter_of_the_way() {
        let values = [5.0, 1.0, 2.0, 4.0, 3.0];
        assert_eq!(
            [0.0, 0.25, 0.75, 1.0].map(|share| quantile(&values, share)),
            [1.0, 2.0, 4.0, 5.0]
        );
    }

    #[test]
    fn a_power_law_has_its_exponent_whatever_its_factor() {
        for power in [-1.0, 0.0, 0.5, 2.0] {
            let points: Vec<(f64, f64)> = [1.0, 2.0, 8.0, 100.0]
                .iter()
                .map(|&x: &f64| (x, 3.0 * x.powf(power)))
                .collect();
            assert!((exponent(&points) - power).abs() < 1e-12);
        }
    }
}
