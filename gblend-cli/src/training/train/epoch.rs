//! An epoch of the live run.

use std::time::Instant;

use gblend_optim::StepReport;

use super::run_state::RunState;
use crate::error::Result;
use crate::progress::HeadProgress;
use crate::records::{Score, Tally};
use crate::training::learner::Learner;
use crate::training::steps::Observer;

/// What the live run makes of the steps of an epoch: it counts them, shows how far it is, and keeps that.
pub(super) struct LiveEpoch<'e, 'a> {
    pub(super) state: &'e mut RunState<'a>,
    pub(super) began: Instant,
    /// Seconds that the epoch took before a checkpoint.
    pub(super) seconds_before: f64,
}

impl LiveEpoch<'_, '_> {
    /// How far each head is, given its weight in this step.
    fn progress(&self, weights: &[f64]) -> Vec<HeadProgress> {
        let state = &self.state;
        let names = state.session.heads.names().iter().zip(&state.counts.tallies);
        let heads = names.zip(weights).zip(&state.validation);
        let heads = heads.map(|(((name, tally), &weight), &validation)| HeadProgress {
            name: name.clone(),
            weight,
            loss: Tally::mean_loss(tally),
            validation,
        });
        heads.collect()
    }
}

impl Observer for LiveEpoch<'_, '_> {
    fn scored(&mut self, scores: &[Option<Score>], samples: &[usize]) {
        self.state.counts.add_scores(scores, samples);
    }

    fn stepped(&mut self, weights: &[f64], report: &StepReport) {
        let state = &mut *self.state;
        let (reporter, epoch) = (state.reporter, state.epoch);
        state
            .counts
            .add_step(weights, report.learning_rate, report.gradient_norm);
        if !report.without_gradient.is_empty() {
            reporter.warn(&format!(
                "no gradient reaches {} parameter(s), which will not learn: {}",
                report.without_gradient.len(),
                report.without_gradient.join(", ")
            ));
        }
        let all = state.session.config.run.epochs;
        let epochs = state.refit().map_or(all, |refit| refit.epoch);
        reporter.step(epoch, epochs, || self.progress(weights));
    }

    fn checkpoint_is_due(&self, step: u64, left: usize) -> bool {
        // After the last step, the epoch has its own.
        left > 0 && self.state.checkpoint_is_due(step)
    }

    fn checkpoint(&mut self, learner: &mut Learner<'_>) -> Result<()> {
        self.state.counts.seconds[0] = self.seconds_before + self.began.elapsed().as_secs_f64();
        self.state.checkpoint(learner)
    }
}
