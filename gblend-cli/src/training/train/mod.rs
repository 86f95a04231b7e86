//! The training loop.

mod epoch;
mod pool;
mod run_state;
mod summary_line;
mod trained;

use std::time::Instant;

use gblend_core::Blend;
use gblend_core::nn::time_recomputing;
use gblend_core::params::{load_state, state_of};
use gblend_optim::schedule::RunLength;

use crate::data::{Evaluable, FoldTraining, Plan, RefitSplit, SampleIndex, Splits, TrainSplit};
use crate::error::{Error, Result};
use crate::evaluation::Evaluation;
use crate::network::{ActiveHeads, Multimodal};
use crate::progress::Reporter;
use crate::ranks::Ranks;
use crate::records::EpochMetrics;
use crate::run_folder::Sink;
use crate::run_folder::checkpoint::Checkpoint;
use crate::tables::blend_table;
use crate::training::evaluated::evaluate_together;
use crate::training::learner::Learner;
use crate::training::probe::{MadeEstimate, StartingPoint, estimate};
use crate::training::session::Session;
use crate::training::step::active_heads;
use crate::training::steps::train_on;
use epoch::LiveEpoch;
use pool::fit_pool;
use run_state::RunState;
use summary_line::{main_figure, summary_line};

pub use trained::Trained;

/// Trains `model` on the training split under the configured blend; from a checkpoint on, if there is one, as if the run
/// had never stopped. Where the run trains once more, `blend` is the one of that training in the end.
///
/// # Errors
/// [`Error::Diverged`] at the first loss that is not finite, [`Error::Interrupted`] after the epoch in which the session
/// was interrupted; what a sample, the device, the strategy or `sink` complains about.
pub fn train(
    session: &Session<'_>,
    splits: &Splits,
    model: &mut Multimodal,
    blend: &mut Box<dyn Blend>,
    sink: &mut dyn Sink,
    from: Option<Checkpoint>,
    reporter: &Reporter,
) -> Result<Trained> {
    let run = &session.config.run;
    if let (Some(_), []) = (run.patience, splits.validation.samples()) {
        let problem =
            "run.patience: there are no validation samples to watch; run.validation sets some aside";
        return Err(Error::Usage(problem.to_owned()));
    }
    let fingerprint = splits.fingerprint(session.source.as_ref());
    let weights = blend.weights().as_slice().to_vec();
    let mut state = RunState::new(session, fingerprint, sink, &weights, reporter);
    let goes_on = |checkpoint: &Checkpoint| checkpoint.description.refit.is_some();
    let (from, from_refit) = match from {
        Some(checkpoint) if goes_on(&checkpoint) => (None, Some(checkpoint)),
        other => (other, None),
    };
    if from_refit.is_none() {
        let samples = Samples::Train(&splits.train);
        let mut optimizer = session.optimizer(run_length(session, blend.as_ref(), samples.get()), 0)?;
        let learner = Learner {
            model: &mut *model,
            optimizer: &mut optimizer,
            blend: blend.as_mut(),
            momentum: None,
        };
        state = Training::new(splits, samples, state, learner).run(from)?;
        state.select(model)?;
        state.trained.pool = fit_pool(&mut state, splits, model)?;
        if !run.refit || splits.validation.samples().is_empty() {
            return Ok(state.finish());
        }
        state.begin_refit();
        load_state(model, &state_of(&mut session.initial_model()?)?)?;
    }
    *blend = session.config.start_blend(&session.heads)?;
    let samples = Samples::Refit(splits.for_refit());
    let mut optimizer = session.optimizer(run_length(session, blend.as_ref(), samples.get()), 0)?;
    let learner = Learner {
        model,
        optimizer: &mut optimizer,
        blend: blend.as_mut(),
        momentum: None,
    };
    let refit = Training::new(splits, samples, state, learner);
    Ok(refit.run(from_refit)?.finish())
}

