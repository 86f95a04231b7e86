//! What is counted during one epoch, as a checkpoint within it keeps it.

use serde::{Deserialize, Serialize};

use super::{EpochMetrics, HeadMetrics, Score};

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
    /// Samples that it got right; absent where nothing is right or wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<f64>,
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

    /// Counts a step that was taken with these weights of the heads and this learning rate; `gradient_norm` before
    /// clipping, where there is a limit.
    pub fn add_step(&mut self, weights: &[f64], learning_rate: f64, gradient_norm: Option<f64>) {
        self.steps += 1;
        self.tallies.resize_with(weights.len(), Tally::default);
        for (tally, weight) in self.tallies.iter_mut().zip(weights) {
            tally.weight += weight;
        }
        self.learning_rate = learning_rate;
        if let Some(norm) = gradient_norm {
            let so_far = self.largest_gradient_norm;
            self.largest_gradient_norm = Some(so_far.map_or(norm, |so_far| so_far.max(norm)));
        }
    }

    /// Adds the scores of a step, in which each head saw so many samples.
    pub fn add_scores(&mut self, scores: &[Option<Score>], samples: &[usize]) {
        self.tallies.resize_with(scores.len(), Tally::default);
        for ((tally, score), &samples) in self.tallies.iter_mut().zip(scores).zip(samples) {
            if let Some(score) = score {
                if let Some(accuracy) = score.accuracy {
                    *tally.right.get_or_insert(0.0) += accuracy * samples as f64;
                }
                tally.loss += score.loss * samples as f64;
                tally.samples += samples;
            }
        }
    }

    /// The mean loss of each head; empty if one was computed in no step, unless its share is given.
    pub fn mean_losses(&self, given: &[Option<f64>]) -> Vec<f64> {
        let tallies = self.tallies.iter().enumerate();
        let losses = tallies.map(|(head, tally)| {
            let unseen = given.get(head).copied().flatten().map(|_| 0.0);
            tally.mean_loss().or(unseen)
        });
        losses.collect::<Option<Vec<f64>>>().unwrap_or_default()
    }

    /// What the epoch showed, with these names of the heads, `step` steps having been taken since training began.
    pub fn into_metrics(self, names: &[String], epoch: usize, step: u64) -> EpochMetrics {
        let steps = self.steps.max(1) as f64;
        let heads = names.iter().zip(self.tallies).map(|(name, tally)| HeadMetrics {
            name: name.clone(),
            weight: tally.weight / steps,
            train: tally.score(),
            validation: None,
        });
        EpochMetrics {
            epoch,
            refit: false,
            step,
            learning_rate: self.learning_rate,
            largest_gradient_norm: self.largest_gradient_norm,
            selection: None,
            heads: heads.collect(),
            seconds: self.seconds[0],
            waited_seconds: self.seconds[1],
        }
    }
}

impl Tally {
    /// The mean loss over the samples; `None` without any.
    pub fn mean_loss(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.loss / self.samples as f64)
    }

    /// The means over the samples; `None` without any.
    pub fn score(&self) -> Option<Score> {
        let count = self.samples as f64;
        (self.samples > 0).then(|| Score {
            accuracy: self.right.map(|right| right / count),
            loss: self.loss / count,
        })
    }
}
