//! Rows by number.

use dfdx::tensor::{Tensor, TensorFromVec};
use dfdx::tensor_ops::GatherTo;

use crate::device::{AutoDevice, Chosen};
use crate::error::{Error, Result};
use crate::graph::Operation;
use crate::tensor::{Dims1, Dims2, Taped};

/// Numbers of rows, on the device, to be used any number of times.
#[derive(Clone, Debug)]
pub struct RowIndex {
    rows: Tensor<Dims1, usize, Chosen>,
    /// One more than the largest.
    bound: usize,
}

impl RowIndex {
    /// These rows, in this order, each as often as it is named.
    ///
    /// # Errors
    /// [`Error::Device`] if the device has no memory for it.
    pub fn new(device: &AutoDevice, rows: Vec<usize>) -> Result<Self> {
        let bound = rows.iter().max().map_or(0, |largest| largest + 1);
        let length = rows.len();
        let rows = device.0.try_tensor_from_vec(rows, (length,));
        Ok(Self {
            rows: rows.map_err(Error::device)?,
            bound,
        })
    }
}

/// The rows of `[rows, columns]` that `index` names: `[names, columns]`.
///
/// # Errors
/// [`Error::Shape`] if one of them is not there, [`Error::Device`].
pub fn take_rows(input: Taped<Dims2>, index: &RowIndex) -> Result<Taped<Dims2>> {
    let &(rows, columns) = input.shape();
    if rows < index.bound {
        let expected = format!("at least {} rows", index.bound);
        return Err(Error::shape("rows by number", expected, [rows, columns]));
    }
    let operand = input.operand();
    let taken = input.run(|input| input.try_gather(index.rows.clone()))?;
    Ok(taken.traced(&[operand], || Operation::TakeRows(index.rows.as_vec())))
}
