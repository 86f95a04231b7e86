//! Rows from elsewhere, as one tape operation.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, PutTape, SplitTape};

use super::{DeviceResult, Grads, downstream, tensor, unary, upstream, values};
use crate::engine::cpu::gather;
use crate::engine::operand::{ParamOn, TapedOn};
use crate::engine::row_sources::RowSources;
use crate::engine::tape::RecorderOn;
use crate::error::Result;
use crate::shape::Dims2;

/// See [`SequenceEngine::gather_rows`](crate::engine::SequenceEngine::gather_rows).
pub fn gather_rows(input: TapedOn<Dims2, Cpu>, index: &RowSources) -> Result<TapedOn<Dims2, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let &(rows, width) = input.shape();
    let gathered = gather::gather(index, values(&input)?, width);
    let output = tensor(input.device(), gathered, (index.len(), width))?;
    let index = index.clone();
    Ok(unary(output, recorder, to_input, move |gradient| {
        let mut scattered = vec![0.0; rows * width];
        gather::scatter_add(&index, &gradient, width, &mut scattered);
        scattered
    }))
}

/// See [`SequenceEngine::embedding`](crate::engine::SequenceEngine::embedding).
pub fn embedding(
    table: &ParamOn<Dims2, Cpu>,
    index: &RowSources,
    mut recorder: RecorderOn<Cpu>,
) -> Result<TapedOn<Dims2, Cpu>> {
    let width = table.shape().1;
    let gathered = gather::gather(index, values(table)?, width);
    let output = tensor(table.device(), gathered, (index.len(), width))?;
    recorder.require_grad();
    if recorder.is_recording() {
        let ((handoff, gradient), ghost) = (downstream(&output, None), table.ghost());
        let index = index.clone();
        recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
            let gradient = gradient(grads)?;
            gather::scatter_add(&index, &gradient, width, grads.get_or_alloc_mut(&ghost)?);
            Ok(())
        });
    }
    Ok(output.put_tape(recorder))
}
