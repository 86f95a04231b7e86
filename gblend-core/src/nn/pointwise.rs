//! Functions of each element; the shape stays.

use dfdx::tensor::Tensor;

use super::arithmetic::{offset, scale};
use crate::device::Chosen;
use crate::engine::{Engine, SequenceEngine, TapedOn};
use crate::error::{Error, Result};
use crate::graph::Operation;
use crate::tensor::{Shape, Taped};

/// `max(x, 0)`. A NaN stays one.
///
/// # Errors
/// [`Error::Device`].
pub fn relu<S: Shape>(input: Taped<S>) -> Result<Taped<S>> {
    let operand = input.operand();
    let result = Chosen::relu(input.into_engine()).map(Taped::from)?;
    Ok(result.traced(&[operand], || Operation::Relu))
}

/// `x Φ(x)` with `Φ(x) ≈ ½ (1 + tanh(√(2/π) (x + 0.044715 x³)))`: Hendrycks and Gimpel, "Gaussian Error Linear Units
/// (GELUs)", 2016, <https://arxiv.org/abs/1606.08415>, section 2.
///
/// # Errors
/// [`Error::Device`].
pub fn gelu<S: Shape>(input: Taped<S>) -> Result<Taped<S>> {
    let operand = input.operand();
    let result = Chosen::gelu(input.into_engine()).map(Taped::from)?;
    Ok(result.traced(&[operand], || Operation::Gelu))
}

/// `1 / (1 + exp(−x))`.
///
/// # Errors
/// [`Error::Device`].
pub fn sigmoid<S: Shape>(input: Taped<S>) -> Result<Taped<S>> {
    each(input, Operation::Sigmoid, Tensor::try_sigmoid)
}

/// The hyperbolic tangent.
///
/// # Errors
/// [`Error::Device`].
pub fn tanh<S: Shape>(input: Taped<S>) -> Result<Taped<S>> {
    each(input, Operation::Tanh, Tensor::try_tanh)
}

/// `exp(x)`.
///
/// # Errors
/// [`Error::Device`].
pub fn exp<S: Shape>(input: Taped<S>) -> Result<Taped<S>> {
    each(input, Operation::Exp, Tensor::try_exp)
}

/// The natural logarithm: of 0 −∞, of less a NaN.
///
/// # Errors
/// [`Error::Device`].
pub fn ln<S: Shape>(input: Taped<S>) -> Result<Taped<S>> {
    each(input, Operation::Ln, Tensor::try_ln)
}

/// The square root, whose derivative at 0 is infinite: of less a NaN.
///
/// # Errors
/// [`Error::Device`].
pub fn sqrt<S: Shape>(input: Taped<S>) -> Result<Taped<S>> {
    each(input, Operation::Sqrt, Tensor::try_sqrt)
}

/// `|x|`, whose derivative at 0 is 0.
///
/// # Errors
/// [`Error::Device`].
pub fn abs<S: Shape>(input: Taped<S>) -> Result<Taped<S>> {
    each(input, Operation::Abs, Tensor::try_abs)
}

/// `x²`.
///
/// # Errors
/// [`Error::Device`].
pub fn square<S: Shape>(input: Taped<S>) -> Result<Taped<S>> {
    each(input, Operation::Square, Tensor::try_square)
}

/// `xⁿ`; `x⁰` is 1 for any finite `x`.
///
/// # Errors
/// [`Error::Setting`] if the exponent is the least of all, [`Error::Device`].
pub fn powi<S: Shape>(input: Taped<S>, exponent: i32) -> Result<Taped<S>> {
    match exponent {
        // The derivative is a multiple of the next lower power: there is none below the least, and the one of 0 has none.
        i32::MIN => Err(Error::setting(
            "exponent",
            exponent,
            format!("more than {exponent}"),
        )),
        0 => offset(scale(input, 0.0)?, 1.0),
        _ => each(input, Operation::Power(exponent), |input| {
            input.try_powi(exponent)
        }),
    }
}

/// A function of the engine's, which a trace is told as this operation.
fn each<S: Shape, E: std::fmt::Debug>(
    input: Taped<S>,
    operation: Operation,
    function: impl FnOnce(TapedOn<S, Chosen>) -> std::result::Result<TapedOn<S, Chosen>, E>,
) -> Result<Taped<S>> {
    let operand = input.operand();
    Ok(input.run(function)?.traced(&[operand], || operation))
}
