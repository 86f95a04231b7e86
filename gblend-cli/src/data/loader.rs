//! Loader threads: batches are stacked ahead of the step that needs them.
//!
//! Workers take batches in turn, each with a short queue of its own; the consumer asks the workers in the
//! same turn. So the order of batches, and with it the result, does not depend on which worker is faster.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use gblend_core::tensor::StackedSamples;
use gblend_core::{Array, Error, Fitted, Result, Seed, Targets};
use rand::RngExt;
use rand::seq::SliceRandom;

use super::encoded::EncodedSamples;
use super::position::SampleIndex;
use super::prepared::Prepared;
use super::sampler::{Drawn, Sampler};
use super::whole::WholeBatch;
use crate::config::ModalityConfig;

/// Batches that each worker may be ahead, if there is memory for them.
const AHEAD: usize = 2;

/// Bytes of batches that may wait whatever the setting says: small ones cost nothing worth a word.
const LEAST_WAITING: u64 = 64 << 20;

/// A batch in host memory.
#[derive(Debug)]
pub struct LoadedBatch {
    /// Positions in the dataset.
    pub samples: Vec<usize>,
    /// What the heads should say.
    pub targets: Targets,
    /// One entry per modality; `None` where it was not asked for.
    pub inputs: Vec<Option<LoadedInput>>,
    /// The batch that this is a part of, if it is one.
    pub whole: Option<WholeBatch>,
}

/// One modality of a batch in host memory.
#[derive(Debug)]
pub struct LoadedInput {
    /// Positions in the batch of the samples that have the modality; `None` if all do.
    pub rows: Option<Vec<usize>>,
    /// Those samples; `None` if there is none.
    pub samples: Option<StackedSamples>,
    /// Whether they are features, which need no encoder any more.
    pub encoded: bool,
    /// How often each is there, one copy of all after the other: first as the joint head sees it, and last two augmentations, of
    /// which in training the joint head sees the first.
    pub copies: usize,
}

/// The batches of one pass over some samples.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    order: Cow<'a, [SampleIndex]>,
    /// How often each of them came before; empty if each comes once.
    repeats: Vec<u32>,
    /// Batches of the whole pass, and how many of them are left out at its beginning.
    batches: usize,
    skipped: usize,
    choice: ViewChoice,
    /// Which part of each batch is loaded, and of how many.
    part: usize,
    parts: usize,
}

/// Which view of a sample is taken.
#[derive(Clone, Copy, Debug)]
enum ViewChoice {
    /// A random view, augmented.
    Random(Seed),
    /// One of the views; of fewer, in turn.
    View(usize),
    /// The middle one.
    Middle,
}

impl ViewChoice {
    /// The choice of a sample that came so often before.
    fn again(self, repeat: u32) -> Self {
        match self {
            Self::Random(seed) if repeat > 0 => Self::Random(seed.derive("again").nth(repeat.into())),
            other => other,
        }
    }
}

impl<'a> Plan<'a> {
    /// A pass in training: drawn, shuffled and augmented by the seed of the epoch. A sample that is drawn again is augmented
    /// otherwise.
    pub fn training(
        samples: &[SampleIndex],
        sampler: Sampler<'_>,
        batch_size: NonZeroUsize,
        epoch: Seed,
    ) -> Self {
        let drawn = sampler.draw(samples, samples.len(), epoch.derive("sampler"));
        let Drawn {
            samples: mut order,
            mut repeats,
        } = drawn;
        // The same permutation for both.
        order.shuffle(&mut epoch.derive("order").rng());
        repeats.shuffle(&mut epoch.derive("order").rng());
        Self {
            repeats,
            ..Self::new(
                order.into(),
                batch_size,
                ViewChoice::Random(epoch.derive("augment")),
            )
        }
    }

    /// A pass in evaluation: in order, as prepared, the middle view of each sample.
    pub fn evaluation(samples: &'a [SampleIndex], batch_size: NonZeroUsize) -> Self {
        Self::new(samples.into(), batch_size, ViewChoice::Middle)
    }