/// Every trained head on these samples.
pub(super) fn evaluate_trained(
    session: &Session<'_>,
    samples: &dyn Evaluable,
    model: &mut Multimodal,
    weights: &[f64],
) -> Result<Evaluation> {
    let active = ActiveHeads::trained(weights);
    evaluate_together(session, model, samples, &active)
}

/// The samples to train on.
enum Samples<'a> {
    Train(&'a TrainSplit),
    /// With the held-out ones, once the strategy has no more use for them.
    Released(TrainSplit),
    /// With the validation samples, too, once the epoch is known.
    Refit(RefitSplit),
    /// Without those of a fold, for the pool of the heads.
    Fold {
        number: usize,
        training: &'a FoldTraining,
    },
}

impl Samples<'_> {
    fn get(&self) -> &[SampleIndex] {
        match self {
            Self::Train(split) => split.samples(),
            Self::Released(split) => split.samples(),
            Self::Refit(split) => split.samples(),
            Self::Fold { training, .. } => training.samples(),
        }
    }

    /// The name of a random stream: the network of each fold has its own.
    fn stream(&self, name: &str) -> String {
        match self {
            Self::Fold { number, .. } => format!("fold.{number}.{name}"),
            _ => name.to_owned(),
        }
    }

    /// What stands before the names of values that are not finite.
    fn prefix(&self) -> String {
        match self {
            Self::Fold { number, .. } => format!("in fold {} of the pool, ", number + 1),
            _ => String::new(),
        }
    }
}

/// A run under way, with its samples.
struct Training<'a, 'l> {
    splits: &'a Splits,
    samples: Samples<'a>,
    state: RunState<'a>,
    learner: Learner<'l>,
}

impl<'a, 'l> Training<'a, 'l> {
    fn new(splits: &'a Splits, samples: Samples<'a>, state: RunState<'a>, learner: Learner<'l>) -> Self {
        Self {
            splits,
            samples,
            state,
            learner,
        }
    }

