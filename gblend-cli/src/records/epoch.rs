//! What an epoch showed.

use serde::{Deserialize, Serialize};

use super::{Metrics, Score};

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochMetrics {
    /// Counted from 1.
    pub epoch: usize,
    /// Whether it is one of those in which a run trains once more, on validation samples, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refit: bool,
    /// Steps taken so far.
    pub step: u64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// The largest norm of the gradient before clipping; only with a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest_gradient_norm: Option<f64>,
    /// What the epoch may be selected by, on the validation samples: the mean of the heads where a pool predicts, else what
    /// predicts. Absent without validation samples, and in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Metrics>,
    /// Each head.
    pub heads: Vec<HeadMetrics>,
    /// Seconds that the epoch took.
    pub seconds: f64,
    /// Seconds of those in which training waited for data.
    pub waited_seconds: f64,
}

/// One head in one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadMetrics {
    /// Its name.
    pub name: String,
    /// The weight of its loss, as a mean over the steps.
    pub weight: f64,
    /// In training mode, over the samples as they were trained on; absent for heads without a weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<Score>,
    /// After the epoch; absent without validation samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Metrics>,
}
