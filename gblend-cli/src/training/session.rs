//! What every command that needs a model has to put together first: data, splits, threads, model.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use gblend_core::memory;
use gblend_core::params::{load_state, parameter_count, state_of};
use gblend_core::{
    Array, AutoDevice, Blend, FitContext, Fitted, Heads, Label, LabelKind, Labels, Look, OnBadSample,
    OpenContext, Sameness, Seed, Source,
};
use gblend_optim::BlendedOptimizer;
use gblend_optim::schedule::RunLength;

use crate::config::{Config, Objectives, PoolSamples, Pretrained, Sampling};
use crate::data::{
    Differences, Division, Evaluable, Faults, Fold, LabelUse, Loader, OneOfFolds, Prepared, SampleIndex,
    Sampler, Shares, Splits, Storage, bind, folds, prepare_shared_out, remembered, tell_apart, tell_each,
    too_many_skipped,
};
use crate::error::{Error, Result};
use crate::network::{ActiveHeads, LabelContext, Multimodal, device};
use crate::process::Interrupt;
use crate::progress::Reporter;
use crate::ranks::Ranks;
use crate::records::{FittedModalities, Membership, Origins};
use crate::run_folder::read_fitted;
use crate::training::frozen_features::{FrozenFeatures, RunSamples};
use crate::training::momentum::Momentum;
use crate::training::pretrained::{initialize, set_references};
use crate::training::step::StepContext;

/// Data and splits of a configuration, ready to train or evaluate on.
pub struct Session<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The heads, the joint one last.
    pub heads: Heads,
    /// What each head is asked.
    pub objectives: Objectives<'a>,
    /// The opened dataset.
    pub source: Arc<dyn Source>,
    /// Every sample, transformed.
    pub prepared: Prepared<'a>,
    /// What is not as it was in the run whose splits these are.
    pub differences: Option<Differences>,
    /// What each modality has fitted to the training samples.
    pub fitted: Vec<Fitted>,
    /// What is wrong with the samples that the run goes on without, one entry for each of them at least.
    pub skipped: Vec<gblend_core::Error>,
    /// How many samples that are.
    pub skipped_samples: usize,
    /// Samples that are left out for want of a label.
    pub unlabeled_samples: usize,
    /// The device.
    pub device: AutoDevice,
    /// Whether steps run stages of encoders again; none does in a session as it was opened. See
    /// [`settle_recompute`](super::step_room::settle_recompute).
    pub recomputes: bool,
    /// What frozen encoders have made of samples.
    frozen: FrozenFeatures,
    /// What ends training between epochs; nothing does in a session as it was opened.
    pub interrupt: Interrupt,
    /// Who trains together: this process alone in a session as it was opened.
    pub ranks: Ranks,
    /// The labels of the training split, which objectives may be fitted to.
    train_labels: Labels,
    seed: Seed,
}

/// Hashes of contents that a run keeps to tell of samples that are the same: 2 MiB of them.
const MOST_HASHES: usize = 1 << 18;

/// How far samples are looked at when one cannot be used and that is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SampleCheck {
    /// To the first.
    FailFast,
    /// To the first, and none is kept.
    Unkept,
    /// To the last, so that the error names every one.
    Exhaustive,
}

impl<'a> Session<'a> {
    /// Opens the dataset, divides it, and prepares every sample.
    ///
    /// # Errors
    /// What the dataset, the binding of streams or a sample has to complain about.
    pub fn open(config: &'a Config, reporter: &Reporter) -> Result<(Self, Splits)> {
        Self::open_with(config, &FittedModalities::default(), reporter)
    }

