//! Means and maxima over the steps of each sequence: a product with everyone's share, and the maximum of padded sequences.

use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor_ops::{BroadcastTo, Device, MaxTo, TryAdd, TryMatMul, TryMul};

use super::{constant, gather_rows, view};
use crate::engine::operand::TapedOn;
use crate::engine::steps::Steps;
use crate::error::{Error, Result};
use crate::shape::{Dims2, Dims3};

/// See [`SequenceEngine::step_mean`](crate::engine::SequenceEngine::step_mean).
pub fn step_mean<D: Device<f32>>(input: TapedOn<Dims2, D>, steps: &Steps) -> Result<TapedOn<Dims2, D>> {
    let device = input.device().clone();
    let (rows, batch) = (input.shape().0, steps.batch());
    let mut shares = vec![0.0; batch * rows];
    for (sample, of_sample) in steps.sequences().enumerate() {
        let share = 1.0 / of_sample.len().max(1) as f32;
        shares[sample * rows..][of_sample].fill(share);
    }
    let shares = constant(&device, shares, (batch, rows))?;
    shares.try_matmul(input).map_err(Error::device)
}

/// See [`SequenceEngine::step_max`](crate::engine::SequenceEngine::step_max). Equal maxima share the gradient.
pub fn step_max<D: Device<f32>>(input: TapedOn<Dims2, D>, steps: &Steps) -> Result<TapedOn<Dims2, D>> {
    let device = input.device().clone();
    let (batch, longest, width) = (steps.batch(), steps.longest(), input.shape().1);
    if longest == 0 {
        return constant(&device, vec![0.0; batch * width], (batch, width));
    }
    let padded = steps.padded();
    let penalty = padded
        .sources()
        .map(|row| if row.is_some() { 0.0 } else { -1e30 });
    let shape = (batch, longest, width);
    let penalty: TapedOn<Dims3, D> = constant(&device, penalty.collect(), (batch, longest))?
        .try_broadcast_like::<_, Axis<2>>(&shape)
        .map_err(Error::device)?;
    let maxima: TapedOn<Dims2, D> = view(gather_rows(input, &padded)?, shape)?
        .try_add(penalty)
        .and_then(MaxTo::try_max::<_, Axis<1>>)
        .map_err(Error::device)?;
    let there = steps
        .sequences()
        .map(|rows| f32::from(u8::from(!rows.is_empty())));
    constant(&device, there.collect(), (batch,))?
        .try_broadcast_like::<_, Axis<1>>(&(batch, width))
        .and_then(|there| maxima.try_mul(there))
        .map_err(Error::device)
}
