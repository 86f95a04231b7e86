//! Exponentials without a branch, so that a loop of them fills vectors.
//!
//! Each is within a few units in the last place, and a NaN stays one.

/// The largest exponent of which the exponential is a number, about.
const LARGEST: f32 = 88.0;

/// The smallest exponent of which the exponential has all its digits, about.
const SMALLEST: f32 = -87.0;

/// `2ⁿ` and `eʳ − 1` with `x = n ln 2 + r` and `|r| ≤ ½ ln 2`.
#[inline(always)]
fn parts(x: f32) -> (f32, f32) {
    /// A sum with it has no place for a fraction, and the whole number in its lowest bits.
    const ROUND: f32 = 12_582_912.0;
    /// The first digits of ln 2, few enough that a product with a whole number is exact, and the rest.
    const LN_2: [f32; 2] = [0.693_145_75, 1.428_606_8e-6];
    let x = if x > LARGEST { LARGEST } else { x };
    let x = if x < SMALLEST { SMALLEST } else { x };
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = (x - n * LN_2[0]) - n * LN_2[1];
    // Taylor's series; what is left out is below 1e-8 of the whole.
    let series = 1.0 / 720.0 + r * (1.0 / 5040.0);
    let series = 1.0 / 24.0 + r * (1.0 / 120.0 + r * series);
    let series = r + r * r * (0.5 + r * (1.0 / 6.0 + r * series));
    let exponent = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    (f32::from_bits(exponent << 23), series)
}

/// `eˣ`, of `x` held between -87 and 88.
#[inline(always)]
pub(in crate::engine) fn exp(x: f32) -> f32 {
    let (scale, series) = parts(x);
    scale * series + scale
}

/// `1 / (1 + e⁻ˣ)`.
#[inline(always)]
pub(in crate::engine) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent, `(e²ˣ − 1) / (e²ˣ + 1)`.
#[inline(always)]
pub(in crate::engine) fn tanh(x: f32) -> f32 {
    let (scale, series) = parts(2.0 * x.abs());
    let above = scale * series + (scale - 1.0);
    (above / (above + 2.0)).copysign(x)
}

/// `√(2/π)` and the weight of the cube in [`gelu`].
const GELU: [f32; 2] = [0.797_884_6, 0.044_715];

/// `½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
#[inline(always)]
pub(in crate::engine) fn gelu(x: f32) -> f32 {
    x * sigmoid(2.0 * GELU[0] * (x + GELU[1] * x * x * x))
}

/// The derivative of [`gelu`].
#[inline(always)]
pub(in crate::engine) fn gelu_slope(x: f32) -> f32 {
    // Out there it is 0 or 1, and an infinite cube would make it no number.
    let x = x.clamp(-10.0, 10.0);
    let share = sigmoid(2.0 * GELU[0] * (x + GELU[1] * x * x * x));
    let inner = 2.0 * GELU[0] * (1.0 + 3.0 * GELU[1] * x * x);
    share + x * inner * share * (1.0 - share)
}

/// Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26: the error function to 1.5e-7.
pub(in crate::engine) const ERF_RATE: f32 = 0.327_591_1;
pub(in crate::engine) const ERF: [f32; 5] =
    [0.254_829_6, -0.284_496_74, 1.421_413_8, -1.453_152, 1.061_405_4];

/// `1 / √(2π)`.
pub(in crate::engine) const NORMAL_DENSITY: f32 = 0.398_942_3;

/// `erf(|x| / √2)` and `exp(−x² / 2)`.
#[inline(always)]
fn erf_and_bell(x: f32) -> (f32, f32) {
    let size = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let rest = 1.0 / (1.0 + ERF_RATE * size);
    let [first, second, third, fourth, fifth] = ERF;
    let sum = first + rest * (second + rest * (third + rest * (fourth + rest * fifth)));
    let bell = exp(-size * size);
    (1.0 - rest * sum * bell, bell)
}

/// `x Φ(x)`, where `Φ` is the normal distribution.
#[inline(always)]
pub(in crate::engine) fn gelu_erf(x: f32) -> f32 {
    // As x erf(x) is even.
    let (erf, _) = erf_and_bell(x);
    0.5 * (x + x.abs() * erf)
}

/// The derivative of [`gelu_erf`], `Φ(x) + x Φ'(x)`.
#[inline(always)]
pub(in crate::engine) fn gelu_erf_slope(x: f32) -> f32 {
    // Out there it is 0 or 1, and an infinite number times a density of 0 would be none.
    let x = x.clamp(-20.0, 20.0);
    let (erf, bell) = erf_and_bell(x);
    0.5 + (0.5 * erf).copysign(x) + x * NORMAL_DENSITY * bell
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(found: f32, expected: f64) -> bool {
        (f64::from(found) - expected).abs() <= 4e-7 * expected.abs() + 1e-37
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn each_has_the_value_of_its_definition(x in prop_oneof![-90.0_f32..90.0, -1.0_f32..1.0, -1e-3_f32..1e-3]) {
            let wide = f64::from(x);
            if (SMALLEST..LARGEST).contains(&x) {
                prop_assert!(close(exp(x), wide.exp()), "exp {x}: {}", exp(x));
            }
            prop_assert!(close(tanh(x), wide.tanh()), "tanh {x}: {}", tanh(x));
            prop_assert!(close(sigmoid(x), 1.0 / (1.0 + (-wide).exp())), "sigmoid {x}: {}", sigmoid(x));
        }
    }

    #[test]
    fn the_ends_are_reached_and_a_nan_stays_one() {
        for function in [exp, sigmoid, tanh, gelu, gelu_slope, gelu_erf, gelu_erf_slope] {
            assert!(function(f32::NAN).is_nan());
            assert!(function(1e30).is_finite() || function(1e30) > 1e29);
        }
        assert_eq!([tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)], [1.0, -1.0]);
        assert_eq!([sigmoid(f32::INFINITY), tanh(0.0)], [1.0, 0.0]);
        assert!(sigmoid(f32::NEG_INFINITY) < 1e-37 && exp(-1e30) < 1e-37);
        assert!(tanh(-0.0).is_sign_negative());
    }
}
