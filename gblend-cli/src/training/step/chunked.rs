//! Gradient caching: the gradient of a large batch with the memory of a small one.
//!
//! A loss that compares the samples of a batch needs all of them at once, but only their feature vectors. So every encoder makes
//! those of some samples at a time, of which nothing else is kept; the loss is differentiated in the features; and the encoders run
//! once more on as many samples at a time, each followed back from the gradient of its features (Gao, Zhang, Han, Callan, "Scaling
//! Deep Contrastive Learning Batch Size under Memory Limited Setup", RepL4NLP 2021). The sum is the gradient of the batch, to
//! rounding, where an encoder treats samples by themselves; one that normalizes over a batch sees as many samples as a chunk has.

use std::num::NonZeroUsize;
use std::ops::Range;

use gblend_core::nn::{backward, multiply, sum};
use gblend_core::tensor::{Dims2, Features, Gradients, Plain};
use gblend_core::{AutoDevice, Pass, Precision, Seed};
use gblend_optim::each_gradient;
use gblend_optim::network::Part;

use super::StepContext;
use crate::error::Result;
use crate::network::{ActiveHeads, Inputs, Multimodal};

/// The features of one modality of a batch.
pub(super) struct Cached {
    modality: usize,
    features: Plain<Dims2>,
    /// Whether anything is to be learned from their gradient.
    learns: bool,
}

/// The feature vectors of a batch, made of some samples at a time.
pub(super) struct CachedFeatures {
    modalities: Vec<Cached>,
    chunk: NonZeroUsize,
    seed: Seed,
    recomputes: bool,
    activations_as: Precision,
}

impl CachedFeatures {
    /// Those of every modality whose encoder the active heads need; `seed` is the step's.
    ///
    /// # Errors
    /// As [`Multimodal::forward`].
    pub(super) fn of(
        model: &mut Multimodal,
        inputs: &Inputs,
        active: &ActiveHeads,
        context: StepContext<'_>,
        chunk: NonZeroUsize,
        seed: Seed,
    ) -> gblend_core::Result<Self> {
        let mut cached = Self {
            modalities: Vec::new(),
            chunk,
            seed,
            recomputes: context.recomputes,
            activations_as: context.activations_as,
        };
        for (modality, wanted) in active.encoders().into_iter().enumerate() {
            let Some(input) = inputs.modality(modality).filter(|_| wanted) else {
                continue;
            };
            let Some((batch, _)) = input.present() else {
                continue;
            };
            let mut values: Vec<f32> = Vec::new();
            let (mut width, mut learns) = (0, false);
            for places in cached.chunks(batch.len(), input.copies()) {
                let part = batch.select(&places)?;
                let features =
                    model.features_of(modality, &part, input.is_encoded(), &cached.pass(&places))?;
                learns |= features.requires_grad();
                width = features.shape().1;
                values.resize(batch.len() * width, 0.0);
                for (row, place) in features.to_vec().chunks_exact(width.max(1)).zip(places) {
                    values[place * width..(place + 1) * width].copy_from_slice(row);
                }
            }
            cached.modalities.push(Cached {
                modality,
                features: Plain::new(context.device, (batch.len(), width), values)?,
                learns,
            });
        }
        Ok(cached)
    }

    /// The features as what a pass begins with, by modality.
    pub(super) fn given(&self, modalities: usize) -> Vec<Option<Features>> {
        let mut given: Vec<Option<Features>> = (0..modalities).map(|_| None).collect();
        for cached in &self.modalities {
            given[cached.modality] = Some(cached.features.parameter());
        }
        given
    }

    /// Adds what the gradient of the features says of the encoders to `gradients`.
    ///
    /// # Errors
    /// As [`Multimodal::forward`].
    pub(super) fn follow(
        &self,
        model: &mut Multimodal,
        inputs: &Inputs,
        active: &ActiveHeads,
        device: &AutoDevice,
        gradients: &mut Gradients,
    ) -> Result<()> {
        for cached in self.modalities.iter().filter(|cached| cached.learns) {
            let Some(input) = inputs.modality(cached.modality) else {
                continue;
            };
            let Some((batch, _)) = input.present() else {
                continue;
            };
            let slopes = gradients.get(&cached.features)?;
            let width = cached.features.shape().1;
            for places in self.chunks(batch.len(), input.copies()) {
                let part = batch.select(&places)?;
                let pass = self.pass(&places);
                let features = model.features_of(cached.modality, &part, input.is_encoded(), &pass)?;
                let rows = places
                    .iter()
                    .flat_map(|place| &slopes.values()[place * width..(place + 1) * width]);
                let slope = Plain::new(device, (places.len(), width), rows.copied().collect())?;
                let slope = slope.enter(pass.recorder());
                let mut of_chunk = backward(sum(multiply(features, slope)?)?)?;
                add(model, active, cached.modality, &mut of_chunk, gradients)?;
            }
        }
        Ok(())
    }

    /// The places in a batch of the samples of each chunk, with all of their copies.
    fn chunks(&self, rows: usize, copies: usize) -> Vec<Vec<usize>> {
        let samples = rows / copies.max(1);
        let count = samples.div_ceil(self.chunk.get()).max(1);
        let bound = |chunk: usize| chunk * samples / count;
        let chunks = (0..count).map(|chunk| -> Range<usize> { bound(chunk)..bound(chunk + 1) });
        chunks
            .map(|chunk| {
                let copies =
                    (0..copies).flat_map(|copy| chunk.clone().map(move |sample| copy * samples + sample));
                copies.collect()
            })
            .collect()
    }

    /// A chunk drops the same whenever it is computed.
    fn pass(&self, places: &[usize]) -> Pass {
        let first = places.first().copied().unwrap_or(0);
        Pass::train(self.seed.derive("chunk").nth(first as u64))
            .recomputing(self.recomputes)
            .keeping(self.activations_as)
    }
}

/// Adds the gradient of one encoder.
fn add(
    model: &mut Multimodal,
    active: &ActiveHeads,
    modality: usize,
    of_chunk: &mut Gradients,
    to: &mut Gradients,
) -> Result<()> {
    let mut values: Vec<Vec<f32>> = Vec::new();
    let own = |part: Part| part == Part::Encoder(modality);
    each_gradient(&mut model.active(active), of_chunk, |part, _, mut gradient| {
        if own(part) {
            gradient.read(|read| values.push(read.to_vec()))?;
        }
        Ok(())
    })?;
    let mut values = values.into_iter();
    each_gradient(&mut model.active(active), to, |part, _, mut gradient| {
        if !own(part) {
            return Ok(());
        }
        let further = values.next().unwrap_or_default();
        gradient.edit(|sums| {
            let pairs = sums.iter_mut().zip(&further);
            pairs.for_each(|(sum, value)| *sum += value);
        })
    })?;
    Ok(())
}
