//! Reads what runs and comparisons leave behind, without the parameters. Nothing in a file is trusted.

mod comparison;
mod run;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

#[cfg(test)]
pub(super) use comparison::Cell;
pub(super) use comparison::{Compared, label};
pub(super) use run::Run;

/// The largest file that is read: metrics of a hundred thousand epochs.
const LARGEST: u64 = 64 << 20;

/// One folder that a page is about.
#[derive(Debug)]
pub(super) enum Source {
    /// A run folder.
    Run(Box<Run>),
    /// A comparison folder.
    Comparison(Box<Compared>),
}

impl Source {
    /// Reads a folder of either kind.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        if folder.join("compare.json").is_file() {
            Ok(Self::Comparison(Box::new(Compared::read(folder)?)))
        } else {
            Ok(Self::Run(Box::new(Run::read(folder)?)))
        }
    }
}

/// What is wrong with a folder.
fn problem(folder: &Path, problem: impl Into<String>) -> Error {
    Error::Run {
        folder: folder.to_owned(),
        problem: problem.into(),
    }
}

/// The text of a file in a folder.
fn text(folder: &Path, name: &str) -> Result<String> {
    let path = folder.join(name);
    let file = File::open(&path).map_err(Error::read(&path))?;
    let mut text = String::new();
    // One byte more than allowed tells a file of that size from a larger one.
    let read = file.take(LARGEST + 1).read_to_string(&mut text);
    let read = read.map_err(Error::read(&path))? as u64;
    if read > LARGEST {
        let expected = LARGEST >> 20;
        return Err(problem(
            folder,
            format!("{name} is larger than {expected} MiB, which no run writes"),
        ));
    }
    Ok(text)
}

/// A JSON file in a folder.
fn json<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T> {
    serde_json::from_str(&text(folder, name)?)
        .map_err(|error| problem(folder, format!("{name} cannot be understood: {error}")))
}
