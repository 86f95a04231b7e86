//! The training loop.

mod epoch;
mod run_state;
mod summary_line;
mod trained;

use std::time::Instant;

use gblend_core::Blend;
use gblend_core::params::state_of;
use gblend_optim::schedule::RunLength;

use crate::data::{Evaluable, Plan, Splits, TrainSplit};
use crate::error::{Error, Result};
use crate::evaluation::evaluate;
use crate::network::{ActiveHeads, Multimodal};
use crate::progress::Reporter;
use crate::records::EpochMetrics;
use crate::run_folder::Sink;
use crate::run_folder::checkpoint::Checkpoint;
use crate::tables::blend_table;
use crate::training::learner::Learner;
use crate::training::probe::{StartingPoint, estimate};
use crate::training::session::Session;
use crate::training::step::active_heads;
use crate::training::steps::train_on;
use epoch::LiveEpoch;
use run_state::RunState;
use summary_line::{main_figure, summary_line};

pub use trained::Trained;

/// Trains `model` on the training split under the configured blend; from a checkpoint on, if there is one, as if the run
/// had never stopped.
///
/// # Errors
/// [`Error::Diverged`] at the first loss that is not finite, [`Error::Interrupted`] after the epoch in which the session
/// was interrupted; what a sample, the device, the strategy or `sink` complains about.
pub fn train(
    session: &Session<'_>,
    splits: &Splits,
    model: &mut Multimodal,
    blend: &mut dyn Blend,
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
    let mut optimizer = session.optimizer(run_length(session, blend, &splits.train), 0)?;
    let fingerprint = splits.fingerprint(session.source.as_ref());
    let weights = blend.weights().as_slice();
    let mut training = Training {
        splits,
        released: None,
        state: RunState::new(session, fingerprint, sink, weights, reporter),
        learner: Learner {
            model,
            optimizer: &mut optimizer,
            blend,
        },
    };
    if let Some(checkpoint) = from {
        training.state.restore(checkpoint, &mut training.learner)?;
    }
    training.announce();
    while training.state.epoch <= run.epochs && !training.state.patience_ran_out() {
        training.estimate()?;
        training.release_held_out();
        training.train_epoch()?;
    }
    Ok(training.state.finish())
}

/// A run under way, with its samples.
struct Training<'a> {
    splits: &'a Splits,
    /// Training and held-out samples, once the strategy has no more use for the latter.
    released: Option<TrainSplit>,
    state: RunState<'a>,
    learner: Learner<'a>,
}

impl Training<'_> {
    /// The samples to train on.
    fn train_split(&self) -> &TrainSplit {
        self.released.as_ref().unwrap_or(&self.splits.train)
    }

    fn run_length(&self) -> RunLength {
        run_length(self.state.session, self.learner.blend, self.train_split())
    }

    /// Shows how long training is going to be.
    fn announce(&self) {
        let (done, epochs) = (self.state.epoch - 1, self.state.session.config.run.epochs);
        let steps = self.run_length().steps_per_epoch as usize;
        self.state.reporter.training(done, epochs, steps);
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
        let began = Instant::now();
        let live = StartingPoint {
            epoch,
            schedule_step: learner.optimizer.schedule_step(),
        };
        let parameters = state_of(learner.model)?;
        let keeping = state.sink.probes();
        let estimate = estimate(
            session,
            self.splits,
            &parameters,
            &request,
            live,
            keeping,
            reporter,
        )?;
        let report = learner.blend.take_estimate(epoch, &estimate)?;
        let took = began.elapsed();
        state.stood_still(took);
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
        if self.learner.blend.releases_held_out() && self.released.is_none() {
            self.released = Some(self.splits.train_and_held_out());
            let length = self.run_length();
            self.learner.optimizer.set_run(length);
            self.announce();
        }
    }

    fn train_epoch(&mut self) -> Result<()> {
        let (session, reporter, epoch) = (self.state.session, self.state.reporter, self.state.epoch);
        let began = Instant::now();
        let active = active_heads(self.learner.blend);
        let samples = session.seen(self.train_split().samples(), &active);
        let count = samples.len() as u64;
        let seed = session.seed("epoch").nth(epoch as u64);
        let plan = Plan::training(&samples, session.batch_size(), seed).skip(self.state.counts.steps);
        let [seconds_before, waited_before] = self.state.counts.seconds;
        let context = session.step_context("step", "", epoch);
        let mut live = LiveEpoch {
            state: &mut self.state,
            began,
            seconds_before,
        };
        let waited = train_on(
            session,
            &plan,
            active.encoders(),
            context,
            &mut self.learner,
            &mut live,
            reporter,
        )?;
        let counts = std::mem::take(&mut self.state.counts);
        let trained = &mut self.state.trained;
        trained.samples += count;
        trained.waited += waited;
        self.learner
            .blend
            .end_epoch(&counts.mean_losses(session.heads.len()))?;
        let names = session.heads.names();
        let mut metrics = counts.into_metrics(names, epoch, self.learner.optimizer.steps());
        trained.weights = metrics.heads.iter().map(|head| head.weight).collect();
        self.validate(&mut metrics)?;
        metrics.waited_seconds = waited_before + waited.as_secs_f64();
        metrics.seconds = seconds_before + began.elapsed().as_secs_f64();
        let state = &mut self.state;
        state.sink.epoch(&metrics)?;
        let criteria = self.learner.model.criteria();
        let line = summary_line(&metrics, criteria);
        reporter.epoch(epoch, session.config.run.epochs, state.elapsed(), &line);
        for (position, (last, head)) in state.validation.iter_mut().zip(&metrics.heads).enumerate() {
            *last = main_figure(criteria, position, head.validation.as_ref());
        }
        state.trained.epochs = epoch;
        state.trained.selected_epoch = epoch;
        state.epoch += 1;
        state.estimated = false;
        state.checkpoint(&mut self.learner)?;
        session.interrupt.check(epoch)
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
        let active = ActiveHeads::trained(weights);
        let loader = session.loader(active.encoders());
        let (batch_size, device) = (session.batch_size(), &session.device);
        let evaluation = evaluate(model, &loader, split, batch_size, device, &active)?;
        let rule = session.config.blend.pipeline.predict;
        let criteria = model.criteria();
        let criterion = criteria.of_predictions(weights).get();
        let figure = rule
            .metrics(&evaluation, criteria, weights)?
            .map_or(f64::MIN, |metrics| metrics.selection(criterion));
        let of_heads = evaluation.metrics(criteria)?;
        if state.is_best(figure) {
            let parameters = state_of(model)?;
            state.remember_best(figure, parameters);
        }
        for (head, of_head) in metrics.heads.iter_mut().zip(of_heads) {
            head.validation = of_head;
        }
        Ok(())
    }
}

/// The length of a run on those of these samples that the active heads see.
/// Steps and epochs of a run on these samples.
pub(super) fn run_length(session: &Session<'_>, blend: &dyn Blend, split: &TrainSplit) -> RunLength {
    let samples = session.seen(split.samples(), &active_heads(blend));
    RunLength {
        steps_per_epoch: samples.len().div_ceil(session.batch_size().get()) as u64,
        epochs: session.config.run.epochs as u64,
    }
}
