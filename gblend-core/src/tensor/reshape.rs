//! Other shapes of the same elements.

use super::values::Taped;
use crate::error::{Error, Result};
use crate::graph::Operation;
use crate::shape::Shape;

/// The same elements, in row-major order, under another shape; none moves.
///
/// # Errors
/// [`Error::Shape`] if the number of elements differs.
pub fn reshape<From: Shape, To: Shape>(tensor: Taped<From>, shape: To) -> Result<Taped<To>> {
    if tensor.shape().elements() != shape.elements() {
        return Err(Error::shape(
            "reshape",
            format!("{} elements, as {:?} has", shape.elements(), shape.extents()),
            tensor.shape().extents(),
        ));
    }
    let operand = tensor.operand();
    Ok(tensor.reshaped(shape)?.traced(&[operand], || Operation::Reshape))
}
