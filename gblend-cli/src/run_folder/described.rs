//! Files of a run folder that `model.json` describes by their hashes, and that need not be there.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// What a file holds, if it is there.
///
/// # Errors
/// [`Error::Read`].
pub(super) fn bytes_of(path: &Path) -> Result<Option<Vec<u8>>> {
    if_there(std::fs::read(path)).map_err(Error::read(path))
}

/// What was found, where a file that is not there is no error.
fn if_there<T>(found: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match found {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        found => found.map(Some),
    }
}

/// Hash of a file, if it is there.
///
/// # Errors
/// [`Error::Read`].
pub(super) fn hash_of(path: &Path) -> Result<Option<String>> {
    let Some(file) = if_there(File::open(path)).map_err(Error::read(path))? else {
        return Ok(None);
    };
    // The file may have a line for each of millions of samples.
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(Error::read(path))?;
    Ok(Some(hasher.finalize().to_hex().to_string()))
}

/// What a file says; nothing in a folder without it.
///
/// # Errors
/// [`Error::Run`] if it is damaged, or `check` refuses it; [`Error::Read`].
pub(super) fn read_json<T: DeserializeOwned>(
    run: &Path,
    file: &str,
    check: impl FnOnce(&T) -> Result<(), String>,
) -> Result<Option<T>> {
    let problem = |problem: String| Error::Run {
        folder: run.to_owned(),
        problem,
    };
    let Some(bytes) = bytes_of(&run.join(file))? else {
        return Ok(None);
    };
    let said: T = serde_json::from_slice(&bytes)
        .map_err(|error| problem(format!("{file} cannot be understood: {error}")))?;
    check(&said).map_err(problem)?;
    Ok(Some(said))
}
