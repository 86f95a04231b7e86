//! What a device does with whole tensors, as chains of the engine's own operations: they run on any of its devices.

pub(crate) mod products;
pub(crate) mod update;

use dfdx::shapes::{HasShape, Rank0};
use dfdx::tensor::{Gradients, OwnedTape};
use dfdx::tensor_ops::{Backward, Device, ReshapeTo, SumTo, TryMul};

use crate::engine::ParamOn;
use crate::error::{Error, Result};
use crate::shape::{Dims1, Shape};

/// The gradient of one parameter in one row; zeros if the backward pass left none.
pub(crate) fn flat_gradient<S: Shape, D: Device<f32>>(
    tensor: &ParamOn<S, D>,
    store: &mut Gradients<f32, D>,
) -> Result<ParamOn<Dims1, D>> {
    store.try_alloc_for(tensor).map_err(Error::device)?;
    let length = tensor.shape().elements();
    let gradient = store.get(tensor).try_reshape_like(&(length,));
    gradient.map_err(Error::device)
}

/// Makes `values` the gradient of a parameter: the gradient of Σ tensor · values is values, and dfdx has no other way to
/// write one.
pub(crate) fn put_gradient<S: Shape, D: Device<f32>>(
    tensor: &ParamOn<S, D>,
    store: &mut Gradients<f32, D>,
    values: ParamOn<S, D>,
) -> Result<()> {
    let mut single = tensor
        .retaped::<OwnedTape<f32, _>>()
        .try_mul(values)
        .and_then(SumTo::try_sum::<Rank0, _>)
        .and_then(|sum| sum.try_backward())
        .map_err(Error::device)?;
    let target = store.get_or_alloc_mut(tensor).map_err(Error::device)?;
    std::mem::swap(target, single.get_or_alloc_mut(tensor).map_err(Error::device)?);
    Ok(())
}
