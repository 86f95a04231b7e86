//! How far a run is: all of it that a checkpoint keeps, but for the learner.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gblend_core::Estimate;
use gblend_core::params::{State, load_state};

use super::trained::Trained;
use crate::config::{PoolSamples, Select};
use crate::error::{Error, Result};
use crate::network::Multimodal;
use crate::progress::Reporter;
use crate::records::{EpochCounts, Figure, Selection};
use crate::run_folder::Sink;
use crate::run_folder::checkpoint::{
    Best, Checkpoint, Description, KeptEstimate, Position, Refit, capture, restore,
};
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
    /// The estimates that were made, where networks will be trained by them once more.
    estimates: Vec<KeptEstimate>,
    /// What was found, once the run trains once more.
    refit: Option<Refit>,
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
            selected_epoch: session.config.run.epochs,
            selection: None,
            pool: None,
            refitted: false,
            refitting: Duration::ZERO,
            cross_fitting: Duration::ZERO,
            epochs: session.config.run.epochs,
            weights: weights.to_vec(),
            blends: Vec::new(),
            samples: 0,
            elapsed: Duration::ZERO,
            estimating: Duration::ZERO,
            waited: Duration::ZERO,
            recomputing: Duration::ZERO,
        };
        Self {
            session,
            sink,
            reporter,
            epoch: 1,
            counts: EpochCounts::default(),
            estimated: false,
            validation: vec![None; session.heads.len()],
            estimates: Vec::new(),
            refit: None,
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

    /// The training of a fold's network, to the epoch that this run has found and with the estimates that it has made.
    pub(super) fn for_fold<'f>(
        &'f self,
        sink: &'f mut dyn Sink,
        fingerprint: String,
        reporter: &'f Reporter,
    ) -> RunState<'f> {
        let mut state = RunState::new(self.session, fingerprint, sink, &self.trained.weights, reporter);
        state.estimates.clone_from(&self.estimates);
        state.refit = Some(self.found());
        state
    }

    /// Hash of the samples of every split.
    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
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
        {
            let (mut kept, optimizer) = learner.kept();
            restore(&arrays, description.position.step, &mut kept, optimizer)?;
        }
        self.epoch = description.position.epoch.max(1);
        self.counts = description.counts;
        self.estimated = description.estimated;
        self.estimates = description.estimates;
        self.refit = description.refit;
        self.best_kept = best.is_some();
        self.best_state = best;
        self.best = description.best;
        let [training, estimating, waited] = description
            .seconds
            .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO));
        self.before = training;
        self.trained.epochs = self.epoch - 1;
        self.trained.selected_epoch = self.epoch - 1;
        self.trained.selection = description.selection;
        self.trained.weights = description.weights;
        self.trained.blends = description.blends;
        self.trained.samples = description.samples;
        self.trained.estimating = estimating;
        self.trained.waited = waited;
        self.trained.recomputing =
            Duration::try_from_secs_f64(description.recompute_seconds).unwrap_or(Duration::ZERO);
        Ok(())
    }

    /// Time of training, without estimates.
    pub(super) fn elapsed(&self) -> Duration {
        self.before + self.began.elapsed()
    }

    /// Training stood still for so long.
    pub(super) fn stood_still_for(&mut self, duration: Duration) {
        self.began += duration;
    }

    /// An estimate took so long, in which training stood still.
    pub(super) fn estimated_for(&mut self, duration: Duration) {
        self.began += duration;
        self.trained.estimating += duration;
    }

    /// The networks of folds took so long, in which training stood still.
    pub(super) fn cross_fitted_for(&mut self, duration: Duration) {
        self.began += duration;
        self.trained.cross_fitting += duration;
    }

    /// Whether the epoch at hand is better by validation than all before it.
    pub(super) fn is_best(&self, [figure, tie]: [f64; 2]) -> bool {
        self.best.as_ref().is_none_or(|best| {
            figure > best.figure || figure == best.figure && best.tie.is_some_and(|best| tie > best)
        })
    }

    /// Remembers the epoch at hand as the best one.
    pub(super) fn remember_best(&mut self, selection: &Selection, state: State) {
        let [figure, tie] = selection.figures;
        self.best = Some(Best {
            epoch: self.epoch,
            figure,
            tie: Some(tie),
            selection: Some(selection.clone()),
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
        // All ranks stand at the same place, and one of them keeps it.
        if !self.session.ranks.is_first() {
            self.last_checkpoint = Instant::now();
            return Ok(());
        }
        let seconds = [self.elapsed(), self.trained.estimating, self.trained.waited];
        let description = Description {
            gblend: env!("CARGO_PKG_VERSION").to_owned(),
            splits: self.fingerprint.clone(),
            constant_encoders: learner.model.constant_encoders()?,
            position: Position {
                epoch: self.epoch,
                batches: self.counts.steps,
                step: learner.optimizer.steps(),
            },
            ranks: self.session.ranks.size(),
            blend: learner.blend.state(),
            estimated: self.estimated,
            estimates: self.estimates.clone(),
            refit: self.refit.clone(),
            blends: self.trained.blends.clone(),
            counts: self.counts.clone(),
            weights: self.trained.weights.clone(),
            selection: self.trained.selection.clone(),
            best: self.best.clone(),
            samples: self.trained.samples,
            seconds: seconds.map(|duration| duration.as_secs_f64()),
            recompute_seconds: self.trained.recomputing.as_secs_f64(),
            logs: self.sink.logs()?,
        };
        let arrays = {
            let (mut kept, optimizer) = learner.kept();
            capture(&mut kept, optimizer)?
        };
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

    /// Keeps an estimate, if networks will be trained by it once more.
    pub(super) fn keep_estimate(&mut self, epoch: usize, estimate: &Estimate) {
        let config = self.session.config;
        if config.run.refit || config.blend.pipeline.pool == PoolSamples::Cross {
            self.estimates.push(KeptEstimate {
                epoch,
                estimate: estimate.clone(),
            });
        }
    }

    /// The estimate that was made after so many epochs.
    pub(super) fn kept_estimate(&self, epoch: usize) -> Option<&Estimate> {
        let kept = self.estimates.iter().find(|kept| kept.epoch == epoch);
        kept.map(|kept| &kept.estimate)
    }

    /// What was found, once the run trains once more.
    pub(super) fn refit(&self) -> Option<&Refit> {
        self.refit.as_ref()
    }

    /// The epochs are over: selects one of them, and puts its parameters into the model.
    ///
    /// # Errors
    /// If parameters cannot be put on the device.
    pub(super) fn select(&mut self, model: &mut Multimodal) -> Result<()> {
        if self.session.config.run.select == Select::Last {
            return Ok(());
        }
        if let (Some(best), Some(state)) = (self.best.take(), self.best_state.take()) {
            load_state(&mut model.changing(), &state)?;
            self.trained.selected_epoch = best.epoch;
            self.trained.selection = best.selection;
            self.trained.weights = best.weights;
        }
        Ok(())
    }

    /// The run trains once more, to the epoch that was selected.
    pub(super) fn begin_refit(&mut self) {
        self.refit = Some(self.found());
        self.epoch = 1;
        self.counts = EpochCounts::default();
        self.estimated = false;
        self.validation.fill(None);
        self.best = None;
        self.best_state = None;
        self.best_kept = false;
    }

    /// What is known once an epoch was selected.
    fn found(&self) -> Refit {
        Refit {
            epoch: self.trained.selected_epoch,
            epochs: self.trained.epochs,
            selection: self.trained.selection.clone(),
            pool: self.trained.pool.clone(),
            seconds: self.elapsed().as_secs_f64(),
            cross_seconds: self.trained.cross_fitting.as_secs_f64(),
        }
    }

    /// What training ended with.
    pub(super) fn finish(self) -> Trained {
        let elapsed = self.elapsed();
        let mut trained = self.trained;
        trained.elapsed = elapsed;
        if let Some(refit) = self.refit {
            trained.refitted = true;
            trained.selected_epoch = refit.epoch;
            trained.epochs = refit.epochs;
            trained.selection = refit.selection;
            trained.pool = refit.pool;
            let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO);
            let before = seconds(refit.seconds);
            trained.cross_fitting = seconds(refit.cross_seconds);
            trained.refitting = elapsed.saturating_sub(before);
        }
        trained
    }
}
