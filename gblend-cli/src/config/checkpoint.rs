//! The `[checkpoint]` table.

use std::num::NonZeroU64;
use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a run writes a checkpoint, from which `gblend train --resume RUN` goes on to the same result. There is one after
/// every epoch, every probe and every estimate; these are for epochs that take long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointConfig {
    /// Within an epoch or a probe, after so many steps. Default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_steps: Option<NonZeroU64>,
    /// Within an epoch or a probe, after so many minutes.
    pub every_minutes: f64,
    /// Whether they stay when the run has ended. They take several times the space of the model. Default: of a run, the last one,
    /// from which `--resume RUN --epochs N` trains it further; of the runs of a comparison, none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<bool>,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self {
            every_steps: None,
            every_minutes: 10.0,
            keep: None,
        }
    }
}

impl CheckpointConfig {
    /// Whether a checkpoint within an epoch, or within a probe, is due after `step` steps, given when the last one was
    /// written.
    pub fn is_due(&self, step: u64, last: Instant) -> bool {
        let by_steps = self
            .every_steps
            .is_some_and(|steps| step.is_multiple_of(steps.get()));
        by_steps || last.elapsed().as_secs_f64() >= 60.0 * self.every_minutes
    }

    /// The key that is out of its range, and how.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let minutes = self.every_minutes;
        if minutes.is_finite() && minutes > 0.0 {
            return Ok(());
        }
        Err((
            "every_minutes",
            format!("found {minutes}, expected a number above 0"),
        ))
    }
}
