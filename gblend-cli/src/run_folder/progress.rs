//! How far a run is that may have ended before.

use std::path::Path;

use super::CHECKPOINTS;
use super::checkpoint::Store;
use super::described::read_json;
use crate::error::Result;
use crate::records::Summary;

/// How far a run is.
#[derive(Debug)]
pub struct RunProgress {
    /// Epochs that were trained to their end.
    pub epochs: usize,
    /// Its result, if it has ended.
    pub summary: Option<Summary>,
    /// Whether it can go on.
    pub has_checkpoint: bool,
    /// Whether it had begun to train once more.
    pub refit: bool,
}

impl RunProgress {
    /// Reads it from a run folder.
    ///
    /// # Errors
    /// [`Error::Run`](crate::Error::Run) if its result cannot be understood, [`Error::Read`](crate::Error::Read).
    pub fn read(run: &Path) -> Result<Self> {
        let summary = summary(run)?;
        let checkpoint = Store::new(run.join(CHECKPOINTS)).newest_description();
        let reached = checkpoint
            .as_ref()
            .map_or(0, |found| found.position.epoch.saturating_sub(1));
        Ok(Self {
            epochs: summary.as_ref().map_or(reached, |summary| summary.epochs),
            summary,
            refit: checkpoint.as_ref().is_some_and(|found| found.refit.is_some()),
            has_checkpoint: checkpoint.is_some(),
        })
    }
}

/// The epochs after which a run has ended, if it has.
///
/// # Errors
/// As [`RunProgress::read`].
pub(super) fn ended_after(run: &Path) -> Result<Option<usize>> {
    Ok(summary(run)?.map(|summary| summary.epochs))
}

/// The epochs after which it had ended before, in ascending order.
pub(super) fn ended_before(run: &Path) -> Vec<usize> {
    let entries = std::fs::read_dir(run).into_iter().flatten().flatten();
    let epochs = entries.filter_map(|entry| {
        let name = entry.file_name();
        let number = name.to_str()?.strip_prefix("summary-")?.strip_suffix(".json")?;
        number.parse().ok()
    });
    let mut epochs: Vec<usize> = epochs.collect();
    epochs.sort_unstable();
    epochs
}

fn summary(run: &Path) -> Result<Option<Summary>> {
    read_json(run, "summary.json", |_| Ok(()))
}