    fn new(order: Cow<'a, [SampleIndex]>, batch_size: NonZeroUsize, choice: ViewChoice) -> Self {
        Self {
            batches: order.len().div_ceil(batch_size.get()),
            skipped: 0,
            order,
            repeats: Vec::new(),
            choice,
            part: 0,
            parts: 1,
        }
    }

    /// The same pass for one of several ranks, which load a part of every batch each: parts that are even to one, in the order of
    /// the batch, and together all of it.
    #[must_use]
    pub fn of_part(self, part: usize, parts: usize) -> Self {
        Self { part, parts, ..self }
    }

    /// Where the parts of a batch of so many samples begin, and the end of the last.
    fn bounds(&self, samples: usize) -> Vec<usize> {
        (0..=self.parts)
            .map(|part| part * samples / self.parts.max(1))
            .collect()
    }

    /// The same pass over view `view` of each sample. A modality with fewer views shows them in turn.
    #[must_use]
    pub fn of_view(self, view: usize) -> Self {
        Self {
            choice: ViewChoice::View(view),
            ..self
        }
    }

    /// What is left of the pass after its first `batches` batches.
    #[must_use]
    pub fn skip(self, batches: usize) -> Self {
        Self {
            skipped: self.batches.min(self.skipped + batches),
            ..self
        }
    }

    /// One batch of those that there are. Samples are dealt into the fewest batches of at most the batch size, of sizes
    /// that differ by one at most: a small last batch would have noisy batch statistics.
    fn batch(&self, index: usize) -> &[SampleIndex] {
        &self.order[self.places(index)]
    }

    /// How often the samples of a batch came before; empty if each comes once.
    fn repeats(&self, index: usize) -> &[u32] {
        self.repeats.get(self.places(index)).unwrap_or_default()
    }

    /// Where a batch lies in the order of the pass.
    fn places(&self, index: usize) -> Range<usize> {
        let bound = |batch: usize| batch * self.order.len() / self.batches.max(1);
        let batch = self.skipped + index;
        bound(batch)..bound(batch + 1)
    }

    /// Samples that are loaded of the largest batch.
    fn largest(&self) -> usize {
        let batch = self.order.len().div_ceil(self.batches.max(1));
        batch.div_ceil(self.parts.max(1))
    }

    /// Samples of the smallest batch, all of its parts.
    pub fn smallest(&self) -> usize {
        self.order.len() / self.batches.max(1)
    }

    /// The number of batches.
    pub fn len(&self) -> usize {
        self.batches - self.skipped
    }

    /// Whether there is no batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where batches come from.
pub struct Loader<'a> {
    /// The samples.
    pub prepared: &'a Prepared<'a>,
    /// The modalities, in the order of [`Prepared`].
    pub modalities: &'a [ModalityConfig],
    /// What each of them has fitted to the training samples.
    pub fitted: &'a [Fitted],
    /// Which modalities to load.
    pub wanted: Vec<bool>,
    /// The features of each modality that has a frozen encoder and is loaded as them; none at all if it is empty.
    pub encoded: Vec<Option<Arc<EncodedSamples>>>,
    /// The modalities of whose samples two augmentations are wanted, besides the samples as they are; none at all if it is empty.
    pub augmented: Vec<bool>,
    /// The random stream of augmentations that are drawn once, for evaluation and estimates.
    pub augmentations: Seed,
    /// Loader threads.
    pub workers: NonZeroUsize,
}

