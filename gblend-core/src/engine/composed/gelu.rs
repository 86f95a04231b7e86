//! The Gaussian error linear unit.

use dfdx::shapes::Shape;
use dfdx::tensor_ops::Device;

use crate::engine::operand::TapedOn;
use crate::error::{Error, Result};

/// See [`gelu`](crate::nn::gelu).
pub fn gelu<S: Shape, D: Device<f32>>(input: TapedOn<S, D>) -> Result<TapedOn<S, D>> {
    // Not `try_accurate_gelu`: in dfdx 0.13 the density in its derivative is too large by √2.
    input.try_fast_gelu().map_err(Error::device)
}
