//! What the modalities of a run have fitted to its training samples.
//!
//! It is written before the first epoch and never changes: checkpoints and the model beside it belong to it.

use std::io::ErrorKind;
use std::path::Path;

use crate::error::{Error, Result};
use crate::files::{to_json, write_whole};
use crate::records::FittedModalities;

const FITTED: &str = "fitted.json";

/// Writes it into a run folder, if there is any.
///
/// # Errors
/// [`Error::Write`].
pub(super) fn write_fitted(run: &Path, fitted: &FittedModalities) -> Result<()> {
    if fitted.is_empty() {
        return Ok(());
    }
    write_whole(&run.join(FITTED), &to_json(fitted)?)
}

/// Hash of the file, if there is one.
///
/// # Errors
/// [`Error::Read`].
pub(super) fn fitted_hash(run: &Path) -> Result<Option<String>> {
    Ok(bytes(run)?.map(|bytes| blake3::hash(&bytes).to_hex().to_string()))
}

/// What the modalities of a run have fitted; nothing in a folder without the file.
///
/// # Errors
/// [`Error::Run`] if it is damaged or of another version of gblend, [`Error::Read`].
pub fn read_fitted(run: &Path) -> Result<FittedModalities> {
    let problem = |problem: String| Error::Run {
        folder: run.to_owned(),
        problem,
    };
    let Some(bytes) = bytes(run)? else {
        return Ok(FittedModalities::default());
    };
    let fitted: FittedModalities = serde_json::from_slice(&bytes)
        .map_err(|error| problem(format!("{FITTED} cannot be understood: {error}")))?;
    fitted.check_format().map_err(problem)?;
    Ok(fitted)
}

fn bytes(run: &Path) -> Result<Option<Vec<u8>>> {
    let path = run.join(FITTED);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::read(&path)(error)),
    }
}