impl Loader<'_> {
    /// Runs `consume` on every batch of the plan, in order, and tells how long it waited for data.
    ///
    /// # Errors
    /// The first error of a sample or of `consume`; no batch is consumed after it. [`Error::NoRoom`].
    pub fn for_each<E: From<Error>>(
        &self,
        plan: &Plan<'_>,
        mut consume: impl FnMut(usize, LoadedBatch) -> Result<(), E>,
    ) -> Result<Duration, E> {
        let (workers, ahead) = self.lanes(plan);
        let mut waited = Duration::ZERO;
        std::thread::scope(|scope| {
            let queues: Vec<_> = (0..workers)
                .map(|worker| {
                    let (sender, receiver) = sync_channel(ahead);
                    let work = move || {
                        for batch in (worker..plan.len()).step_by(workers) {
                            // The consumer hangs up at the first error.
                            let loaded = self.load(plan, batch);
                            if sender.send(loaded).is_err() {
                                break;
                            }
                        }
                    };
                    let started = std::thread::Builder::new().spawn_scoped(scope, work);
                    started.map_err(|error| Error::NoRoom(format!("a loader thread ({error})")))?;
                    Ok(receiver)
                })
                .collect::<Result<_>>()?;
            for index in 0..plan.len() {
                let asked = Instant::now();
                let Ok(batch) = queues[index % workers].recv() else {
                    // Only a worker that panicked hangs up early, and the scope passes its panic on.
                    break;
                };
                waited += asked.elapsed();
                consume(index, batch?)?;
            }
            Ok(waited)
        })
    }

    /// Batches of which one is computed with, and the others are made or wait, with so many workers.
    pub fn most_batches(workers: usize) -> usize {
        // Of each worker, those that wait, one that waits to, and the samples of one.
        workers.saturating_mul(AHEAD + 2).saturating_add(1)
    }

    /// Workers, and how many batches each may be ahead: as many as there is memory for, and one of each at least. The order
    /// of the batches depends on neither.
    fn lanes(&self, plan: &Plan<'_>) -> (usize, usize) {
        let most = self.workers.get().min(plan.len().max(1));
        let wanted = self.wanted.iter().enumerate().filter(|(_, wanted)| **wanted);
        let each = wanted.map(|(position, _)| self.prepared.sample_bytes(position));
        let batch = each
            .fold(0_u64, u64::saturating_add)
            .saturating_mul(plan.largest() as u64);
        let fits = self.prepared.waiting_bytes().max(LEAST_WAITING) / batch.max(1);
        lanes(most, usize::try_from(fits).unwrap_or(usize::MAX))
    }

    /// The largest number of views that a wanted modality has.
    pub fn views(&self) -> usize {
        let wanted = self.modalities.iter().zip(&self.wanted);
        let views = wanted
            .filter(|(_, wanted)| **wanted)
            .map(|(modality, _)| modality.plugin.views().get());
        views.max().unwrap_or(1)
    }

    fn load(&self, plan: &Plan<'_>, batch: usize) -> Result<LoadedBatch> {
        let (all, repeats, choice) = (plan.batch(batch), plan.repeats(batch), plan.choice);
        let bounds = plan.bounds(all.len());
        let own = bounds[plan.part]..bounds[plan.part + 1];
        let repeats = repeats.get(own.clone()).unwrap_or_default();
        let samples: Vec<usize> = all[own].iter().map(|&sample| sample as usize).collect();
        let mut inputs = Vec::with_capacity(self.modalities.len());
        for position in 0..self.modalities.len() {
            let wanted = self.wanted[position];
            inputs.push(
                wanted
                    .then(|| self.load_modality(position, &samples, repeats, choice))
                    .transpose()?,
            );
        }
        Ok(LoadedBatch {
            targets: self.prepared.targets(&samples)?,
            samples,
            inputs,
            whole: (plan.parts > 1)
                .then(|| self.whole(all, bounds, plan.part))
                .transpose()?,
        })
    }

    /// What a rank has to know of all parts of a batch.
    fn whole(&self, samples: &[SampleIndex], bounds: Vec<usize>, part: usize) -> Result<WholeBatch> {
        let samples: Vec<usize> = samples.iter().map(|&sample| sample as usize).collect();
        let rows = self.wanted.iter().enumerate().map(|(position, wanted)| {
            let rows = (0..samples.len()).filter(|&row| self.prepared.has(position, samples[row]));
            let rows: Vec<usize> = wanted.then(|| rows.collect())?;
            (rows.len() < samples.len()).then_some(rows)
        });
        let targets = self.prepared.targets(&samples)?;
        Ok(WholeBatch::new(targets, rows.collect(), bounds, part))
    }

    fn load_modality(
        &self,
        position: usize,
        samples: &[usize],
        repeats: &[u32],
        choice: ViewChoice,
    ) -> Result<LoadedInput> {
        let rows: Vec<usize> = (0..samples.len())
            .filter(|&row| self.prepared.has(position, samples[row]))
            .collect();
        let encoded = self.encoded.get(position).and_then(Option::as_deref);
        let choices = self.choices(position, choice);
        let copies = choices
            .iter()
            .flat_map(|choice| rows.iter().map(move |row| (*choice, *row)));
        let arrays: Vec<Array> = copies
            .map(|(choice, row)| {
                if let Some(encoded) = encoded {
                    return encoded.sample(samples[row]);
                }
                let choice = choice.again(repeats.get(row).copied().unwrap_or(0));
                self.load_sample(position, samples[row], choice)
            })
            .collect::<Result<_>>()?;
        let arrays: Vec<&Array> = arrays.iter().collect();
        Ok(LoadedInput {
            samples: (!arrays.is_empty())
                .then(|| StackedSamples::new(&arrays))
                .transpose()?,
            rows: (rows.len() < samples.len()).then_some(rows),
            encoded: encoded.is_some(),
            copies: choices.len(),
        })
    }

    /// Which views of a sample are taken.
    fn choices(&self, position: usize, choice: ViewChoice) -> Vec<ViewChoice> {
        if !self.augmented.get(position).copied().unwrap_or(false) {
            return vec![choice];
        }
        match choice {
            ViewChoice::Random(seed) => vec![choice, ViewChoice::Random(seed.derive("second"))],
            ViewChoice::View(_) | ViewChoice::Middle => {
                let once = ["first", "second"].map(|which| self.augmentations.derive(which));
                let [first, second] = once.map(ViewChoice::Random);
                vec![choice, first, second]
            }
        }
    }

    fn load_sample(&self, position: usize, sample: usize, choice: ViewChoice) -> Result<Array> {
        let modality = &self.modalities[position];
        let array = self.prepared.sample(position, sample)?;
        let array = modality.apply(array, &self.fitted[position])?;
        let views = modality.plugin.views().get();
        match choice {
            ViewChoice::Random(seed) => {
                let view = match views {
                    1 => 0,
                    // The same place in every modality of a sample.
                    _ => {
                        (seed.derive("view").nth(sample as u64).rng().random::<f64>() * views as f64) as usize
                    }
                };
                let array = modality.view(array, view.min(views - 1))?;
                if !modality.plugin.augments() {
                    // A random stream of each sample takes longer than a vector does.
                    return Ok(array);
                }
                let mut rng = seed.nth(position as u64).nth(sample as u64).rng();
                modality.augment(array, &mut rng)
            }
            ViewChoice::View(view) => modality.view(array, view % views),
            ViewChoice::Middle => modality.view(array, views / 2),
        }
    }
}

