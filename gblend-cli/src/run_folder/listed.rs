//! What a list of runs says of one: enough to find it again, whatever state it is in.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;

use super::METRICS;
use super::comparison::is_comparison;
use crate::records::{Comparison, Summary};

/// A folder of a run or of a comparison.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Where it is.
    pub path: PathBuf,
    /// When it was begun; none where the system does not tell.
    pub begun: Option<SystemTime>,
    /// The resolved configuration, as text; none if it cannot be read.
    pub config: Option<String>,
    /// How far it is.
    pub state: ListedState,
}

/// How far a run is.
#[derive(Clone, Debug)]
pub enum ListedState {
    /// It has ended with this result.
    Ended(Box<Summary>),
    /// It has not ended; so many epochs are done.
    Open(usize),
    /// It is a comparison, as far as that is.
    Comparison(Option<Box<Comparison>>),
    /// Its result cannot be read.
    Damaged(String),
}

impl Listed {
    /// The runs and comparisons in a folder: the folder itself if it is one, else those directly in it, by their age.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub fn all(folder: &Path) -> std::io::Result<Vec<Self>> {
        if let Some(one) = Self::read(folder) {
            return Ok(vec![one]);
        }
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            found.extend(Self::read(&entry?.path()));
        }
        found.sort_by(|a, b| (a.begun, &a.path).cmp(&(b.begun, &b.path)));
        Ok(found)
    }

    /// What a folder is, if it is one of a run or of a comparison.
    fn read(path: &Path) -> Option<Self> {
        let file = path.join("config.toml");
        let begun = std::fs::metadata(&file).ok()?.modified().ok();
        Some(Self {
            begun,
            config: std::fs::read_to_string(&file).ok(),
            state: state(path),
            path: path.to_owned(),
        })
    }
}

fn state(path: &Path) -> ListedState {
    if is_comparison(path) {
        return match parsed(&path.join("compare.json")) {
            Ok(comparison) => ListedState::Comparison(comparison.map(Box::new)),
            Err(problem) => ListedState::Damaged(problem),
        };
    }
    match parsed(&path.join("summary.json")) {
        Ok(Some(summary)) => ListedState::Ended(Box::new(summary)),
        Ok(None) => ListedState::Open(epochs(path)),
        Err(problem) => ListedState::Damaged(problem),
    }
}

/// What a file says, if it is there.
fn parsed<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Option<T>, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => match serde_json::from_str(&text) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(format!("{}: {error}", path.display())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// The last epoch that `metrics.jsonl` has a line of; the last line may be cut off.
fn epochs(path: &Path) -> usize {
    #[derive(Deserialize)]
    struct Line {
        epoch: usize,
    }
    let text = std::fs::read_to_string(path.join(METRICS)).unwrap_or_default();
    let epochs = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Line>(line).ok());
    epochs.map(|line| line.epoch).max().unwrap_or(0)
}
