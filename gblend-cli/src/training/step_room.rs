//! What a step takes, by arithmetic, before it is tried.

use gblend_core::memory::check_room;
use gblend_core::{Array, StepValues};

use super::session::Session;
use crate::data::{Evaluable, Splits};
use crate::error::Result;
use crate::network::Multimodal;

/// Refuses a step that the machine has no memory for: what each modality's encoder keeps of every sample until the gradient
/// is there, and what threads compute with.
///
/// # Errors
/// [`NoRoom`](gblend_core::Error::NoRoom) with what that takes.
pub fn check_step_room(session: &Session<'_>, splits: &Splits, model: &Multimodal) -> Result<()> {
    let train = splits.train.samples();
    let samples = session.batch_size().get().min(train.len());
    let samples = samples.div_ceil(session.ranks.size());
    let threads = rayon::current_num_threads();
    for (modality, shape) in session.sample_shapes()?.into_iter().enumerate() {
        let name = &session.config.modalities[modality].name;
        let what = || format!("the maps of `{name}` in a step on {samples} samples");
        let full = model.step_values(modality, &filled(shape.clone(), 1.0));
        let Err(refused) = check_room(step_bytes(full, full, samples, threads), what) else {
            continue;
        };
        if model.step_values(modality, &filled(shape, 0.0)) == full {
            return Err(refused.into());
        }
        // Most samples may be far shorter than the longest has to be.
        let (mean, most) = found(session, train, model, modality)?;
        check_room(step_bytes(mean, most, samples, threads), what)?;
    }
    Ok(())
}

/// Bytes that a step on so many threads takes for so many samples, one of which takes `most` and the others as much as `mean`.
pub fn step_bytes(mean: StepValues, most: StepValues, samples: usize, threads: usize) -> u64 {
    let others = samples.saturating_sub(1) as u64;
    let threads = threads.min(samples).saturating_sub(1) as u64;
    let kept = mean.kept.saturating_mul(others).saturating_add(most.kept);
    let passing = mean.passing.saturating_mul(threads).saturating_add(most.passing);
    kept.saturating_add(passing)
        .saturating_mul(size_of::<f32>() as u64)
}

fn filled(shape: Vec<usize>, value: f32) -> Array {
    let mut array = Array::zeros(shape);
    array.values_mut().fill(value);
    array
}

/// The mean and the most of what training samples take.
fn found(
    session: &Session<'_>,
    train: &[u32],
    model: &Multimodal,
    modality: usize,
) -> Result<(StepValues, StepValues)> {
    let config = &session.config.modalities[modality];
    let (mut mean, mut most, mut count) = (StepValues::default(), StepValues::default(), 0_u64);
    for &sample in train {
        if !session.prepared.has(modality, sample as usize) {
            continue;
        }
        let sample = session.prepared.sample(modality, sample as usize)?;
        let sample = config.apply(sample, &session.fitted[modality])?;
        let values = model.step_values(modality, &config.view(sample, 0)?);
        mean.kept = mean.kept.saturating_add(values.kept);
        mean.passing = mean.passing.saturating_add(values.passing);
        most.kept = most.kept.max(values.kept);
        most.passing = most.passing.max(values.passing);
        count += 1;
    }
    mean.kept /= count.max(1);
    mean.passing /= count.max(1);
    Ok((mean, most))
}