/// Of so many workers, those that there is room for, and how many batches each may be ahead, where so many batches fit.
fn lanes(workers: usize, fits: usize) -> (usize, usize) {
    let of_each = fits.saturating_sub(1) / workers.max(1);
    match of_each {
        0 | 1 => ((fits.saturating_sub(1) / 2).clamp(1, workers.max(1)), 0),
        of_each => (workers, (of_each - 2).min(AHEAD)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::{Label, LabelKind, Labels};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn batches(plan: &Plan<'_>) -> Vec<Vec<SampleIndex>> {
        (0..plan.len()).map(|batch| plan.batch(batch).to_vec()).collect()
    }

    proptest! {
        #[test]
        fn batches_under_way_fit_and_where_there_is_room_nothing_is_held_back(workers in 1_usize..20, fits in 0_usize..200) {
            let (used, ahead) = lanes(workers, fits);
            prop_assert!((1..=workers).contains(&used) && ahead <= AHEAD);
            prop_assert!(used * (ahead + 2) < fits.max(3));
            if fits >= Loader::most_batches(workers) {
                prop_assert_eq!((used, ahead), (workers, AHEAD));
            }
        }

        #[test]
        fn every_sample_is_dealt_once_and_batches_are_even(
            samples in 0_u32..300, size in 1_usize..50, skipped in 0_usize..20,
        ) {
            let size = NonZeroUsize::new(size).unwrap();
            let order: Vec<SampleIndex> = (0..samples).collect();
            let plan = Plan::evaluation(&order, size);
            let batches = batches(&plan);
            prop_assert_eq!(batches.concat(), order.clone());
            prop_assert_eq!(batches.len(), order.len().div_ceil(size.get()));
            let sizes = batches.iter().map(Vec::len);
            if let (Some(least), Some(most)) = (sizes.clone().min(), sizes.max()) {
                prop_assert!(most <= size.get() && most - least <= 1);
            }
            let left = plan.skip(skipped);
            prop_assert_eq!(left.len(), batches.len().saturating_sub(skipped));
            prop_assert_eq!(self::batches(&left), &batches[batches.len() - left.len()..]);
        }

        #[test]
        fn the_parts_of_all_ranks_are_every_batch_once(
            samples in 0_u32..300, size in 1_usize..50, parts in 1_usize..6,
        ) {
            let order: Vec<SampleIndex> = (0..samples).collect();
            let plan = Plan::evaluation(&order, NonZeroUsize::new(size).unwrap());
            for batch in batches(&plan) {
                let bounds = plan.clone().of_part(0, parts).bounds(batch.len());
                let dealt: Vec<&[SampleIndex]> = bounds.windows(2).map(|part| &batch[part[0]..part[1]]).collect();
                prop_assert_eq!(dealt.len(), parts);
                prop_assert_eq!(dealt.concat(), batch.clone());
                prop_assert!(batch.len() >= plan.smallest());
                prop_assert!(dealt.iter().all(|part| part.len() <= plan.clone().of_part(0, parts).largest()));
            }
        }

        #[test]
        fn an_epoch_is_a_permutation_that_depends_on_its_seed(samples in 20_u32..200, seed: u64) {
            let size = NonZeroUsize::new(8).unwrap();
            let order: Vec<SampleIndex> = (0..samples).collect();
            let epoch = |n| batches(&Plan::training(&order, Sampler::Shuffled, size, Seed::new(seed).nth(n))).concat();
            let mut sorted = epoch(0);
            sorted.sort_unstable();
            prop_assert_eq!(sorted, order.clone());
            prop_assert_eq!(epoch(0), epoch(0));
            prop_assert_ne!(epoch(0), epoch(1));
        }

        #[test]
        fn repeats_stay_with_their_samples(rare in 1_u32..5, frequent in 20_u32..60, skipped in 0_usize..4, seed: u64) {
            let size = NonZeroUsize::new(8).unwrap();
            let order: Vec<SampleIndex> = (0..rare + frequent).collect();
            let classes: Vec<Label> = order.iter().map(|&sample| Label::Class(usize::from(sample < rare))).collect();
            let labels = Labels::of(LabelKind::Class, &classes).unwrap();
            let plan = Plan::training(&order, Sampler::Balanced(&labels), size, Seed::new(seed)).skip(skipped);
            let repeats: Vec<u32> = (0..plan.len()).flat_map(|batch| plan.repeats(batch).to_vec()).collect();
            let drawn = batches(&plan).concat();
            prop_assert_eq!(drawn.len(), repeats.len());
            let pairs: BTreeSet<(SampleIndex, u32)> = drawn.into_iter().zip(repeats.iter().copied()).collect();
            prop_assert_eq!(pairs.len(), repeats.len());
            if skipped == 0 {
                prop_assert!(pairs.iter().all(|&(sample, repeat)| repeat == 0 || pairs.contains(&(sample, repeat - 1))));
            }
        }
    }
}