    /// As [`open`](Self::open), with what modalities have fitted before: a run that goes on, or a model that is evaluated,
    /// has the figures that it began with.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        config: &'a Config,
        fitted: &FittedModalities,
        reporter: &Reporter,
    ) -> Result<(Self, Splits)> {
        Self::open_among(config, fitted, &Ranks::alone(), reporter)
    }

    /// As [`open_with`](Self::open_with), together with other ranks, which share out the preparation where their cache is the same.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Error::Rank`].
    pub fn open_among(
        config: &'a Config,
        fitted: &FittedModalities,
        ranks: &Ranks,
        reporter: &Reporter,
    ) -> Result<(Self, Splits)> {
        Self::open_checking(config, fitted, None, ranks, reporter, SampleCheck::FailFast)
    }

    /// As [`open`](Self::open), but nothing is written: prepared samples are not kept in the cache, nor taken from it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_without_writing(config: &'a Config, reporter: &Reporter) -> Result<(Self, Splits)> {
        let nothing = FittedModalities::default();
        let alone = Ranks::alone();
        Self::open_checking(config, &nothing, None, &alone, reporter, SampleCheck::Unkept)
    }

    /// As [`open_with`](Self::open_with), with every sample in the split in which a run had it. What is not as it was is in
    /// [`differences`](Self::differences).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_remembering(
        config: &'a Config,
        fitted: &FittedModalities,
        membership: &Membership,
        reporter: &Reporter,
    ) -> Result<(Self, Splits)> {
        let alone = Ranks::alone();
        let membership = Some(membership);
        Self::open_checking(
            config,
            fitted,
            membership,
            &alone,
            reporter,
            SampleCheck::FailFast,
        )
    }

    /// As [`open`](Self::open), but looks at every sample, whatever is wrong with others.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Error::Samples`] names every sample that cannot be used.
    pub fn open_thoroughly(config: &'a Config, reporter: &Reporter) -> Result<(Self, Splits)> {
        let nothing = FittedModalities::default();
        let alone = Ranks::alone();
        Self::open_checking(config, &nothing, None, &alone, reporter, SampleCheck::Exhaustive)
    }

    fn open_checking(
        config: &'a Config,
        fitted: &FittedModalities,
        membership: Option<&Membership>,
        ranks: &Ranks,
        reporter: &Reporter,
        check: SampleCheck,
    ) -> Result<(Self, Splits)> {
        let seed = Seed::new(config.run.seed);
        let device = device::open(config.run.device)?;
        let source: Arc<dyn Source> = Arc::from(config.open_data(&OpenContext {
            base: &config.base,
            seed: seed.derive("data"),
        })?);
        let skip = source.on_bad_sample() == OnBadSample::Skip;
        let left_out = || source.left_out().iter().cloned();
        if check != SampleCheck::Exhaustive && !skip && !source.left_out().is_empty() {
            return Err(Error::Samples(left_out().collect()));
        }
        check_sampler(config.run.sampler, source.label_kind())?;
        let streams = bind(&config.modalities, source.as_ref())?;
        let objectives = Objectives::of(config, source.label_kind())?;
        let division = division(config, &objectives);
        let divide = |dropped: &BTreeSet<usize>| {
            Splits::without(source.as_ref(), dropped, division, seed.derive("split"))
        };
        // Before the long work, although skipped samples will change it.
        if check != SampleCheck::Exhaustive && membership.is_none() {
            divide(&BTreeSet::new())?;
        }
        let storage = Storage {
            cache: Some(&*config.run.cache).filter(|_| check != SampleCheck::Unkept),
            shapes: None,
            memory: config.run.memory.saturating_mul(1 << 20) - FrozenFeatures::bytes(config),
            samples_as: config.run.samples_as,
            waiting: Loader::most_batches(workers().get()).saturating_mul(config.run.batch_size),
            progress: &|done, total| reporter.prepared(done, total),
            warn: &|message| reporter.warn(&message),
            contents: check == SampleCheck::Exhaustive
                || source.len().saturating_mul(config.modalities.len()) <= MOST_HASHES,
            faults: match (check, skip) {
                (SampleCheck::FailFast | SampleCheck::Unkept, false) => Faults::Stop,
                (SampleCheck::FailFast | SampleCheck::Unkept, true) => Faults::Gather,
                (SampleCheck::Exhaustive, _) => Faults::GatherAnew,
            },
        };
        prepare_shared_out(&source, &config.modalities, &streams, &storage, ranks)?;
        let mut prepared = Prepared::new(&source, &config.modalities, &streams, &storage)?;
        reporter.preparation_done();
        let heads = 0..objectives.heads();
        let respects = heads.map(|head| objectives.of_head(head).sameness());
        tell_apart(&mut prepared, source.as_ref(), respects)?;
        if objectives.joint().queue().is_some() {
            // What comes again is known by itself, whatever else makes samples the same.
            tell_each(&mut prepared, source.as_ref());
        }
        let faults = prepared.faults();
        let odd_shapes = prepared.odd_shapes();
        let skipped: Vec<_> = left_out().chain(faults.values().flatten().cloned()).collect();
        if !odd_shapes.is_empty() || (!skip && !skipped.is_empty()) {
            return Err(Error::Samples(
                skipped.into_iter().chain(odd_shapes.iter().cloned()).collect(),
            ));
        }
        // What is missing now may be what was skipped.
        let dropped: BTreeSet<usize> = faults.keys().copied().collect();
        if let (Some(first), None) = (skipped.first(), membership)
            && let Some(majority) = too_many_skipped(source.as_ref(), &dropped, first)
        {
            return Err(Error::Samples([vec![majority], skipped].concat()));
        }
        let (splits, differences) = match membership {
            Some(membership) => {
                let found = remembered(source.as_ref(), &prepared, &dropped, membership, division.labels);
                found.map(|(splits, differences)| (splits, Some(differences)))
            }
            None => divide(&dropped).map(|splits| (splits, None)),
        }
        .map_err(|error| match &skipped[..] {
            [] => Error::from(error),
            skipped => Error::Samples(skipped.iter().cloned().chain([error]).collect()),
        })?;
        let skipped_samples = source.left_out().len() + faults.len();
        if let Some(first) = skipped.first()
            && check != SampleCheck::Exhaustive
        {
            let all = source.len() + source.left_out().len();
            reporter.warn(&format!(
                "{skipped_samples} of {all} samples are skipped, such as {first}; `gblend check --all` lists all of them"
            ));
        }
        if splits.unlabeled() > 0 {
            reporter.warn(&unlabeled(source.as_ref(), splits.unlabeled()));
        }
        let train = splits.train.samples().iter();
        let train_labels = prepared.labels().select(train.map(|&sample| sample as usize));
        let mut session = Self {
            config,
            heads: config.heads()?,
            objectives,
            source,
            prepared,
            differences,
            fitted: Vec::new(),
            train_labels,
            skipped,
            skipped_samples,
            unlabeled_samples: splits.unlabeled(),
            device,
            recomputes: false,
            frozen: FrozenFeatures::of(config),
            interrupt: Interrupt::never(),
            ranks: Ranks::alone(),
            seed,
        };
        session.check_seen(&splits)?;
        session.check_different(splits.train.samples())?;
        session.fitted = session.fit(splits.train.samples(), fitted)?;
        Ok((session, splits))
    }

    /// What each modality fits to these samples, in the order of the dataset, unless it has fitted before: in this run, or
    /// in the one that its encoder comes from.
    fn fit(&self, samples: &[SampleIndex], before: &FittedModalities) -> Result<Vec<Fitted>> {
        let modalities = self.config.modalities.iter().enumerate();
        let fitted = modalities.map(|(position, modality)| {
            if let Some(before) = before.get(&modality.name) {
                return Ok(before.clone());
            }
            if let Some(Pretrained::Run(folder)) = &modality.pipeline.pretrained
                && let Some(before) = read_fitted(&self.config.base.join(folder))?.get(&modality.name)
            {
                return Ok(before.clone());
            }
            let has = |&sample: &SampleIndex| self.prepared.has(position, sample as usize);
            let mut seen: Vec<SampleIndex> = samples.iter().copied().filter(has).collect();
            seen.sort_unstable();
            let read = |index: usize| self.prepared.sample(position, seen[index] as usize);
            Ok(modality.fit(&FitContext::new(&self.config.base, seen.len(), &read))?)
        });
        fitted.collect()
    }

    /// What is not as it was in a run that had these samples.
    ///
    /// # Errors
    /// If there are more samples than positions have bits for.
    pub fn differences_to(&self, membership: &Membership) -> Result<Differences> {
        let dropped = self.prepared.faults().keys().copied().collect();
        let labels = label_use(&self.objectives);
        let (_, differences) =
            remembered(self.source.as_ref(), &self.prepared, &dropped, membership, labels)?;
        Ok(differences)
    }

    /// What modalities have fitted, as a run folder has it.
    pub fn fitted_modalities(&self) -> FittedModalities {
        let names = self
            .config
            .modalities
            .iter()
            .map(|modality| modality.name.as_str());
        FittedModalities::new(names.zip(&self.fitted))
    }

    /// Shapes of one sample of each modality as its encoder sees it: prepared, with what was fitted, and one view.
    ///
    /// # Errors
    /// If a modality refuses what it has prepared.
    pub fn sample_shapes(&self) -> Result<Vec<Vec<usize>>> {
        let positions = 0..self.config.modalities.len();
        let shapes =
            positions.map(|position| self.shape_seen(position, self.prepared.sample_shape(position)));
        shapes.collect()
    }

    /// Brings samples to the shapes, as [`sample_shapes`](Self::sample_shapes) tells them, that a model was built for, where they
    /// are not of these shapes anyway and can be.
    pub fn bring_to_shapes<'s>(&mut self, shapes: impl Iterator<Item = &'s Vec<usize>>) {
        for (position, shape) in shapes.enumerate().take(self.config.modalities.len()) {
            if let Some(prepared) = self.prepared_shape_of(position, shape) {
                self.prepared.bring_to(position, &prepared);
            }
        }
    }

    /// The shape that samples would have to be prepared to for an encoder to see them in `shape`: the extents of their axes
    /// that views, and what was fitted, leave as they are.
    fn prepared_shape_of(&self, position: usize, shape: &[usize]) -> Option<Vec<usize>> {
        let prepared = self.prepared.sample_shape(position);
        let now = self.shape_seen(position, prepared).ok()?;
        if now.len() != prepared.len() || shape.len() != prepared.len() {
            return None;
        }
        let axes = prepared.iter().zip(&now).zip(shape);
        let wanted = axes.map(|((&prepared, &now), &shape)| if now == prepared { shape } else { prepared });
        let wanted: Vec<usize> = wanted.collect();
        let seen = self.shape_seen(position, &wanted).ok()?;
        (seen == shape).then_some(wanted)
    }

    /// The shape in which an encoder sees samples that are prepared to `prepared`.
    fn shape_seen(&self, position: usize, prepared: &[usize]) -> Result<Vec<usize>> {
        let (modality, fitted) = (&self.config.modalities[position], &self.fitted[position]);
        if modality.plugin.views() == NonZeroUsize::MIN && fitted.is_nothing() {
            return Ok(prepared.to_vec());
        }
        // The shape does not depend on the values.
        let applied = modality.apply(Array::zeros(prepared), fitted)?;
        Ok(modality.view(applied, 0)?.shape().to_vec())
    }

    /// Of some samples, those that tell at least one of the active heads something; borrowed if all do.
    pub fn seen<'s>(&self, samples: &'s [SampleIndex], active: &ActiveHeads) -> Cow<'s, [SampleIndex]> {
        let heads: Vec<usize> = (0..self.heads.len())
            .filter(|&head| active.contains(head))
            .collect();
        let tells_one = |&sample: &SampleIndex| heads.iter().any(|&head| self.tells(sample, head));
        match samples.iter().all(tells_one) {
            true => Cow::Borrowed(samples),
            false => samples.iter().copied().filter(tells_one).collect(),
        }
    }

    /// Whether a sample tells a head something: it has the head's modality, or any for the joint one, and a label if the
    /// head needs one.
    fn tells(&self, sample: SampleIndex, head: usize) -> bool {
        let sample = sample as usize;
        let has = |modality| self.prepared.has(modality, sample);
        let seen = match head == self.heads.joint() {
            true => (0..head).any(has),
            false => has(head),
        };
        seen && !(self.objectives.of_head(head).needs_label() && self.prepared.labels().is_missing(sample))
    }

    /// Every head must see a sample in each split that it learns or is judged by.
    fn check_seen(&self, splits: &Splits) -> Result<()> {
        let parts = [
            ("training", splits.train.samples()),
            ("held-out", splits.held_out.samples()),
        ];
        for (position, modality) in self.config.modalities.iter().enumerate() {
            for (part, samples) in parts {
                let has = |&sample: &SampleIndex| self.prepared.has(position, sample as usize);
                let seen = samples.iter().any(has);
                if !samples.is_empty() && !seen {
                    let problem = format!(
                        "no {part} sample has modality `{}`, expected at least one",
                        modality.name
                    );
                    return Err(gblend_core::Error::data("the dataset", problem).into());
                }
            }
        }
        for (head, name) in self.heads.names().iter().enumerate() {
            for (part, samples) in parts {
                let tells = |&sample: &SampleIndex| self.tells(sample, head);
                if !samples.is_empty() && !samples.iter().any(tells) {
                    let problem = format!(
                        "no {part} sample that head `{name}` sees has a label, expected at least one"
                    );
                    return Err(gblend_core::Error::data("the dataset", problem).into());
                }
            }
        }
        Ok(())
    }

    /// Whether the share of a head is given by its objective, so that nothing is measured of it.
    pub fn share_is_given(&self, head: usize) -> bool {
        let own = self.objectives.own(head);
        own.is_some_and(|objective| objective.share().is_some())
    }

    /// Training samples that are all the same cannot be told from each other by a loss that compares them.
    fn check_different(&self, samples: &[SampleIndex]) -> Result<()> {
        for (head, name) in self.heads.names().iter().enumerate() {
            let sameness = self.objectives.of_head(head).sameness();
            let Some(numbers) = self.prepared.identities(&sameness) else {
                continue;
            };
            let mut of_samples = samples.iter().map(|&sample| numbers[sample as usize]);
            let first = of_samples.next();
            if first.is_some() && of_samples.all(|number| Some(number) == first) {
                let what = match &sameness {
                    Sameness::Label => "the same label".to_owned(),
                    Sameness::Column(name) => format!("the same `{name}`"),
                    Sameness::Text | Sameness::Sample => "the same text".to_owned(),
                };
                let problem = format!(
                    "all {} have {what}, so head `{name}` has nothing to tell them by: expected at least two that differ, or                      same = \"sample\" in its objective",
                    samples.len()
                );
                return Err(gblend_core::Error::data("the training samples", problem).into());
            }
        }
        Ok(())
    }

    /// What a step of an epoch needs to know, with the random stream called `stream`. `prefix` stands before the names of
    /// values that are not finite.
    pub fn step_context<'s>(&'s self, stream: &str, prefix: &'s str, epoch: usize) -> StepContext<'s> {
        StepContext {
            chunk: self.config.run.chunk.and_then(NonZeroUsize::new),
            recomputes: self.recomputes,
            activations_as: self.config.run.activations_as,
            scale: self.config.blend.pipeline.scale,
            ..StepContext::alone(&self.device, &self.heads, self.seed(stream), prefix, epoch)
        }
    }

    /// The folds that the pool of the heads is fitted in; `None` if it is not fitted in folds.
    ///
    /// # Errors
    /// [`gblend_core::Error::Data`] if a pool of what the strategy trains would be fitted in folds, and there are none.
    pub fn check_folds(&self, splits: &Splits, blend: &dyn Blend) -> Result<()> {
        // A strategy of one head has no pool.
        if blend.blended_heads() > 1 {
            self.folds(splits)?;
        }
        Ok(())
    }

    /// The folds that a pool is fitted in, if it is fitted in folds.
    ///
    /// # Errors
    /// [`gblend_core::Error::Data`] if the samples cannot be dealt to folds.
    pub fn folds(&self, splits: &Splits) -> Result<Option<Vec<Fold>>> {
        if self.config.blend.pipeline.pool != PoolSamples::Cross {
            return Ok(None);
        }
        let folds = folds(
            splits,
            self.source.as_ref(),
            self.prepared.labels(),
            self.objectives.joint(),
            PoolSamples::FOLDS,
            self.seed("folds"),
        )?;
        Ok(Some(folds))
    }

    /// Ends what is under way if any rank was asked to, `epoch` epochs having been trained.
    ///
    /// # Errors
    /// [`Error::Interrupted`] on every rank, without a folder; [`Error::Rank`].
    pub fn check_interrupt(&self, epoch: usize) -> Result<()> {
        if self.ranks.any(self.interrupt.requested())? {
            self.interrupt.request();
        }
        self.interrupt.check(epoch)
    }

    /// The random stream called `label`.
    pub fn seed(&self, label: &str) -> Seed {
        self.seed.derive(label)
    }

    /// What follows a network as it is, if the joint head's objective has a queue of keys.
    ///
    /// # Errors
    /// As [`build_model`](Self::build_model); if nothing in the network makes keys.
    pub fn begin_momentum(&self, model: &mut Multimodal) -> Result<Option<Momentum>> {
        let objective = self.objectives.joint();
        let Some(queue) = objective.queue() else {
            return Ok(None);
        };
        let mut copy = self.build_model()?;
        load_state(&mut copy, &state_of(model)?)?;
        Ok(Some(Momentum::new(copy, &queue, objective.sameness())?))
    }

    /// The network with its initial parameters.
    ///
    /// # Errors
    /// What its parts refuse.
    pub fn build_model(&self) -> Result<Multimodal> {
        let labels = LabelContext {
            classes: self.source.classes(),
            labels: &self.train_labels,
        };
        let mut model = Multimodal::build(
            self.config,
            &self.objectives,
            &self.sample_shapes()?,
            &self.fitted,
            labels,
            &self.device,
            self.seed("model"),
        )?;
        let parameters = parameter_count(&mut model)?;
        // A gradient at the least.
        let bytes = (parameters as u64).saturating_mul(size_of::<f32>() as u64);
        memory::check_room(bytes, || format!("a gradient of {parameters} parameters"))?;
        Ok(model)
    }

    /// The network as training starts from it: with its initial parameters, but for encoders that are pre-trained.
    ///
    /// # Errors
    /// As [`initial_model_and_origins`](Self::initial_model_and_origins).
    pub fn initial_model(&self) -> Result<Multimodal> {
        Ok(self.initial_model_and_origins()?.0)
    }

    /// As [`initial_model`](Self::initial_model), and what each pre-trained encoder was initialized from.
    ///
    /// # Errors
    /// What its parts refuse; [`Error::Run`] if a run has no encoder that fits, a setting's error if a file has none.
    pub fn initial_model_and_origins(&self) -> Result<(Multimodal, Origins)> {
        let mut model = self.build_model()?;
        let origins = initialize(self.config, &mut model)?;
        set_references(self.config, &self.objectives, &mut model)?;
        Ok((model, origins))
    }

    /// The configured optimizer with the blend applied, for a run of this length that begins at `first_step` of the
    /// schedule.
    ///
    /// # Errors
    /// What the optimizer or the schedule refuses.
    pub fn optimizer(&self, run: RunLength, first_step: u64) -> Result<BlendedOptimizer> {
        let scale = self.config.blend.pipeline.scale;
        let optimizer = self.config.optimizer.start(scale, run, first_step)?;
        Ok(optimizer.with_rate_scales(self.config.rate_scales()))
    }

    /// How the samples of an epoch are drawn.
    pub fn sampler(&self) -> Sampler<'_> {
        match self.config.run.sampler {
            Sampling::Shuffled => Sampler::Shuffled,
            Sampling::Balanced => Sampler::Balanced(self.prepared.labels()),
        }
    }

    /// A loader of the modalities that are wanted.
    pub fn loader(&self, wanted: Vec<bool>) -> Loader<'_> {
        Loader {
            prepared: &self.prepared,
            modalities: &self.config.modalities,
            fitted: &self.fitted,
            wanted,
            encoded: Vec::new(),
            augmented: Vec::new(),
            augmentations: self.seed("augmentations"),
            workers: workers(),
        }
    }

    /// A loader of what the active heads of a network see: of each modality features instead of samples where its encoder is frozen
    /// and they are known, and two augmentations where its own head compares such.
    ///
    /// # Errors
    /// Never: a network shows its parameters.
    pub fn loader_for(&self, model: &mut Multimodal, active: &ActiveHeads) -> Result<Loader<'_>> {
        let wanted = active.encoders();
        let encoded = self.frozen.known(model, &wanted)?;
        let compares = |head| self.objectives.of_head(head).look() == Look::TwoAugmentations;
        let augmented = (0..wanted.len()).map(|head| active.contains(head) && compares(head));
        Ok(Loader {
            encoded,
            augmented: augmented.collect(),
            ..self.loader(wanted)
        })
    }

    /// Computes the features of the encoders that are frozen in the epoch that a network is in, unless they are known.
    ///
    /// # Errors
    /// The first sample that cannot be read, a failure of the device.
    pub fn keep_frozen_features(&self, model: &mut Multimodal, reporter: &Reporter) -> Result<()> {
        self.frozen.keep(&self.run_samples(), model, reporter)
    }

    /// As [`keep_frozen_features`](Self::keep_frozen_features), of these samples alone: how long those of all would take. A session
    /// that has tried it trains nothing.
    ///
    /// # Errors
    /// As [`keep_frozen_features`](Self::keep_frozen_features).
    pub fn try_frozen_features(&self, model: &mut Multimodal, samples: &[SampleIndex]) -> Result<Duration> {
        self.frozen.try_out(&self.run_samples(), model, samples)
    }

    fn run_samples(&self) -> RunSamples<'_> {
        RunSamples {
            config: self.config,
            prepared: &self.prepared,
            fitted: &self.fitted,
            device: &self.device,
        }
    }

    /// Samples of one batch.
    pub fn batch_size(&self) -> NonZeroUsize {
        // The configuration was checked to ask for at least one.
        NonZeroUsize::new(self.config.run.batch_size).unwrap_or(NonZeroUsize::MIN)
    }
}

