//! What a step takes, by arithmetic, before it is tried.

use gblend_core::device::DeviceKind;
use gblend_core::memory::{check_room, free_bytes};
use gblend_core::{Array, AutoDevice, StepValues};

use super::session::Session;
use crate::config::Recompute;
use crate::data::{Evaluable, Splits};
use crate::error::Result;
use crate::network::Multimodal;

/// Settles whether steps run stages of encoders again in their backward pass, and refuses a step that the machine has no memory for:
/// what each modality's encoder keeps of every sample until the gradient is there, and what threads compute with.
///
/// Returns what there is to tell of a choice that was left to the machine.
///
/// # Errors
/// [`NoRoom`](gblend_core::Error::NoRoom) with what that takes.
pub fn settle_recompute(
    session: &mut Session<'_>,
    splits: &Splits,
    model: &Multimodal,
) -> Result<Option<String>> {
    let mut told = None;
    session.recomputes = match session.config.run.recompute {
        Recompute::None => false,
        Recompute::Stages => true,
        Recompute::Auto => {
            let asked = AutoDevice::KIND == DeviceKind::Cpu;
            let free = free_bytes().filter(|_| asked).unwrap_or(u64::MAX);
            let needed = Needed::all(session, splits, model, free / 2)?;
            if needed > free / 2 {
                told = Some(format!(
                    "stages of encoders are run again in the backward pass (run.recompute): a step that keeps everything takes {} MiB, \
                     and {} are left",
                    needed >> 20,
                    free >> 20
                ));
            }
            needed > free / 2
        }
    };
    for modality in 0..session.config.modalities.len() {
        let needed = Needed::of(session, splits, model, modality, session.recomputes)?;
        let name = &session.config.modalities[modality].name;
        let what = || format!("the maps of `{name}` in a step on {} samples", needed.samples);
        let Err(refused) = check_room(needed.at_most, what) else {
            continue;
        };
        match needed.varies {
            // Most samples may be far shorter than the longest has to be.
            true => check_room(needed.found(session, splits, model)?, what)?,
            false => return Err(refused.into()),
        }
    }
    Ok(told)
}

/// What a step takes for a modality.
struct Needed {
    modality: usize,
    recomputes: bool,
    samples: usize,
    threads: usize,
    /// Bytes, if all samples are as large as any can be.
    at_most: u64,
    /// Whether they need not be.
    varies: bool,
}

impl Needed {
    fn of(
        session: &Session<'_>,
        splits: &Splits,
        model: &Multimodal,
        modality: usize,
        recomputes: bool,
    ) -> Result<Self> {
        let samples = session.batch_size().get().min(splits.train.samples().len());
        let samples = samples.div_ceil(session.ranks.size());
        let threads = rayon::current_num_threads();
        let shape = session.sample_shapes()?.swap_remove(modality);
        let full = model.step_values(modality, &filled(shape.clone(), 1.0), recomputes);
        Ok(Self {
            modality,
            recomputes,
            samples,
            threads,
            at_most: step_bytes(full, full, samples, threads),
            varies: model.step_values(modality, &filled(shape, 0.0), recomputes) != full,
        })
    }

    /// Bytes for all modalities in a step that keeps everything. Where that would be more than `limit` if all samples were as large
    /// as any can be, training samples are looked at.
    fn all(session: &Session<'_>, splits: &Splits, model: &Multimodal, limit: u64) -> Result<u64> {
        let modalities = 0..session.config.modalities.len();
        let needed = modalities.map(|modality| Self::of(session, splits, model, modality, false));
        let needed: Vec<Self> = needed.collect::<Result<_>>()?;
        let at_most = needed
            .iter()
            .map(|needed| needed.at_most)
            .fold(0, u64::saturating_add);
        if at_most <= limit {
            return Ok(at_most);
        }
        let mut found = needed.iter().map(|needed| match needed.varies {
            true => needed.found(session, splits, model),
            false => Ok(needed.at_most),
        });
        found.try_fold(0, |sum: u64, bytes| Ok(sum.saturating_add(bytes?)))
    }

    /// Bytes for samples as training samples are.
    fn found(&self, session: &Session<'_>, splits: &Splits, model: &Multimodal) -> Result<u64> {
        let config = &session.config.modalities[self.modality];
        let (mut mean, mut most, mut count) = (StepValues::default(), StepValues::default(), 0_u64);
        for &sample in splits.train.samples() {
            if !session.prepared.has(self.modality, sample as usize) {
                continue;
            }
            let sample = session.prepared.sample(self.modality, sample as usize)?;
            let sample = config.apply(sample, &session.fitted[self.modality])?;
            let values = model.step_values(self.modality, &config.view(sample, 0)?, self.recomputes);
            mean.kept = mean.kept.saturating_add(values.kept);
            mean.passing = mean.passing.saturating_add(values.passing);
            most.kept = most.kept.max(values.kept);
            most.passing = most.passing.max(values.passing);
            count += 1;
        }
        mean.kept /= count.max(1);
        mean.passing /= count.max(1);
        Ok(step_bytes(mean, most, self.samples, self.threads))
    }
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
