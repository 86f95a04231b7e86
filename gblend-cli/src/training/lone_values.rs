//! Batches in which batch normalization has one value of a channel to go by.

use super::session::Session;
use crate::data::{Evaluable, Splits};
use crate::error::Result;
use crate::network::Multimodal;

/// What to say of modalities whose batch normalization sees one value of a channel in some batch: it is its own mean, so that
/// every sample leaves it as the same, and nothing is learned through it.
///
/// # Errors
/// What the shape of a prepared sample is refused for.
pub(crate) fn lone_values(
    session: &Session<'_>,
    splits: &Splits,
    model: &mut Multimodal,
) -> Result<Vec<String>> {
    let samples = splits.train.samples().len();
    // Samples are dealt evenly.
    let batches = samples.div_ceil(session.batch_size().get()).max(1);
    if samples / batches != 1 {
        return Ok(Vec::new());
    }
    let alone = model.normalized_alone(&session.sample_shapes()?)?;
    let told = alone.into_iter().map(|name| {
        format!(
            "batch normalization of `{name}` has one value of each channel in batches of one sample, as it has here \
             ({samples} training samples in {batches} batches): every sample leaves it as the same, and nothing is learned \
             through it; take a run.batch_size of at least 2 that leaves no batch of one, or an encoder without it"
        )
    });
    Ok(told.collect())
}