/// Opens the dataset and divides it as [`Session::open`] does, short of reading any media.
///
/// # Errors
/// What the dataset, the binding of streams or the division has to complain about.
pub fn check_division(config: &Config) -> Result<()> {
    let seed = Seed::new(config.run.seed);
    let source = config.open_data(&OpenContext {
        base: &config.base,
        seed: seed.derive("data"),
    })?;
    bind(&config.modalities, source.as_ref())?;
    let objectives = Objectives::of(config, source.label_kind())?;
    let division = division(config, &objectives);
    Splits::new(source.as_ref(), division, seed.derive("split"))?;
    Ok(())
}

/// Refuses to balance classes where a sample has not exactly one.
fn check_sampler(sampler: Sampling, labels: LabelKind) -> Result<()> {
    let instead = match labels {
        _ if sampler == Sampling::Shuffled => return Ok(()),
        LabelKind::Class => return Ok(()),
        LabelKind::Classes => "; class_weights = \"balanced\" of the objective is for them",
        _ => "",
    };
    let expected = format!("\"shuffled\", as labels are {labels} and not one class each{instead}");
    Err(gblend_core::Error::setting("run.sampler", "\"balanced\"", expected).into())
}

fn division<'a>(config: &Config, objectives: &'a Objectives<'_>) -> Division<'a> {
    let fold = config.run.fold.map(|fold| OneOfFolds {
        index: fold.number() as usize - 1,
        of: fold.of() as usize,
        seed: Seed::new(config.run.fold_seed).derive("folds"),
    });
    Division {
        test: fold,
        shares: Shares {
            validation: config.run.validation,
            held_out: config.blend.plugin.held_out(),
        },
        objective: objectives.joint(),
        labels: label_use(objectives),
        tested: config.is_tested(),
    }
}

