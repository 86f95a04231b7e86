//! From the steps of a sequence to one vector.

use crate::device::Chosen;
use crate::engine::{SequenceEngine, Steps};
use crate::error::Result;
use crate::graph::{self, Operation};
use crate::tensor::{Features, Taped};

/// Mean over the steps of each sequence, `[steps, features]` to `[batch, features]`; zeros of a sequence without any.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if there are other steps, [`Error::Device`](crate::Error::Device).
pub fn step_mean(rows: Features, steps: &Steps) -> Result<Features> {
    steps.check("mean over steps", *rows.shape(), rows.shape().1)?;
    let operands = [rows.operand(), graph::operand_of_steps(steps)];
    let means = Chosen::step_mean(rows.into_engine(), steps).map(Taped::from)?;
    Ok(means.traced(&operands, || Operation::StepMean))
}

/// Maximum over the steps of each sequence, `[steps, features]` to `[batch, features]`; zeros of a sequence without any.
///
/// # Errors
/// As [`step_mean`].
pub fn step_max(rows: Features, steps: &Steps) -> Result<Features> {
    steps.check("maximum over steps", *rows.shape(), rows.shape().1)?;
    let operands = [rows.operand(), graph::operand_of_steps(steps)];
    let largest = Chosen::step_max(rows.into_engine(), steps).map(Taped::from)?;
    Ok(largest.traced(&operands, || Operation::StepMax))
}

/// The last step of each sequence, `[steps, features]` to `[batch, features]`; zeros of a sequence without any.
///
/// # Errors
/// As [`step_mean`].
pub fn last_step(rows: Features, steps: &Steps) -> Result<Features> {
    steps.check("last step", *rows.shape(), rows.shape().1)?;
    let operands = [rows.operand(), graph::operand_of_steps(steps)];
    let last = Chosen::gather_rows(rows.into_engine(), &steps.last()).map(Taped::from)?;
    Ok(last.traced(&operands, || Operation::LastStep))
}
