//! Normalization of rows: of each feature as of a channel, and of each row by sums over it.

use dfdx::shapes::{Axes2, Axis, HasShape};
use dfdx::tensor::{HasErr, PutTape, Tensor};
use dfdx::tensor_ops::{BroadcastTo, Device, PermuteTo, ReshapeTo, SumTo, TryAdd, TryDiv, TryMul, TrySub};

use super::{batch_norm, fork, view};
use crate::engine::operand::{BatchMoments, NormOptions, ParamOn, TapedOn};
use crate::engine::tape::RecorderOn;
use crate::error::{Error, Result};
use crate::shape::{Dims1, Dims2};

/// `[rows, columns]` to `[columns, rows]`.
fn turned<D: Device<f32>>(input: TapedOn<Dims2, D>) -> Result<TapedOn<Dims2, D>> {
    input
        .try_permute::<Dims2, Axes2<1, 0>>()
        .and_then(ReshapeTo::try_contiguous)
        .map_err(Error::device)
}

/// See [`SequenceEngine::batch_norm_rows`](crate::engine::SequenceEngine::batch_norm_rows).
pub fn batch_norm_rows<D: Device<f32>>(
    input: TapedOn<Dims2, D>,
    gamma: &ParamOn<Dims1, D>,
    beta: &ParamOn<Dims1, D>,
    options: NormOptions<'_>,
) -> Result<(TapedOn<Dims2, D>, BatchMoments<D>)> {
    let (rows, width) = *input.shape();
    let maps = view(turned(input)?, (width, 1, 1, rows))?;
    let (maps, moments) = batch_norm(maps, gamma, beta, options)?;
    Ok((turned(view(maps, (width, rows))?)?, moments))
}

/// See [`SequenceEngine::layer_norm`](crate::engine::SequenceEngine::layer_norm).
pub fn layer_norm<D: Device<f32>>(
    input: TapedOn<Dims2, D>,
    gamma: &ParamOn<Dims1, D>,
    beta: &ParamOn<Dims1, D>,
    epsilon: f32,
) -> Result<TapedOn<Dims2, D>> {
    normalize(input, gamma, beta, epsilon).map_err(Error::device)
}

fn normalize<D: Device<f32>>(
    input: TapedOn<Dims2, D>,
    gamma: &ParamOn<Dims1, D>,
    beta: &ParamOn<Dims1, D>,
    epsilon: f32,
) -> std::result::Result<TapedOn<Dims2, D>, <D as HasErr>::Err> {
    let shape = *input.shape();
    let share = 1.0 / shape.1 as f32;
    let (input, branch) = fork(input);
    let sums: TapedOn<Dims1, D> = branch.try_sum::<_, Axis<1>>()?;
    let mean = sums.try_mul(share)?.try_broadcast_like::<_, Axis<1>>(&shape)?;
    let (centered, branch) = fork(input.try_sub(mean)?);
    let sums: TapedOn<Dims1, D> = branch.try_square()?.try_sum::<_, Axis<1>>()?;
    let deviation = sums.try_mul(share)?.try_add(epsilon).and_then(Tensor::try_sqrt)?;
    let deviation: TapedOn<Dims2, D> = deviation.try_broadcast_like::<_, Axis<1>>(&shape)?;
    let spread = |param: &ParamOn<Dims1, D>| -> std::result::Result<TapedOn<Dims2, D>, <D as HasErr>::Err> {
        let param = param.clone().put_tape(RecorderOn::for_parameter());
        param.try_broadcast_like::<_, Axis<0>>(&shape)
    };
    centered
        .try_div(deviation)?
        .try_mul(spread(gamma)?)?
        .try_add(spread(beta)?)
}