/// Which heads learn from labels.
fn label_use(objectives: &Objectives<'_>) -> LabelUse {
    let heads = 0..objectives.heads();
    let need = heads
        .clone()
        .filter(|&head| objectives.of_head(head).needs_label());
    match need.count() {
        0 => LabelUse::NoHead,
        count if count == heads.len() => LabelUse::EveryHead,
        _ => LabelUse::SomeHeads,
    }
}

/// What becomes of samples that are in no split for want of a label.
fn unlabeled(source: &dyn Source, count: usize) -> String {
    let mut samples = (0..source.len()).map(|index| source.sample(index));
    let first = samples.find(|sample| sample.label == Label::Missing);
    let such = first.map_or_else(String::new, |sample| format!(", such as {},", sample.id));
    format!(
        "{count} of {} samples{such} have no label and are left out: every head needs one",
        source.len()
    )
}

/// Loader threads: as many as the computing threads, which they feed. Batches come in the same order
/// whatever their number.
pub(super) fn workers() -> NonZeroUsize {
    NonZeroUsize::new(rayon::current_num_threads()).unwrap_or(NonZeroUsize::MIN)
}

/// The computing threads of one of several ranks, where so many were asked for; 0 divides the cores of a machine among its ranks.
pub fn threads_of_rank(asked: usize, ranks: &Ranks) -> usize {
    let (here, _) = ranks.on_machine();
    if asked > 0 || here < 2 {
        return asked;
    }
    let usable = std::thread::available_parallelism().map_or(1, usize::from);
    // Whoever starts ranks may have given each cores of its own, so that this process sees no others.
    let listed = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = listed
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    match usable * here <= cores.max(usable) {
        true => usable,
        false => (usable / here).max(1),
    }
}

/// Runs `work` on as many computing threads as asked for; 0 takes every core.
///
/// # Errors
/// What `work` returns, or [`Error::Internal`] if the threads cannot be started.
pub fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::Internal(format!("cannot start {threads} threads: {error}")))?;
    pool.install(work)
}
