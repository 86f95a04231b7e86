//! Sums and means, and functions along one axis. Axes are counted from 0, the outermost.

use dfdx::shapes::Axis;
use dfdx::tensor_ops::SumTo;

use super::arithmetic::scale;
use crate::device::Chosen;
use crate::engine::{Engine, enclosed};
use crate::error::{Error, Result};
use crate::graph::Operation;
use crate::tensor::{Dims0, Dims1, Dims2, Dims3, Dims4, Loss, Shape, Taped, reshape};

/// A shape of at least one axis.
pub trait Reduce: Shape {
    /// The shape without one of its axes.
    type Less: Shape;
}

impl Reduce for Dims1 {
    type Less = Dims0;
}

impl Reduce for Dims2 {
    type Less = Dims1;
}

impl Reduce for Dims3 {
    type Less = Dims2;
}

impl Reduce for Dims4 {
    type Less = Dims3;
}

/// The sum over one axis: `[batch, tokens, features]` with axis 1 to `[batch, features]`.
///
/// # Errors
/// [`Error::Shape`] if there is no such axis or nothing to add up, [`Error::Device`].
pub fn sum_axis<S: Reduce>(input: Taped<S>, axis: usize) -> Result<Taped<S::Less>> {
    let (around, less) = around::<S>("a sum", &input, axis)?;
    something("a sum", &input)?;
    let operand = input.operand();
    let sums = Chosen::sum_middle(reshape(input, around)?.into_engine()).map(Taped::from)?;
    Ok(reshape(sums, less)?.traced(&[operand], || Operation::Sum { axis }))
}

/// The mean over one axis: `[batch, tokens, features]` with axis 1 to `[batch, features]`.
///
/// # Errors
/// As [`sum_axis`].
pub fn mean_axis<S: Reduce>(input: Taped<S>, axis: usize) -> Result<Taped<S::Less>> {
    let ((_, count, _), _) = around::<S>("a mean", &input, axis)?;
    scale(sum_axis(input, axis)?, 1.0 / count.max(1) as f32)
}

/// `exp(x) / Σ exp(x)` along one axis, where the results add up to 1: `[batch, classes]` with axis 1 gives the
/// probabilities of each sample's classes. No value overflows.
///
/// # Errors
/// [`Error::Shape`] if there is no such axis, [`Error::Device`].
pub fn softmax<S: Reduce>(input: Taped<S>, axis: usize) -> Result<Taped<S>> {
    let (shape, (around, _)) = (*input.shape(), around::<S>("a softmax", &input, axis)?);
    if shape.elements() == 0 {
        return Ok(input);
    }
    let operand = input.operand();
    let input = reshape(input, around)?;
    let shares = input.run(|input| enclosed(input, |input| input.try_softmax::<Axis<1>>()))?;
    Ok(reshape(shares, shape)?.traced(&[operand], || Operation::Softmax { axis }))
}

/// The logarithm of [`softmax`], computed as `x − log Σ exp(x)`.
///
/// # Errors
/// As [`softmax`].
pub fn log_softmax<S: Reduce>(input: Taped<S>, axis: usize) -> Result<Taped<S>> {
    let (shape, (around, _)) = (*input.shape(), around::<S>("a softmax", &input, axis)?);
    if shape.elements() == 0 {
        return Ok(input);
    }
    let operand = input.operand();
    let input = reshape(input, around)?;
    let logarithms = input.run(|input| enclosed(input, |input| input.try_log_softmax::<Axis<1>>()))?;
    Ok(reshape(logarithms, shape)?.traced(&[operand], || Operation::LogSoftmax { axis }))
}

/// The sum of all elements.
///
/// # Errors
/// [`Error::Shape`] if there is none, [`Error::Device`].
pub fn sum<S: Shape>(input: Taped<S>) -> Result<Loss> {
    something("a sum", &input)?;
    let operand = input.operand();
    let sum = input.run(|input| input.try_sum::<Dims0, S::AllAxes>())?;
    Ok(sum.traced(&[operand], || Operation::SumOfAll))
}

/// The mean of all elements.
///
/// # Errors
/// As [`sum`].
pub fn mean<S: Shape>(input: Taped<S>) -> Result<Loss> {
    let count = input.shape().elements();
    scale(sum(input)?, 1.0 / count.max(1) as f32)
}

/// The engine cannot add up nothing.
fn something<S: Shape>(operation: &str, input: &Taped<S>) -> Result<()> {
    match input.shape().elements() {
        0 => Err(Error::shape(
            operation,
            "at least one element",
            input.shape().extents(),
        )),
        _ => Ok(()),
    }
}

/// The shape as `[outer, axis, inner]`, the same elements in the same order, and the shape without the axis.
fn around<S: Reduce>(operation: &str, input: &Taped<S>, axis: usize) -> Result<(Dims3, S::Less)> {
    let extents = input.shape().extents();
    let parts = extents.get(axis).and_then(|&count| {
        let (outer, inner) = (
            extents[..axis].iter().product(),
            extents[axis + 1..].iter().product(),
        );
        let less = S::Less::of(&[&extents[..axis], &extents[axis + 1..]].concat())?;
        Some(((outer, count, inner), less))
    });
    parts.ok_or_else(|| Error::shape(operation, format!("a shape that has an axis {axis}"), extents))
}
