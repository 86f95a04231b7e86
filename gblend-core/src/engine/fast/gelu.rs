//! The Gaussian error linear unit, as one tape operation.

use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{Cpu, SplitTape};

use super::{checked, tensor, unary, upstream, values};
use crate::engine::cpu::elementwise;
use crate::engine::operand::TapedOn;
use crate::error::Result;

/// See [`gelu`](crate::nn::gelu).
pub fn gelu<S: Shape>(input: TapedOn<S, Cpu>) -> Result<TapedOn<S, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let output = tensor(input.device(), elementwise::gelu(values(&input)?), *input.shape())?;
    Ok(unary(output, recorder, to_input, move |gradient| {
        elementwise::gelu_backward(&gradient, checked(&input))
    }))
}

/// See [`gelu_erf`](crate::nn::gelu_erf()).
pub fn gelu_erf<S: Shape>(input: TapedOn<S, Cpu>) -> Result<TapedOn<S, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let output = tensor(
        input.device(),
        elementwise::gelu_erf(values(&input)?),
        *input.shape(),
    )?;
    Ok(unary(output, recorder, to_input, move |gradient| {
        elementwise::gelu_erf_backward(&gradient, checked(&input))
    }))
}
