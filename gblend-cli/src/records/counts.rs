//! What is counted during one epoch, as a checkpoint within it keeps it.

use serde::{Deserialize, Serialize};

use super::Score;

/// What was counted so far in an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochCounts {
    /// Sums for each head; empty before the first step.
    pub tallies: Vec<Tally>,
    /// Batches that were trained on.
    pub steps: usize,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// The largest norm of the gradient before clipping; only with a limit.
    pub largest_gradient_norm: Option<f64>,
    /// Seconds, and those of them in which training waited for data.
    pub seconds: [f64; 2],
}

/// Sums of one head over the samples of an epoch, and over its steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Samples that it got right.
    pub right: f64,
    /// Of their losses.
    pub loss: f64,
    /// Samples that it saw.
    pub samples: usize,
    /// Of the weights of its loss, one for each step.
    pub weight: f64,
}

impl EpochCounts {
    /// Whether these can be the counts of so many heads.
    pub fn fits(&self, heads: usize) -> bool {
        self.tallies.is_empty() || self.tallies.len() == heads
    }

    /// Adds the scores of a step, in which each head saw so many samples.
    pub fn add(&mut self, scores: &[Option<Score>], samples: &[usize]) {
        for ((tally, score), &samples) in self.tallies.iter_mut().zip(scores).zip(samples) {
            if let Some(score) = score {
                tally.right += score.accuracy * samples as f64;
                tally.loss += score.loss * samples as f64;
                tally.samples += samples;
            }
        }
    }
}

impl Tally {
    /// The means over the samples; `None` without any.
    pub fn score(&self) -> Option<Score> {
        let count = self.samples as f64;
        (self.samples > 0).then(|| Score {
            accuracy: self.right / count,
            loss: self.loss / count,
        })
    }
}
