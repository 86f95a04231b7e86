//! What a step keeps, by arithmetic, before it is tried.

use gblend_core::memory::check_room;

use super::session::Session;
use crate::data::{Evaluable, Splits};
use crate::error::Result;
use crate::network::Multimodal;

/// Refuses a step whose maps alone the machine has no memory for: each stage's of every sample are kept until the gradient is
/// there.
///
/// # Errors
/// [`NoRoom`](gblend_core::Error::NoRoom) with what they take.
pub(crate) fn check_step_room(session: &Session<'_>, splits: &Splits, model: &Multimodal) -> Result<()> {
    let samples = session.batch_size().get().min(splits.train.samples().len());
    for (name, values) in model.values_of_maps() {
        let bytes = values
            .saturating_mul(samples as u64)
            .saturating_mul(size_of::<f32>() as u64);
        let what = || format!("the maps of `{name}` in a step on {samples} samples");
        check_room(bytes, what)?;
    }
    Ok(())
}
