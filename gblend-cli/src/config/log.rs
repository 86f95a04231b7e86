//! The `[log]` table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a run writes beside the files that every run has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Whether the figures of `metrics.jsonl`, and the accuracies on the test set, are written for TensorBoard as
    /// well: `tensorboard --logdir RUN/tensorboard` shows them.
    pub tensorboard: bool,
}
