//! From the steps of a sequence to one vector.

use crate::device::Chosen;
use crate::engine::{SequenceEngine, Steps};
use crate::error::Result;
use crate::tensor::{Features, Taped};

/// Mean over the steps of each sequence, `[steps, features]` to `[batch, features]`; zeros of a sequence without any.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if there are other steps, [`Error::Device`](crate::Error::Device).
pub fn step_mean(rows: Features, steps: &Steps) -> Result<Features> {
    steps.check("mean over steps", *rows.shape(), rows.shape().1)?;
    Chosen::step_mean(rows.into_engine(), steps).map(Taped::from)
}

/// Maximum over the steps of each sequence, `[steps, features]` to `[batch, features]`; zeros of a sequence without any.
///
/// # Errors
/// As [`step_mean`].
pub fn step_max(rows: Features, steps: &Steps) -> Result<Features> {
    steps.check("maximum over steps", *rows.shape(), rows.shape().1)?;
    Chosen::step_max(rows.into_engine(), steps).map(Taped::from)
}

/// The last step of each sequence, `[steps, features]` to `[batch, features]`; zeros of a sequence without any.
///
/// # Errors
/// As [`step_mean`].
pub fn last_step(rows: Features, steps: &Steps) -> Result<Features> {
    steps.check("last step", *rows.shape(), rows.shape().1)?;
    Chosen::gather_rows(rows.into_engine(), &steps.last()).map(Taped::from)
}
