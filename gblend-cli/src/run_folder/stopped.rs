//! A run that was stopped, as its newest checkpoint has it.

use std::fmt;
use std::path::Path;

use gblend_core::params::State;

use super::CHECKPOINTS;
use super::begun::read_begun;
use super::checkpoint::{Checkpoint, Description, Store};
use super::frozen;
use crate::error::{Error, Result};
use crate::files::FolderLock;
use crate::records::{Begun, ModelDescription, Summary};

/// How far a run came that was stopped, and which of its parameters are its model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Epochs that were trained to their end.
    pub epochs: usize,
    /// Epochs that it was to train.
    pub planned: Option<usize>,
    /// Whether it was not stopped at all: another process goes on with it.
    pub is_under_way: bool,
    /// The epoch that the parameters are from.
    pub model: ModelEpoch,
}

/// Where in a run parameters are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelEpoch {
    /// The end of the epoch that was best by validation so far.
    Best(usize),
    /// The end of the last epoch.
    Last(usize),
    /// The middle of an epoch.
    Within(usize),
    /// On the way to this epoch, which had been found, with the validation samples.
    Refit(usize),
}

impl ModelEpoch {
    /// The number of the epoch.
    fn number(self) -> usize {
        match self {
            Self::Best(epoch) | Self::Last(epoch) | Self::Within(epoch) | Self::Refit(epoch) => epoch,
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self
            .planned
            .map_or_else(String::new, |planned| format!(" of {planned}"));
        let state = if self.is_under_way {
            "is under way"
        } else {
            "was stopped"
        };
        match self.epochs {
            0 => write!(f, "the run {state} in its first epoch{of}, and not tested; ")?,
            epochs => write!(f, "the run {state} after epoch {epochs}{of}, and not tested; ")?,
        }
        match self.model {
            ModelEpoch::Best(epoch) => {
                write!(
                    f,
                    "its model is that of epoch {epoch}, the best by validation so far"
                )
            }
            ModelEpoch::Last(epoch) => write!(f, "its model is that of epoch {epoch}, the last"),
            ModelEpoch::Within(epoch) => write!(
                f,
                "its model is that of its last checkpoint, within epoch {epoch}"
            ),
            ModelEpoch::Refit(epoch) => write!(
                f,
                "its model was on the way to epoch {epoch} once more, with the validation samples (run.refit)"
            ),
        }
    }
}

/// What is known of a run that did not end.
#[derive(Debug)]
pub(super) struct StoppedRun {
    pub(super) stopped: Stopped,
    pub(super) model: ModelDescription,
    pub(super) summary: Summary,
    /// The parameters, where they were read.
    pub(super) state: State,
}

/// What the report has to know of a run that did not end: its result as far as it came, and how far that is.
///
/// # Errors
/// [`Error::Run`] if it did not come to a checkpoint that is whole, or is of an older version.
pub fn read_stopped(path: &Path) -> Result<(Summary, Stopped)> {
    let (begun, config) = opened(path)?;
    let store = Store::new(path.join(CHECKPOINTS));
    let description = store.newest_description().ok_or_else(|| match store.is_empty() {
        true => no_checkpoint(path, &[]),
        false => no_checkpoint(
            path,
            &["what they say is not what their checksums say".to_owned()],
        ),
    })?;
    let with_best = description
        .best
        .as_ref()
        .is_some_and(|best| best.blake3.is_some());
    let mut found = StoppedRun::of(begun, &config, description, with_best);
    found.stopped.is_under_way = FolderLock::is_taken(path);
    Ok((found.summary, found.stopped))
}

impl StoppedRun {
    /// Reads all of it.
    ///
    /// # Errors
    /// As [`read_stopped`].
    pub(super) fn read(path: &Path) -> Result<Self> {
        let (begun, config) = opened(path)?;
        let found = Store::new(path.join(CHECKPOINTS)).newest(|_| Ok(()))?;
        let Some(Checkpoint {
            description,
            arrays,
            best,
        }) = found.checkpoint
        else {
            return Err(no_checkpoint(path, &found.damaged));
        };
        let frozen = match description.constant_encoders.is_empty() {
            true => State::default(),
            false => frozen::read(path)?,
        };
        let mut read = Self::of(begun, &config, description, best.is_some());
        read.stopped.is_under_way = FolderLock::is_taken(path);
        read.state = match (read.stopped.model, best) {
            (ModelEpoch::Best(_), Some(best)) => best,
            _ => arrays.into_network(),
        };
        if read.state.is_empty() {
            return Err(no_checkpoint(path, &found.damaged));
        }
        read.state.extend(frozen);
        Ok(read)
    }

