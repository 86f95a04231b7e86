//! Attention between the steps of each sequence: padded sequences, whose padding gets a score below all others.

use dfdx::shapes::{Axes2, Axes4, Axis, HasShape};
use dfdx::tensor_ops::{BroadcastTo, Device, PermuteTo, ReshapeTo, TryAdd, TryMatMul, TryMul};

use super::{constant, gather_rows, view};
use crate::engine::interleaved::Interleaved;
use crate::engine::operand::TapedOn;
use crate::engine::steps::Steps;
use crate::engine::tape::enclosed;
use crate::error::{Error, Result};
use crate::shape::{Dims2, Dims4};

/// See [`SequenceEngine::attention`](crate::engine::SequenceEngine::attention), of query, key and value.
pub fn attention<D: Device<f32>>(
    [query, key, value]: [TapedOn<Dims2, D>; 3],
    steps: &Steps,
    heads: usize,
) -> Result<TapedOn<Dims2, D>> {
    let device = query.device().clone();
    let (batch, longest, width) = (steps.batch(), steps.longest(), query.shape().1);
    if longest == 0 {
        return constant(&device, vec![0.0; steps.rows() * width], (steps.rows(), width));
    }
    let (share, padded) = (width / heads, steps.padded());
    let split = |rows: TapedOn<Dims2, D>| -> Result<TapedOn<Dims4, D>> {
        view(gather_rows(rows, &padded)?, (batch, longest, heads, share))?
            .try_permute::<Dims4, Axes4<0, 2, 1, 3>>()
            .and_then(ReshapeTo::try_contiguous)
            .map_err(Error::device)
    };
    let (query, key, value) = (split(query)?, split(key)?, split(value)?);
    let penalty = padded
        .sources()
        .map(|row| if row.is_some() { 0.0 } else { -1e30 });
    let penalty: TapedOn<Dims4, D> = constant(&device, penalty.collect(), (batch, longest))?
        .try_broadcast_like::<_, Axes2<1, 2>>(&(batch, heads, longest, longest))
        .map_err(Error::device)?;
    let scale = 1.0 / (share as f32).sqrt();
    let rows = key
        .try_permute::<Dims4, Axes4<0, 1, 3, 2>>()
        .and_then(ReshapeTo::try_contiguous)
        .and_then(|key| query.try_matmul(key))
        .and_then(|scores| scores.try_mul(scale))
        .and_then(|scores| scores.try_add(penalty))
        .and_then(|scores| enclosed(scores, |scores| scores.try_softmax::<Axis<3>>()))
        .and_then(|shares| shares.try_matmul(value))
        .and_then(|heads| heads.try_permute::<Dims4, Axes4<0, 2, 1, 3>>())
        .and_then(ReshapeTo::try_contiguous)
        .map_err(Error::device)?;
    gather_rows(view(rows, (batch * longest, width))?, &steps.unpadded())
}

/// See [`SequenceEngine::interleaved_attention`](crate::engine::SequenceEngine::interleaved_attention), of query, key and value.
pub fn interleaved_attention<D: Device<f32>>(
    inputs: [TapedOn<Dims2, D>; 3],
    sequences: Interleaved,
    heads: usize,
) -> Result<TapedOn<Dims2, D>> {
    let rows = inputs[0].shape().0;
    let steps = Steps::of_lengths(&vec![sequences.length; rows / sequences.length.max(1)]);
    if sequences.apart == 1 {
        return attention(inputs, &steps, heads);
    }
    let [query, key, value] = inputs.map(|input| gather_rows(input, &sequences.gathered(rows)));
    let attended = attention([query?, key?, value?], &steps, heads)?;
    gather_rows(attended, &sequences.scattered(rows))
}
