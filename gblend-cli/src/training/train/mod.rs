//! The training loop.

mod epoch;
mod summary_line;

use std::sync::Arc;
use std::time::{Duration, Instant};

use gblend_core::params::{State, state_of};
use gblend_core::{Blend, BlendReport};
use gblend_optim::BlendedOptimizer;
use gblend_optim::schedule::RunLength;

use crate::config::Select;
use crate::data::{Evaluable, Plan, Splits, TrainSplit};
use crate::error::{Error, Result};
use crate::evaluation::evaluate;
use crate::network::{ActiveHeads, Multimodal};
use crate::progress::Reporter;
use crate::records::{EpochCounts, EpochMetrics};
use crate::run_folder::Sink;
use crate::run_folder::checkpoint::{Best, Checkpoint, Description, Position, capture, restore};
use crate::tables::blend_table;
use crate::training::probe::{StartingPoint, estimate};
use crate::training::session::Session;
use crate::training::step::active_heads;

use epoch::Epoch;
use summary_line::summary_line;

/// What training ends with.
pub struct Trained {
    /// The selected parameters, or `None` if they are those of the last epoch, which the model holds.
    pub selected: Option<State>,
    /// The epoch that they are from.
    pub selected_epoch: usize,
    /// Epochs trained: fewer than asked for if patience ran out.
    pub epochs: usize,
    /// The weight of each head, as a mean over the steps of that epoch.
    pub weights: Vec<f64>,
    /// What the strategy made of each estimate.
    pub blends: Vec<BlendReport>,
    /// Samples trained on, over all epochs, estimates not counted.
    pub samples: u64,
    /// The time that training took, evaluations on validation included and estimates not.
    pub elapsed: Duration,
    /// The time that estimates took.
    pub estimating: Duration,
    /// The part of `elapsed` in which training steps waited for data.
    pub waited: Duration,
}

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
    let mut training = Training::new(session, splits, model, blend, sink, reporter)?;
    if let Some(checkpoint) = from {
        training.restore(checkpoint)?;
    }
    let done = training.epoch - 1;
    reporter.training(done, run.epochs, training.run_length().steps_per_epoch as usize);
    while training.epoch <= run.epochs && !training.patience_ran_out() {
        training.estimate()?;
        training.release_held_out();
        training.train_epoch()?;
    }
    Ok(training.finish())
}

/// A run under way.
struct Training<'a> {
    session: &'a Session<'a>,
    splits: &'a Splits,
    model: &'a mut Multimodal,
    blend: &'a mut dyn Blend,
    sink: &'a mut dyn Sink,
    reporter: &'a Reporter,
    optimizer: BlendedOptimizer,
    /// Training and held-out samples, once the strategy has no more use for the latter.
    released: Option<TrainSplit>,
    /// The epoch at hand, counted from 1.
    epoch: usize,
    /// What was counted in it before a checkpoint.
    counts: EpochCounts,
    /// Whether the estimate that is due before it was made.
    estimated: bool,
    /// The accuracy of each head after the epoch before.
    validation: Vec<Option<f64>>,
    best: Option<Best>,
    best_state: Option<State>,
    /// Whether a checkpoint has those parameters.
    best_kept: bool,
    trained: Trained,
    /// Time of training before a checkpoint.
    before: Duration,
    began: Instant,
    last_checkpoint: Instant,
    /// Hash of the samples of every split.
    fingerprint: String,
}

impl<'a> Training<'a> {
    fn new(
        session: &'a Session<'a>,
        splits: &'a Splits,
        model: &'a mut Multimodal,
        blend: &'a mut dyn Blend,
        sink: &'a mut dyn Sink,
        reporter: &'a Reporter,
    ) -> Result<Self> {
        let optimizer = session.optimizer(run_length(session, blend, &splits.train), 0)?;
        let trained = Trained {
            selected: None,
            selected_epoch: session.config.run.epochs,
            epochs: session.config.run.epochs,
            weights: blend.weights().as_slice().to_vec(),
            blends: Vec::new(),
            samples: 0,
            elapsed: Duration::ZERO,
            estimating: Duration::ZERO,
            waited: Duration::ZERO,
        };
        Ok(Self {
            session,
            splits,
            model,
            blend,
            sink,
            reporter,
            optimizer,
            released: None,
            epoch: 1,
            counts: EpochCounts::default(),
            estimated: false,
            validation: vec![None; session.heads.len()],
            best: None,
            best_state: None,
            best_kept: false,
            trained,
            before: Duration::ZERO,
            began: Instant::now(),
            last_checkpoint: Instant::now(),
            fingerprint: splits.fingerprint(session.source.as_ref()),
        })
    }

    /// The samples to train on.
    fn train_split(&self) -> &TrainSplit {
        self.released.as_ref().unwrap_or(&self.splits.train)
    }

