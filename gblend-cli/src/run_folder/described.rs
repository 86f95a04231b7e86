//! Files of a run folder that `model.json` describes by their hashes, and that need not be there.

use std::io::ErrorKind;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// What a file holds, if it is there.
///
/// # Errors
/// [`Error::Read`].
pub(super) fn bytes_of(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::read(path)(error)),
    }
}

/// Hash of a file, if it is there.
///
/// # Errors
/// [`Error::Read`].
pub(super) fn hash_of(path: &Path) -> Result<Option<String>> {
    Ok(bytes_of(path)?.map(|bytes| blake3::hash(&bytes).to_hex().to_string()))
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