    fn of(begun: Begun, config: &toml::Table, description: Description, with_best: bool) -> Self {
        let run = |key: &str| config.get("run").and_then(|run| run.get(key));
        let selects_best = run("select").and_then(toml::Value::as_str) != Some("last");
        let (position, refit) = (description.position, description.refit);
        let (done, within) = (position.epoch.saturating_sub(1), position.batches > 0);
        let best = description
            .best
            .filter(|_| selects_best && with_best && refit.is_none());
        let model = match (&best, &refit) {
            (Some(best), _) => ModelEpoch::Best(best.epoch),
            (None, Some(refit)) => ModelEpoch::Refit(refit.epoch),
            (None, None) if within || done == 0 => ModelEpoch::Within(position.epoch),
            (None, None) => ModelEpoch::Last(done),
        };
        let epochs = refit.as_ref().map_or(done, |refit| refit.epochs);
        let planned = run("epochs").and_then(toml::Value::as_integer);
        let (weights, selection) = match best {
            Some(best) => (best.weights, best.selection),
            None => (description.weights, description.selection),
        };
        let mut summary = begun.summary;
        summary.epochs = epochs;
        summary.selected_epoch = model.number();
        summary.selection = refit.as_ref().map_or(selection, |refit| refit.selection.clone());
        summary.refitted = refit.is_some();
        summary.pool = refit.and_then(|refit| refit.pool);
        summary.blends = description.blends;
        for (head, weight) in summary.heads.iter_mut().zip(weights) {
            head.weight = weight;
        }
        let [train, estimate, waiting] = description.seconds;
        summary.seconds.train = train;
        summary.seconds.estimate = estimate;
        summary.seconds.waiting = waiting;
        summary.seconds.total = summary.seconds.prepare + train + estimate;
        summary.samples_per_second = description.samples as f64 / train.max(1e-9);
        Self {
            stopped: Stopped {
                epochs,
                planned: planned.and_then(|planned| usize::try_from(planned).ok()),
                is_under_way: false,
                model,
            },
            model: ModelDescription {
                epoch: model.number(),
                pool: summary.pool.clone(),
                ..begun.model
            },
            summary,
            state: State::new(),
        }
    }
}

/// What stands in the folder from the beginning.
fn opened(path: &Path) -> Result<(Begun, toml::Table)> {
    let begun = read_begun(path)?.ok_or_else(|| Error::Run {
        folder: path.to_owned(),
        problem: "no summary.json: the run did not end; `gblend train --resume` goes on with it, as with any of an older version".into(),
    })?;
    let config = path.join("config.toml");
    let text = std::fs::read_to_string(&config).map_err(Error::read(&config))?;
    Ok((begun, toml::from_str(&text).unwrap_or_default()))
}

fn no_checkpoint(path: &Path, damaged: &[String]) -> Error {
    let problem = match damaged {
        [] => "it was stopped before its first checkpoint, so that it has no model yet; `gblend train --resume` goes on with it".to_owned(),
        damaged => format!(
            "no checkpoint can be read: {}; there is nothing to go on from, so train anew",
            damaged.join("; ")
        ),
    };
    Error::Run {
        folder: path.to_owned(),
        problem: format!("no summary.json: the run did not end, and {problem}"),
    }
}
