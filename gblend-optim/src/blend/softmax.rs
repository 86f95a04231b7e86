//! The softmax.

/// `e^{x_k} / Σ e^{x_i}`.
pub(super) fn softmax(values: &[f64]) -> Vec<f64> {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = values.iter().map(|value| (value - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;

    #[test]
    fn it_is_the_ratio_of_powers() {
        assert_close(&softmax(&[0.0, 3_f64.ln()]), &[0.25, 0.75]);
    }

    #[test]
    fn huge_values_do_not_overflow() {
        assert_close(&softmax(&[1e300, -1e300, 1e300]), &[0.5, 0.0, 0.5]);
    }
}
