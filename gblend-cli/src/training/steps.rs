//! The steps of an epoch: one loop for the live run and for probes.

use std::time::Duration;

use gblend_optim::StepReport;

use super::learner::Learner;
use super::session::Session;
use super::step::{MOST_UNREAD, Scores, StepContext, StepOutcome, Unread, step};
use crate::data::Plan;
use crate::error::Result;
use crate::network::ActiveHeads;
use crate::progress::Reporter;
use crate::records::Score;

/// What is made of the steps of an epoch.
pub(super) trait Observer {
    /// The scores of a step in which each head saw so many samples; a GPU tells them some steps later, in order.
    fn scored(&mut self, scores: &[Option<Score>], samples: &[usize]);

    /// A step was taken, with these weights.
    fn stepped(&mut self, weights: &[f64], report: &StepReport);

    /// Whether a checkpoint is due after the optimizer's step `step`, `left` batches before the epoch ends.
    fn checkpoint_is_due(&self, step: u64, left: usize) -> bool;

    /// Writes it. The scores of every step are known.
    ///
    /// # Errors
    /// What could not be written.
    fn checkpoint(&mut self, learner: &mut Learner<'_>) -> Result<()>;
}

/// Takes a step on every batch of the plan, with what the `active` heads see, and tells how long it waited for data.
///
/// # Errors
/// [`Error::Diverged`](crate::Error::Diverged) at the first loss or gradient that is not finite; what a sample, the
/// device, the strategy or the observer complains about.
pub(super) fn train_on(
    session: &Session<'_>,
    plan: &Plan<'_>,
    active: &ActiveHeads,
    context: StepContext<'_>,
    learner: &mut Learner<'_>,
    observer: &mut dyn Observer,
    reporter: &Reporter,
) -> Result<Duration> {
    let mut unread: Vec<(Unread, Vec<usize>)> = Vec::new();
    let loader = session.loader_for(learner.model, active)?;
    loader.for_each(plan, |batch, loaded| {
        let StepOutcome {
            scores,
            samples,
            weights,
            report,
        } = step(learner, loaded, context)?;
        match scores {
            Scores::Read(scores) => observer.scored(&scores, &samples),
            Scores::Unread(scores) => unread.push((scores, samples)),
        }
        let left = plan.len() - batch - 1;
        let due = observer.checkpoint_is_due(learner.optimizer.steps(), left);
        if due || left == 0 || unread.len() >= MOST_UNREAD {
            for (scores, samples) in unread.drain(..) {
                observer.scored(
                    &scores.read(learner.model.criteria(), session.heads.names())?,
                    &samples,
                );
            }
        }
        observer.stepped(&weights, &report);
        if session.ranks.is_first() {
            session.interrupt.announce(reporter);
        }
        if due {
            observer.checkpoint(learner)?;
        }
        Ok(())
    })
}
