//! Sums, differences, products and quotients, element by element.
//!
//! Nothing is broadcast but a number: two tensors have the same shape, or the operation is an error that names both.
//! [`repeat`](fn@super::repeat) gives a smaller tensor the axis that it lacks.

use dfdx::tensor_ops::{TryAdd, TryDiv, TryMul, TrySub};

use crate::device::Chosen;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::graph::Operation;
use crate::tensor::{Shape, Taped};

/// `left + right`, of one shape.
///
/// # Errors
/// [`Error::Shape`] with both shapes if they differ, [`Error::Device`].
pub fn add<S: Shape>(left: Taped<S>, right: Taped<S>) -> Result<Taped<S>> {
    let right = alike("a sum", &left, right)?;
    let operands = [left.operand(), right.operand()];
    let result = Chosen::add(left.into_engine(), right.into_engine()).map(Taped::from)?;
    Ok(result.traced(&operands, || Operation::Add))
}

/// `left − right`, of one shape.
///
/// # Errors
/// As [`add`].
pub fn subtract<S: Shape>(left: Taped<S>, right: Taped<S>) -> Result<Taped<S>> {
    let right = alike("a difference", &left, right)?;
    let operands = [left.operand(), right.operand()];
    let result = left.run(|left| left.try_sub(right.into_engine()))?;
    Ok(result.traced(&operands, || Operation::Subtract))
}

/// `left · right`, element by element, of one shape.
///
/// # Errors
/// As [`add`].
pub fn multiply<S: Shape>(left: Taped<S>, right: Taped<S>) -> Result<Taped<S>> {
    let right = alike("a product", &left, right)?;
    let operands = [left.operand(), right.operand()];
    let result = left.run(|left| left.try_mul(right.into_engine()))?;
    Ok(result.traced(&operands, || Operation::Multiply))
}

/// `left / right`, element by element, of one shape.
///
/// # Errors
/// As [`add`].
pub fn divide<S: Shape>(left: Taped<S>, right: Taped<S>) -> Result<Taped<S>> {
    let right = alike("a quotient", &left, right)?;
    let operands = [left.operand(), right.operand()];
    let result = left.run(|left| left.try_div(right.into_engine()))?;
    Ok(result.traced(&operands, || Operation::Divide))
}

/// Every element times `factor`; the shape stays.
///
/// # Errors
/// [`Error::Device`].
pub fn scale<S: Shape>(input: Taped<S>, factor: f32) -> Result<Taped<S>> {
    let operand = input.operand();
    let scaled = input.run(|input| input.try_mul(factor))?;
    Ok(scaled.traced(&[operand], || Operation::Scale(factor)))
}

/// Every element plus `value`; the shape stays.
///
/// # Errors
/// [`Error::Device`].
pub fn offset<S: Shape>(input: Taped<S>, value: f32) -> Result<Taped<S>> {
    let operand = input.operand();
    let moved = input.run(|input| input.try_add(value))?;
    Ok(moved.traced(&[operand], || Operation::Offset(value)))
}

/// The right operand, if it has the shape of the left one.
fn alike<S: Shape>(operation: &str, left: &Taped<S>, right: Taped<S>) -> Result<Taped<S>> {
    if left.shape() == right.shape() {
        return right.apart_from(left);
    }
    let expected = format!("the shape of the left operand, {:?}", left.shape().extents());
    Err(Error::shape(operation, expected, right.shape().extents()))
}
