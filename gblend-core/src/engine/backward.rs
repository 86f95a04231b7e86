//! The backward pass.

use dfdx::tensor::{Gradients, PutTape, SplitTape};
use dfdx::tensor_ops::{Backward, Device};

use super::operand::TapedOn;
use super::recomputed::take_failure;
use crate::error::{Error, Result};
use crate::shape::Dims0;

/// Runs the backward pass.
///
/// # Errors
/// [`Error::Device`] if the loss was not recorded, or the device fails; what operations that are carried out again complain
/// about.
pub fn backward<D: Device<f32>>(loss: TapedOn<Dims0, D>) -> Result<Gradients<f32, D>> {
    let (loss, recorder) = loss.split_tape();
    let Some(tape) = recorder.into_finished_tape() else {
        return Err(Error::Device(
            "the backward pass of a loss that was computed without recording".into(),
        ));
    };
    // Nothing of a pass before, which may have ended in a panic.
    drop(take_failure());
    let gradients = loss.put_tape(tape).try_backward().map_err(Error::device)?;
    take_failure().map_or(Ok(gradients), Err)
}
