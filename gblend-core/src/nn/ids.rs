//! Numbers of things among the values of samples.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::graph::{self, Operand, Operation};
use crate::tensor::Batch;

/// The number of a thing for each sample of a batch, which an [`Embedding`](super::Embedding) has vectors for.
#[derive(Clone, Debug)]
pub struct Ids {
    pub(super) ids: Vec<usize>,
    pub(super) operand: Operand,
}

impl Ids {
    /// What each of these values of a sample is for all samples of a batch. Values are counted from 0 in row-major order; what
    /// is behind the point of one is left aside.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no such values.
    pub fn of_columns(batch: &Batch, columns: Range<usize>) -> Result<Vec<Self>> {
        let (values, count) = (batch.host_values(), batch.len());
        let picked = columns.start.saturating_mul(count)..columns.end.saturating_mul(count);
        let Some(picked) = values.get(picked) else {
            let expected = format!("samples of at least {} values", columns.end);
            return Err(Error::shape("columns of ids", expected, batch.sample_shape()));
        };
        let ids = columns
            .zip(picked.chunks_exact(count.max(1)))
            .map(|(column, ids)| Self {
                ids: match graph::is_tracing() {
                    // Where there is any thing, there is the first.
                    true => vec![0; count],
                    // A float has every number of a thing that there may be.
                    false => ids.iter().map(|&id| id as usize).collect(),
                },
                operand: graph::operand_of_input(&[count], || Operation::Ids {
                    input: graph::input_name(batch.identity()),
                    column,
                }),
            });
        Ok(ids.collect())
    }
}