    /// Trains all epochs, from a checkpoint on if there is one.
    fn run(mut self, from: Option<Checkpoint>) -> Result<RunState<'a>> {
        self.learner.momentum = self.state.session.begin_momentum(self.learner.model)?;
        match from {
            Some(checkpoint) => self.state.restore(checkpoint, &mut self.learner)?,
            None if self.state.refit().is_some() => self.state.checkpoint(&mut self.learner)?,
            None => {}
        }
        self.announce();
        while self.state.epoch <= self.epochs() && !self.state.patience_ran_out() {
            self.keep_frozen_features()?;
            self.estimate()?;
            self.release_held_out();
            self.train_epoch()?;
        }
        Ok(self.state)
    }

    /// The epochs to train.
    fn epochs(&self) -> usize {
        let refit = self.state.refit();
        refit.map_or(self.state.session.config.run.epochs, |refit| refit.epoch)
    }

    fn run_length(&self) -> RunLength {
        run_length(self.state.session, self.learner.blend, self.samples.get())
    }

    /// Shows how long training is going to be.
    fn announce(&self) {
        let (done, epochs) = (self.state.epoch - 1, self.epochs());
        let steps = self.run_length().steps_per_epoch as usize;
        if self.state.refit().is_some() {
            let samples = self.samples.get().len();
            self.state.reporter.line(&format!(
                "training once more on {samples} samples, those of validation included, to epoch {epochs}"
            ));
        }
        self.state.reporter.training(done, epochs, steps);
    }

    /// Computes what encoders that are frozen in the epoch at hand make of samples, unless it is known: for the epoch, and for probes
    /// before it.
    fn keep_frozen_features(&mut self) -> Result<()> {
        let (state, model) = (&mut self.state, &mut *self.learner.model);
        model.begin_epoch(state.epoch)?;
        let began = Instant::now();
        let session = state.session;
        session.keep_frozen_features(model, state.reporter)?;
        // As in an estimate, training stands still.
        state.stood_still_for(began.elapsed());
        Ok(())
    }

    /// Makes the estimate that the strategy wants before the epoch at hand, if it wants one.
    fn estimate(&mut self) -> Result<()> {
        let (state, learner) = (&mut self.state, &mut self.learner);
        if state.estimated || state.counts.steps > 0 {
            return Ok(());
        }
        let (session, reporter, epoch) = (state.session, state.reporter, state.epoch - 1);
        let Some(request) = learner.blend.estimate_due(epoch, session.config.run.epochs) else {
            return Ok(());
        };
        if state.refit().is_some() {
            // What was measured then is what the weights come from; the samples it was measured on are trained on now.
            if let Some(estimate) = state.kept_estimate(epoch) {
                learner.blend.take_estimate(epoch, estimate)?;
            }
            state.estimated = true;
            return Ok(());
        }
        let began = Instant::now();
        let live = StartingPoint {
            epoch,
            schedule_step: learner.optimizer.schedule_step(),
        };
        let parameters = state_of(learner.model)?;
        let keeping = state.sink.probes();
        let MadeEstimate { estimate, warning } = estimate(
            session,
            self.splits,
            &parameters,
            &request,
            live,
            keeping,
            reporter,
        )?;
        let mut report = learner.blend.take_estimate(epoch, &estimate)?;
        report.warnings.extend(warning);
        state.keep_estimate(epoch, &estimate);
        let took = began.elapsed();
        state.estimated_for(took);
        state.sink.blend(&report, took.as_secs_f64())?;
        reporter.line(&blend_table(&report, took));
        for warning in &report.warnings {
            reporter.warn(warning);
        }
        state.trained.blends.push(report);
        state.estimated = true;
        state.checkpoint(learner)
    }

    /// Adds the held-out samples to the training samples, once the strategy has no more use for them.
    fn release_held_out(&mut self) {
        if self.learner.blend.releases_held_out() && matches!(self.samples, Samples::Train(_)) {
            self.samples = Samples::Released(self.splits.train_and_held_out());
            let length = self.run_length();
            self.learner.optimizer.set_run(length);
            self.announce();
        }
    }

    fn train_epoch(&mut self) -> Result<()> {
        let (session, reporter, epoch) = (self.state.session, self.state.reporter, self.state.epoch);
        let began = Instant::now();
        let active = active_heads(self.learner.blend);
        let samples = session.seen(self.samples.get(), &active);
        let count = samples.len() as u64;
        let seed = session.seed(&self.samples.stream("epoch")).nth(epoch as u64);
        let plan = Plan::training(&samples, session.sampler(), session.batch_size(), seed);
        let ranks = &session.ranks;
        check_divides(&plan, ranks)?;
        let plan = plan.skip(self.state.counts.steps);
        let plan = plan.of_part(ranks.rank(), ranks.size());
        let [seconds_before, waited_before] = self.state.counts.seconds;
        let epochs = self.epochs();
        let prefix = self.samples.prefix();
        let context = session.step_context(&self.samples.stream("step"), &prefix, epoch);
        let context = context.over(ranks, session.config.run.batch_norm);
        let mut live = LiveEpoch {
            state: &mut self.state,
            began,
            seconds_before,
        };
        self.learner.model.begin_epoch(epoch)?;
        if let Some(momentum) = &mut self.learner.momentum {
            momentum.begin_epoch(epoch)?;
        }
        let (waited, recomputing) = time_recomputing(|| {
            train_on(
                session,
                &plan,
                &active,
                context,
                &mut self.learner,
                &mut live,
                reporter,
            )
        });
        let waited = waited?;
        self.check_alike()?;
        let counts = std::mem::take(&mut self.state.counts);
        let trained = &mut self.state.trained;
        trained.samples += count;
        trained.waited += waited;
        trained.recomputing += recomputing;
        let criteria = self.learner.model.criteria();
        let losses = counts
            .mean_losses(self.learner.blend.fixed_shares())
            .into_iter()
            .enumerate();
        let losses: Vec<f64> = losses
            .map(|(head, loss)| criteria.of(head).in_training_unit(loss))
            .collect();
        self.learner.blend.end_epoch(&losses)?;
        let names = session.heads.names();
        let mut metrics = counts.into_metrics(names, epoch, self.learner.optimizer.steps());
        trained.weights = metrics.heads.iter().map(|head| head.weight).collect();
        metrics.refit = self.state.refit().is_some();
        if !metrics.refit {
            self.validate(&mut metrics)?;
        }
        metrics.waited_seconds = waited_before + waited.as_secs_f64();
        metrics.seconds = seconds_before + began.elapsed().as_secs_f64();
        let state = &mut self.state;
        state.sink.epoch(&metrics)?;
        let criteria = self.learner.model.criteria();
        let line = summary_line(&metrics, criteria);
        reporter.epoch(epoch, epochs, state.elapsed(), &line);
        for (position, (last, head)) in state.validation.iter_mut().zip(&metrics.heads).enumerate() {
            *last = main_figure(criteria, position, head.validation.as_ref());
        }
        state.trained.epochs = epoch;
        state.trained.selected_epoch = epoch;
        state.epoch += 1;
        state.estimated = false;
        state.checkpoint(&mut self.learner)?;
        session.check_interrupt(epoch)
    }

    /// Makes sure that all ranks have the same parameters: they have seen the same sums of gradients.
    fn check_alike(&mut self) -> Result<()> {
        if !self.state.session.ranks.is_many() {
            return Ok(());
        }
        let state = state_of(&mut self.learner.kept().0)?;
        let mut hasher = blake3::Hasher::new();
        for value in state.values().flat_map(|array| array.values()) {
            hasher.update(&value.to_le_bytes());
        }
        let epoch = format!("the parameters after epoch {}", self.state.epoch);
        self.state
            .session
            .ranks
            .check_same(&epoch, hasher.finalize().as_bytes())
    }

    /// Evaluates the epoch on the validation samples, if there are any, and remembers the best one.
    fn validate(&mut self, metrics: &mut EpochMetrics) -> Result<()> {
        let (state, model) = (&mut self.state, &mut *self.learner.model);
        let session = state.session;
        let split = &self.splits.validation;
        if split.samples().is_empty() {
            return Ok(());
        }
        let weights = &state.trained.weights;
        let evaluation = evaluate_trained(session, split, model, weights)?;
        let rule = session.config.blend.pipeline.predict;
        let criteria = model.criteria();
        let selection = rule.selection(&evaluation, criteria, weights)?;
        let of_heads = evaluation.metrics(criteria)?;
        if let Some(selection) = selection {
            metrics.selection = Some(selection.validation.clone());
            if state.is_best(selection.figures) {
                let parameters = state_of(&mut model.changing())?;
                state.remember_best(&selection, parameters);
            }
            state.trained.selection = Some(selection);
        }
        for (head, of_head) in metrics.heads.iter_mut().zip(of_heads) {
            head.validation = of_head;
        }
        Ok(())
    }
}

/// Refuses batches of which some rank would have nothing.
fn check_divides(plan: &Plan<'_>, ranks: &Ranks) -> Result<()> {
    let (smallest, ranks) = (plan.smallest(), ranks.size());
    if plan.is_empty() || smallest >= ranks {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "batches of {smallest} samples cannot be divided among {ranks} ranks: every rank needs at least one; take fewer ranks (mpirun -n) or \
         a larger run.batch_size"
    )))
}

/// Steps and epochs of a run on those of these samples that the active heads see.
pub(super) fn run_length(session: &Session<'_>, blend: &dyn Blend, samples: &[SampleIndex]) -> RunLength {
    let samples = session.seen(samples, &active_heads(blend));
    RunLength {
        steps_per_epoch: samples.len().div_ceil(session.batch_size().get()) as u64,
        epochs: session.config.run.epochs as u64,
    }
}
