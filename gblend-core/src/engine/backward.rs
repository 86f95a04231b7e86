//! The backward pass.

use dfdx::tensor::{Gradients, PutTape, SplitTape};
use dfdx::tensor_ops::{Backward, Device};

use super::operand::TapedOn;
use crate::error::{Error, Result};
use crate::shape::Dims0;

/// Runs the backward pass.
///
/// # Errors
/// [`Error::Device`] if the loss was not recorded, or the device fails.
pub fn backward<D: Device<f32>>(loss: TapedOn<Dims0, D>) -> Result<Gradients<f32, D>> {
    let (loss, recorder) = loss.split_tape();
    let Some(tape) = recorder.into_finished_tape() else {
        return Err(Error::Device(
            "the backward pass of a loss that was computed without recording".into(),
        ));
    };
    loss.put_tape(tape).try_backward().map_err(Error::device)
}
