//! What an epoch was selected by.

use serde::{Deserialize, Serialize};

use super::Metrics;

/// What the validation samples said of an epoch that was selected, or of the last one where none was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// What epochs are compared by.
    pub by: SelectedBy,
    /// How good that is on the validation samples.
    pub validation: Metrics,
    /// What it comes to, a better one being larger, and what decides between equals: of two selections by the same, that is
    /// the better one whose first differing figure is larger.
    pub figures: [f64; 2],
}

/// What epochs are compared by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelectedBy {
    /// The loss of the mean of the heads, where a pool predicts.
    MeanLoss,
    /// This figure of what predicts, the accuracy or what the objective has in its place, ties by its loss.
    Figure(String),
}
