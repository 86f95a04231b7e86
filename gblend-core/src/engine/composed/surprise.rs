//! The surprise of rows.

use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor_ops::{Device, SumTo, TryAdd, TryMul};

use super::constant;
use crate::engine::operand::TapedOn;
use crate::engine::surprise::Candidates;
use crate::error::{Error, Result};
use crate::shape::{Dims1, Dims2};

/// What is added to what is no candidate: no similarity is so large that something of it is left.
const NEVER: f32 = -1e9;

/// See [`Engine::surprises`](crate::engine::Engine::surprises).
pub fn surprises<D: Device<f32>>(
    input: TapedOn<Dims2, D>,
    candidates: &Candidates,
) -> Result<TapedOn<Dims1, D>> {
    let &(rows, width) = input.shape();
    let (mut mask, mut shares) = (vec![0.0; rows * width], vec![0.0; rows * width]);
    for row in 0..rows {
        candidates.each_left_out(row, width, |place| mask[row * width + place] = NEVER);
        if let Some(share) = shares.get_mut(row * width + candidates.right(row)) {
            *share = -1.0;
        }
    }
    let device = input.device().clone();
    let mask = constant(&device, mask, (rows, width))?;
    let shares = constant(&device, shares, (rows, width))?;
    let masked = input.try_add(mask).map_err(Error::device)?;
    let logs = masked.try_log_softmax::<Axis<1>>().map_err(Error::device)?;
    let own = logs.try_mul(shares).map_err(Error::device)?;
    own.try_sum::<Dims1, Axis<1>>().map_err(Error::device)
}
