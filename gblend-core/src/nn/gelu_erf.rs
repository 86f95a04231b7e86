//! The Gaussian error linear unit, exactly.

use crate::device::Chosen;
use crate::engine::SequenceEngine;
use crate::error::Result;
use crate::graph::Operation;
use crate::tensor::{Shape, Taped};

/// `x Φ(x)`, where `Φ` is the normal distribution: Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", 2016,
/// <https://arxiv.org/abs/1606.08415>, section 2. [`gelu`](super::gelu) approximates it by a hyperbolic tangent, to 5e-4; this one
/// is for parameters that were trained with it, as those of BERT. The error function is that of Abramowitz and Stegun, "Handbook
/// of Mathematical Functions", 7.1.26, to 1.5e-7.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device).
pub fn gelu_erf<S: Shape>(input: Taped<S>) -> Result<Taped<S>> {
    let operand = input.operand();
    let result = Chosen::gelu_erf(input.into_engine()).map(Taped::from)?;
    Ok(result.traced(&[operand], || Operation::GeluErf))
}
