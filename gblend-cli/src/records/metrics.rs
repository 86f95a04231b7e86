//! How good predictions are.

use serde::{Deserialize, Serialize};

/// How good a head is on the samples of a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Share of samples whose class has the highest score; with several labels, whose classes are exactly those
    /// with a probability of at least one half.
    pub accuracy: f64,
    /// Mean loss.
    pub loss: f64,
}

/// How good predictions are on the samples of a split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// As in [`Score`].
    pub accuracy: f64,
    /// Mean loss.
    pub loss: f64,
    /// The mean over classes of `2 TP / (2 TP + FP + FN)`. A class that no sample has and none is said to have does not
    /// count.
    pub macro_f1: f64,
    /// With several labels, the mean over classes of the average precision `Σ (R_n − R_{n−1}) P_n` over the
    /// thresholds n; samples with one probability share a threshold, and a class that no sample has does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_average_precision: Option<f64>,
}

impl Metrics {
    /// What the best parameters are selected by, higher being better: the mean average precision where there is
    /// one, which no threshold decides, else the accuracy.
    pub fn selection(&self) -> f64 {
        self.mean_average_precision.unwrap_or(self.accuracy)
    }
}
