//! How far a run is: all of it that a checkpoint keeps, but for the learner.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gblend_core::params::State;

use super::trained::Trained;
use crate::config::Select;
use crate::error::{Error, Result};
use crate::progress::Reporter;
use crate::records::{EpochCounts, Figure};
use crate::run_folder::Sink;
use crate::run_folder::checkpoint::{Best, Checkpoint, Description, Position, capture, restore};
use crate::training::learner::Learner;
use crate::training::session::Session;

/// A run under way.
pub(super) struct RunState<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) sink: &'a mut dyn Sink,
    pub(super) reporter: &'a Reporter,
    /// The epoch at hand, counted from 1.
    pub(super) epoch: usize,
    /// What was counted in it so far.
    pub(super) counts: EpochCounts,
    /// Whether the estimate that is due before it was made.
    pub(super) estimated: bool,
    /// The main figure of each head on the validation samples after the epoch before.
    pub(super) validation: Vec<Option<Figure>>,
    best: Option<Best>,
    best_state: Option<State>,
    /// Whether a checkpoint has those parameters.
    best_kept: bool,
    pub(super) trained: Trained,
    /// Time of training before a checkpoint.
    before: Duration,
    began: Instant,
    last_checkpoint: Instant,
    /// Hash of the samples of every split.
    fingerprint: String,
}

impl<'a> RunState<'a> {
    /// Before the first epoch, with the blend's first weights.
    pub(super) fn new(
        session: &'a Session<'a>,
        fingerprint: String,
        sink: &'a mut dyn Sink,
        weights: &[f64],
        reporter: &'a Reporter,
    ) -> Self {
        let trained = Trained {
            selected: None,
            selected_epoch: session.config.run.epochs,
            epochs: session.config.run.epochs,
            weights: weights.to_vec(),
            blends: Vec::new(),
            samples: 0,
            elapsed: Duration::ZERO,
            estimating: Duration::ZERO,
            waited: Duration::ZERO,
        };
        Self {
            session,
            sink,
            reporter,
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
            fingerprint,
        }
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// If it is of another network, optimizer or strategy.
    pub(super) fn restore(&mut self, checkpoint: Checkpoint, learner: &mut Learner<'_>) -> Result<()> {
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
        learner.blend.restore(&description.blend)?;
        restore(
            &arrays,
            description.position.step,
            learner.model,
            learner.optimizer.state(),
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

    /// Time of training, without estimates.
    pub(super) fn elapsed(&self) -> Duration {
        self.before + self.began.elapsed()
    }

    /// An estimate took so long, in which training stood still.
    pub(super) fn stood_still(&mut self, duration: Duration) {
        self.began += duration;
        self.trained.estimating += duration;
    }

    /// Whether the epoch at hand is better by validation than all before it.
    pub(super) fn is_best(&self, figure: f64) -> bool {
        self.best.as_ref().is_none_or(|best| figure > best.figure)
    }

    /// Remembers the epoch at hand as the best one.
    pub(super) fn remember_best(&mut self, figure: f64, state: State) {
        self.best = Some(Best {
            epoch: self.epoch,
            figure,
            weights: self.trained.weights.clone(),
            blake3: None,
        });
        self.best_state = Some(state);
        self.best_kept = false;
    }

    /// Whether there were as many epochs without a better one as the run waits for. Says so once it is.
    pub(super) fn patience_ran_out(&self) -> bool {
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

    /// Whether a checkpoint in mid-epoch is due after the optimizer's step `step`.
    pub(super) fn checkpoint_is_due(&self, step: u64) -> bool {
        let config = &self.session.config.checkpoint;
        config.is_due(step, self.last_checkpoint)
    }

    /// Hands a checkpoint to the sink.
    ///
    /// # Errors
    /// [`Error::Diverged`] if a parameter is not finite, and what the sink complains about.
    pub(super) fn checkpoint(&mut self, learner: &mut Learner<'_>) -> Result<()> {
        let seconds = [self.elapsed(), self.trained.estimating, self.trained.waited];
        let description = Description {
            gblend: env!("CARGO_PKG_VERSION").to_owned(),
            splits: self.fingerprint.clone(),
            position: Position {
                epoch: self.epoch,
                batches: self.counts.steps,
                step: learner.optimizer.steps(),
            },
            blend: learner.blend.state(),
            estimated: self.estimated,
            blends: self.trained.blends.clone(),
            counts: self.counts.clone(),
            weights: self.trained.weights.clone(),
            best: self.best.clone(),
            samples: self.trained.samples,
            seconds: seconds.map(|duration| duration.as_secs_f64()),
            logs: self.sink.logs()?,
        };
        let arrays = capture(learner.model, learner.optimizer.state())?;
        // What is kept must be good to go on from.
        if let Some((path, value)) = arrays.not_finite() {
            return Err(Error::Diverged {
                what: format!("`{path}`"),
                value,
                step: learner.optimizer.steps(),
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

    /// What training ended with.
    pub(super) fn finish(self) -> Trained {
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
