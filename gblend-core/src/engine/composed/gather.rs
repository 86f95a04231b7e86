//! Rows from elsewhere, as a gather; rows from nowhere are some row times 0.

use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor::{PutTape, Tensor};
use dfdx::tensor_ops::{BroadcastTo, Device, GatherTo, TryMul};

use super::constant;
use crate::engine::operand::{ParamOn, TapedOn};
use crate::engine::row_sources::RowSources;
use crate::engine::tape::RecorderOn;
use crate::error::{Error, Result};
use crate::shape::{Dims1, Dims2};

/// See [`SequenceEngine::gather_rows`](crate::engine::SequenceEngine::gather_rows).
pub fn gather_rows<D: Device<f32>>(
    input: TapedOn<Dims2, D>,
    index: &RowSources,
) -> Result<TapedOn<Dims2, D>> {
    let device = input.device().clone();
    let &(rows, width) = input.shape();
    let shape = (index.len(), width);
    if rows == 0 || index.is_empty() {
        return constant(&device, vec![0.0; index.len() * width], shape);
    }
    let sources: Vec<usize> = index.sources().map(|source| source.unwrap_or(0)).collect();
    let sources: Tensor<Dims1, usize, D> = device
        .try_tensor_from_vec(sources, (index.len(),))
        .map_err(Error::device)?;
    let gathered: TapedOn<Dims2, D> = input.try_gather(sources).map_err(Error::device)?;
    if !index.has_gaps() {
        return Ok(gathered);
    }
    let there = index
        .sources()
        .map(|source| f32::from(u8::from(source.is_some())));
    constant(&device, there.collect(), (index.len(),))?
        .try_broadcast_like::<_, Axis<1>>(&shape)
        .and_then(|there| gathered.try_mul(there))
        .map_err(Error::device)
}

/// See [`SequenceEngine::embedding`](crate::engine::SequenceEngine::embedding).
pub fn embedding<D: Device<f32>>(
    table: &ParamOn<Dims2, D>,
    index: &RowSources,
    mut recorder: RecorderOn<D>,
) -> Result<TapedOn<Dims2, D>> {
    recorder.require_grad();
    gather_rows(table.clone().put_tape(recorder), index)
}
