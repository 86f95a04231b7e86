//! Means and maxima over the steps of each sequence, as one tape operation.

use std::ops::Range;

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, SplitTape};

use super::{tensor, unary, upstream, values};
use crate::engine::cpu::step_pool;
use crate::engine::operand::TapedOn;
use crate::engine::steps::Steps;
use crate::error::Result;
use crate::shape::Dims2;

/// See [`SequenceEngine::step_mean`](crate::engine::SequenceEngine::step_mean).
pub fn step_mean(input: TapedOn<Dims2, Cpu>, steps: &Steps) -> Result<TapedOn<Dims2, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let &(rows, width) = input.shape();
    let sequences: Vec<Range<usize>> = steps.sequences().collect();
    let means = step_pool::mean(&sequences, values(&input)?, width);
    let output = tensor(input.device(), means, (sequences.len(), width))?;
    Ok(unary(output, recorder, to_input, move |gradient| {
        step_pool::mean_backward(&sequences, &gradient, rows, width)
    }))
}

/// See [`SequenceEngine::step_max`](crate::engine::SequenceEngine::step_max). Of equal maxima the first has the gradient.
pub fn step_max(input: TapedOn<Dims2, Cpu>, steps: &Steps) -> Result<TapedOn<Dims2, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let &(rows, width) = input.shape();
    let sequences: Vec<Range<usize>> = steps.sequences().collect();
    let (maxima, from) = step_pool::max(&sequences, values(&input)?, width);
    let output = tensor(input.device(), maxima, (sequences.len(), width))?;
    Ok(unary(output, recorder, to_input, move |gradient| {
        step_pool::max_backward(&from, &gradient, rows, width)
    }))
}
