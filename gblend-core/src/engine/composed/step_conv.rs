//! Convolution over steps: gathered windows times the weights.

use dfdx::shapes::{Axes2, Axis, HasShape};
use dfdx::tensor_ops::{BroadcastTo, Device, PermuteTo, TryAdd, TryMatMul};

use super::{gather_rows, view};
use crate::engine::operand::{ParamOn, TapedOn};
use crate::engine::row_sources::RowSources;
use crate::engine::tape::RecorderOn;
use crate::error::{Error, Result};
use crate::shape::{Dims1, Dims2, Dims3};

/// See [`SequenceEngine::step_conv`](crate::engine::SequenceEngine::step_conv).
pub fn step_conv<D: Device<f32>>(
    input: TapedOn<Dims2, D>,
    weight: &ParamOn<Dims3, D>,
    bias: Option<&ParamOn<Dims1, D>>,
    windows: &RowSources,
) -> Result<TapedOn<Dims2, D>> {
    let &(outputs, taps, inputs) = weight.shape();
    let rows = windows.len() / taps;
    let columns = view(gather_rows(input, windows)?, (rows, taps * inputs))?;
    let weight = view(weight.retaped::<RecorderOn<D>>(), (outputs, taps * inputs))?;
    let product: TapedOn<Dims2, D> = weight
        .try_permute::<Dims2, Axes2<1, 0>>()
        .and_then(|weight| columns.try_matmul(weight))
        .map_err(Error::device)?;
    let Some(bias) = bias else { return Ok(product) };
    bias.retaped::<RecorderOn<D>>()
        .try_broadcast_like::<_, Axis<0>>(&(rows, outputs))
        .and_then(|bias: TapedOn<Dims2, D>| product.try_add(bias))
        .map_err(Error::device)
}