    fn run_length(&self) -> RunLength {
        run_length(self.session, self.blend, self.train_split())
    }

    /// Goes on from a checkpoint.
    fn restore(&mut self, checkpoint: Checkpoint) -> Result<()> {
        let Checkpoint {
            description,
            arrays,
            best,
        } = checkpoint;
        let heads = self.session.heads.len();
        if !description.counts.fits(heads) || description.weights.len() != heads {
            let problem = format!(
                "the checkpoint is of {} heads, the model has {heads}",
                description.weights.len()
            );
            return Err(Error::Usage(problem));
        }
        self.blend.restore(&description.blend)?;
        restore(
            &arrays,
            description.position.step,
            self.model,
            self.optimizer.state(),
        )?;
        self.epoch = description.position.epoch.max(1);
        self.counts = description.counts;
        self.estimated = description.estimated;
        self.best_kept = best.is_some();
        self.best_state = best;
        self.best = description.best;
        let [training, estimating, waited] = description
            .seconds
            .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO));
        self.before = training;
        self.trained.epochs = self.epoch - 1;
        self.trained.selected_epoch = self.epoch - 1;
        self.trained.weights = description.weights;
        self.trained.blends = description.blends;
        self.trained.samples = description.samples;
        self.trained.estimating = estimating;
        self.trained.waited = waited;
        Ok(())
    }

    /// Makes the estimate that the strategy wants before the epoch at hand, if it wants one.
    fn estimate(&mut self) -> Result<()> {
        if self.estimated || self.counts.steps > 0 {
            return Ok(());
        }
        let Some(request) = self
            .blend
            .estimate_due(self.epoch - 1, self.session.config.run.epochs)
        else {
            return Ok(());
        };
        let began = Instant::now();
        let live = StartingPoint {
            epoch: self.epoch - 1,
            schedule_step: self.optimizer.schedule_step(),
        };
        let state = state_of(self.model)?;
        let keeping = self.sink.probes();
        let (session, splits) = (self.session, self.splits);
        let estimate = estimate(session, splits, &state, &request, live, keeping, self.reporter)?;
        let report = self.blend.take_estimate(self.epoch - 1, &estimate)?;
        let seconds = began.elapsed();
        // Training stands still meanwhile.
        self.began += seconds;
        self.trained.estimating += seconds;
        self.sink.blend(&report, seconds.as_secs_f64())?;
        self.reporter.line(&blend_table(&report, seconds));
        for warning in &report.warnings {
            self.reporter.warn(warning);
        }
        self.trained.blends.push(report);
        self.estimated = true;
        self.checkpoint()
    }

    /// Adds the held-out samples to the training samples, once the strategy has no more use for them.
    fn release_held_out(&mut self) {
        if self.blend.releases_held_out() && self.released.is_none() {
            self.released = Some(self.splits.train_and_held_out());
            let length = self.run_length();
            self.optimizer.set_run(length);
            let epochs = self.session.config.run.epochs;
            self.reporter
                .training(self.epoch - 1, epochs, length.steps_per_epoch as usize);
        }
    }

    fn train_epoch(&mut self) -> Result<()> {
        let (session, epoch) = (self.session, self.epoch);
        let began = Instant::now();
        let wanted = active_heads(self.blend).encoders();
        let samples = session.seen(self.train_split().samples(), &wanted);
        let trained = samples.len() as u64;
        let seed = session.seed("epoch").nth(epoch as u64);
        let plan = Plan::training(&samples, session.batch_size(), seed);
        let counts = std::mem::take(&mut self.counts);
        let [seconds, waited_before] = counts.seconds;
        let plan = plan.skip(counts.steps);
        let validation = self.validation.clone();
        let mut under_way = Epoch {
            session,
            reporter: self.reporter,
            epoch,
            validation: &validation,
            counts,
            unread: Vec::new(),
        };
        let loader = session.loader(wanted);
        let last = plan.len();
        let waited = loader.for_each(&plan, |batch, loaded| {
            under_way.step(self.model, &mut self.optimizer, self.blend, loaded)?;
            if batch + 1 < last && self.checkpoint_due() {
                under_way.catch_up()?;
                under_way.counts.seconds[0] = seconds + began.elapsed().as_secs_f64();
                self.counts = under_way.counts.clone();
                self.checkpoint()?;
            }
            Ok::<(), Error>(())
        })?;
        under_way.catch_up()?;
        self.counts = EpochCounts::default();
        self.trained.samples += trained;
        self.trained.waited += waited;
        self.blend.end_epoch(&under_way.losses_of_all())?;
        let mut metrics = under_way.finish(self.optimizer.steps());
        self.trained.weights = metrics.heads.iter().map(|head| head.weight).collect();
        self.validate(&mut metrics)?;
        metrics.waited_seconds = waited_before + waited.as_secs_f64();
        metrics.seconds = seconds + began.elapsed().as_secs_f64();
        self.sink.epoch(&metrics)?;
        let epochs = session.config.run.epochs;
        self.reporter
            .epoch(epoch, epochs, self.elapsed(), &summary_line(&metrics));
        for (last, head) in self.validation.iter_mut().zip(&metrics.heads) {
            *last = head.validation.map(|metrics| metrics.accuracy);
        }
        self.trained.epochs = epoch;
        self.trained.selected_epoch = epoch;
        self.epoch += 1;
        self.estimated = false;
        self.checkpoint()?;
        session.interrupt.check(epoch)
    }

    /// Evaluates the epoch on the validation samples, if there are any, and remembers the best one.
    fn validate(&mut self, metrics: &mut EpochMetrics) -> Result<()> {
        let session = self.session;
        let split = &self.splits.validation;
        if split.samples().is_empty() {
            return Ok(());
        }
        let weights = &self.trained.weights;
        let active = ActiveHeads::trained(weights);
        let loader = session.loader(active.encoders());
        let evaluation = evaluate(
            self.model,
            &loader,
            split,
            session.batch_size(),
            &session.device,
            &active,
        )?;
        let rule = session.config.blend.pipeline.predict;
        let figure = rule
            .metrics(&evaluation, weights)?
            .map_or(0.0, |metrics| metrics.selection());
        if self.best.as_ref().is_none_or(|best| figure > best.figure) {
            self.best = Some(Best {
                epoch: self.epoch,
                figure,
                weights: weights.clone(),
                blake3: None,
            });
            self.best_state = Some(state_of(self.model)?);
            self.best_kept = false;
        }
        for (head, of_head) in metrics.heads.iter_mut().zip(evaluation.metrics()?) {
            head.validation = of_head;
        }
        Ok(())
    }

    fn patience_ran_out(&self) -> bool {
        let done = self.epoch - 1;
        let best = self.best.as_ref().map_or(done, |best| best.epoch);
        let patience = self.session.config.run.patience;
        let ran_out = self.counts.steps == 0 && patience.is_some_and(|patience| done - best >= patience);
        if ran_out {
            self.reporter
                .line(&format!("epoch {done}: the best one was {best}; stopping early"));
        }
        ran_out
    }

    /// Time of training, without estimates.
    fn elapsed(&self) -> Duration {
        self.before + self.began.elapsed()
    }

    /// Whether a checkpoint in mid-epoch is due.
    fn checkpoint_due(&self) -> bool {
        let config = &self.session.config.checkpoint;
        config.is_due(self.optimizer.steps(), self.last_checkpoint)
    }

    fn checkpoint(&mut self) -> Result<()> {
        let seconds = [self.elapsed(), self.trained.estimating, self.trained.waited];
        let description = Description {
            gblend: env!("CARGO_PKG_VERSION").to_owned(),
            splits: self.fingerprint.clone(),
            position: Position {
                epoch: self.epoch,
                batches: self.counts.steps,
                step: self.optimizer.steps(),
            },
            blend: self.blend.state(),
            estimated: self.estimated,
            blends: self.trained.blends.clone(),
            counts: self.counts.clone(),
            weights: self.trained.weights.clone(),
            best: self.best.clone(),
            samples: self.trained.samples,
            seconds: seconds.map(|duration| duration.as_secs_f64()),
            logs: self.sink.logs()?,
        };
        let arrays = capture(self.model, self.optimizer.state())?;
        // What is kept must be good to go on from.
        if let Some((path, value)) = arrays.not_finite() {
            return Err(Error::Diverged {
                what: format!("`{path}`"),
                value,
                step: self.optimizer.steps(),
                epoch: self.epoch,
            });
        }
        let checkpoint = Checkpoint {
            description,
            arrays,
            best: if self.best_kept {
                None
            } else {
                self.best_state.clone()
            },
        };
        self.best_kept = true;
        self.last_checkpoint = Instant::now();
        self.sink.checkpoint(Arc::new(checkpoint))
    }

    fn finish(self) -> Trained {
        let elapsed = self.elapsed();
        let mut trained = self.trained;
        trained.elapsed = elapsed;
        if self.session.config.run.select == Select::Best
            && let Some(best) = self.best
        {
            trained.selected_epoch = best.epoch;
            trained.selected = self.best_state;
            trained.weights = best.weights;
        }
        trained
    }
}

/// The length of a run on those of these samples that the active heads see.
fn run_length(session: &Session<'_>, blend: &dyn Blend, split: &TrainSplit) -> RunLength {
    let samples = session.seen(split.samples(), &active_heads(blend).encoders());
    RunLength {
        steps_per_epoch: samples.len().div_ceil(session.batch_size().get()) as u64,
        epochs: session.config.run.epochs as u64,
    }
}
