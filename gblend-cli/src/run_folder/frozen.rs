//! Encoders that a run never changes, kept once: no checkpoint has them.
//!
//! A run that goes on builds them as it did when it began. Who wants the model of a run that was stopped has no other place to find
//! them, and may be on another machine than the file that they come from.

use std::path::{Path, PathBuf};

use gblend_core::params::State;

use crate::error::{Error, Result};
use crate::files::{from_safetensors, to_safetensors, write_whole};

/// What its name begins with; a hash of its contents follows.
const PREFIX: &str = "frozen-";
const SUFFIX: &str = ".safetensors";

/// Keeps them in the folder of a run, if there are any.
pub(super) fn keep(run: &Path, encoders: &State) -> Result<()> {
    if encoders.is_empty() {
        return Ok(());
    }
    let bytes = to_safetensors(encoders)?;
    let name = format!("{PREFIX}{}{SUFFIX}", blake3::hash(&bytes).to_hex());
    write_whole(&run.join(name), &bytes)
}

/// Reads them.
pub(super) fn read(run: &Path) -> Result<State> {
    let problem = |problem: String| Error::Run {
        folder: run.to_owned(),
        problem,
    };
    let Some((path, hash)) = find(run) else {
        return Err(problem(format!(
            "its frozen encoders are gone: {PREFIX}….safetensors is not there; `gblend train --resume` makes them again"
        )));
    };
    let bytes = std::fs::read(&path).map_err(Error::read(&path))?;
    if blake3::hash(&bytes).to_hex().as_str() != hash {
        return Err(problem(format!(
            "{} is damaged: it has another hash than its name; `gblend train --resume` writes it again",
            path.display()
        )));
    }
    from_safetensors(&bytes).map_err(|error| problem(format!("{}: {error}", path.display())))
}

/// Removes them, once the model has them.
pub(super) fn remove(run: &Path) {
    if let Some((path, _)) = find(run) {
        // What is left takes room, and does no harm.
        let _ = std::fs::remove_file(path);
    }
}

/// Where they are, and their hash.
fn find(run: &Path) -> Option<(PathBuf, String)> {
    let entries = std::fs::read_dir(run).ok()?.flatten();
    let mut found = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let hash = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
        Some((entry.path(), hash.to_owned()))
    });
    found.next()
}
