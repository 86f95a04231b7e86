//! Products of matrices.

use dfdx::tensor_ops::TryMatMul;

use super::permute::transpose;
use crate::error::{Error, Result};
use crate::graph::Operation;
use crate::tensor::{Dims2, Dims3, Taped};

/// The product of `[m, k]` and `[k, n]`, which is `[m, n]`.
///
/// # Errors
/// [`Error::Shape`] with both shapes if the inner extents differ, [`Error::Device`].
pub fn matmul(left: Taped<Dims2>, right: Taped<Dims2>) -> Result<Taped<Dims2>> {
    let (&(m, k), &(inner, n)) = (left.shape(), right.shape());
    if k != inner {
        let expected = format!("[{k}, columns], as the left one is [{m}, {k}]");
        return Err(Error::shape("a matrix product", expected, [inner, n]));
    }
    let right = right.apart_from(&left)?;
    let operands = [left.operand(), right.operand()];
    let product = left.run(|left| left.try_matmul(right.into_engine()))?;
    Ok(product.traced(&operands, || Operation::MatrixProduct))
}

/// The products of `[batch, m, k]` and `[batch, k, n]`, one for each of the batch: `[batch, m, n]`.
///
/// # Errors
/// As [`matmul`], and [`Error::Shape`] if the batches differ.
pub fn matmul_of_each(left: Taped<Dims3>, right: Taped<Dims3>) -> Result<Taped<Dims3>> {
    let (&(batch, m, k), &(other, inner, n)) = (left.shape(), right.shape());
    if batch != other || k != inner {
        let expected = format!("[{batch}, {k}, columns], as the left one is [{batch}, {m}, {k}]");
        return Err(Error::shape("a product of matrices", expected, [other, inner, n]));
    }
    let right = right.apart_from(&left)?;
    let operands = [left.operand(), right.operand()];
    let product = left.run(|left| left.try_matmul(right.into_engine()))?;
    Ok(product.traced(&operands, || Operation::MatrixProduct))
}

/// The inner product of every row of `left`, `[rows, features]`, with every row of `right`, `[columns, features]`:
/// `[rows, columns]`.
///
/// # Errors
/// [`Error::Shape`] with both shapes if the features differ, [`Error::Device`].
pub fn inner_products(left: Taped<Dims2>, right: Taped<Dims2>) -> Result<Taped<Dims2>> {
    let (&(rows, features), &(columns, other)) = (left.shape(), right.shape());
    if features != other {
        let expected = format!("[columns, {features}], as the left one is [{rows}, {features}]");
        return Err(Error::shape("inner products", expected, [columns, other]));
    }
    matmul(left, transpose(right)?)
}
