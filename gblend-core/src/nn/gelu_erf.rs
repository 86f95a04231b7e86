//! The Gaussian error linear unit, exactly.

use super::arithmetic::{add, multiply, offset, scale};
use super::fork::fork;
use super::pointwise::{abs, exp, powi, square};
use crate::error::Result;
use crate::tensor::{Shape, Taped};

/// Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26: the error function to 1.5e-7.
const RATE: f32 = 0.327_591_1;
const COEFFICIENTS: [f32; 5] = [0.254_829_6, -0.284_496_74, 1.421_413_8, -1.453_152, 1.061_405_4];

/// `x Φ(x)`, where `Φ` is the normal distribution: Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", 2016,
/// <https://arxiv.org/abs/1606.08415>, section 2. [`gelu`](super::gelu) approximates it by a hyperbolic tangent, to 5e-4, in one
/// pass; this one is for parameters that were trained with it, as those of BERT.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device).
pub fn gelu_erf<S: Shape>(input: Taped<S>) -> Result<Taped<S>> {
    // x Φ(x) = (x + |x| erf(|x| / √2)) / 2, as x erf(x) is even.
    let (input, around) = fork(input);
    let (size, factor) = fork(abs(input)?);
    let (size, of_exponent) = fork(scale(size, std::f32::consts::FRAC_1_SQRT_2)?);
    let rest = powi(offset(scale(size, RATE)?, 1.0)?, -1)?;
    let [first, second, third, fourth, fifth] = COEFFICIENTS;
    let (rest, mut power) = fork(rest);
    let mut sum = scale(rest, fifth)?;
    for coefficient in [fourth, third, second, first] {
        let (one, other) = fork(power);
        power = other;
        sum = multiply(offset(sum, coefficient)?, one)?;
    }
    let tail = multiply(sum, exp(scale(square(of_exponent)?, -1.0)?)?)?;
    let erf = offset(scale(tail, -1.0)?, 1.0)?;
    scale(add(around, multiply(factor, erf)?)?, 0.5)
}
