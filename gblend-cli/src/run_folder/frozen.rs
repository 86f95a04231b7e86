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

/// Keeps them in the folder of a run, if there are any. What a run began with stays: one that goes on with other encoders is
/// refused, and its checkpoints are of these.
pub(super) fn keep(run: &Path, encoders: &State) -> Result<()> {
    if encoders.is_empty() {
        return Ok(());
    }
    let bytes = to_safetensors(encoders)?;
    let hash = blake3::hash(&bytes).to_hex();
    match find(run) {
        Some((_, kept)) if kept != hash.as_str() => Ok(()),
        _ => write_whole(&run.join(format!("{PREFIX}{hash}{SUFFIX}")), &bytes),
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::Array;

    fn encoders(value: f32) -> State {
        State::from([(
            "camera.encoder.weight".to_owned(),
            Array::new([1], vec![value]).unwrap(),
        )])
    }

    #[test]
    fn encoders_come_back_as_the_run_began_with_them_whatever_comes_later() {
        let run = tempfile::tempdir().unwrap();
        keep(run.path(), &encoders(1.0)).unwrap();
        keep(run.path(), &encoders(2.0)).unwrap();
        assert_eq!(read(run.path()).unwrap(), encoders(1.0));
        remove(run.path());
        assert!(read(run.path()).is_err() && find(run.path()).is_none());
    }

    #[test]
    fn damaged_encoders_are_told_and_written_again() {
        let run = tempfile::tempdir().unwrap();
        keep(run.path(), &encoders(1.0)).unwrap();
        let (path, _) = find(run.path()).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(read(run.path()).unwrap_err().to_string().contains("damaged"));
        keep(run.path(), &encoders(1.0)).unwrap();
        assert_eq!(read(run.path()).unwrap(), encoders(1.0));
    }
}
