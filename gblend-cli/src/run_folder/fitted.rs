//! What the modalities of a run have fitted to its training samples.
//!
//! It is written before the first epoch and never changes: checkpoints and the model beside it belong to it.

use std::path::Path;

use super::described::{hash_of, read_json};
use crate::error::Result;
use crate::files::{to_json, write_whole};
use crate::records::FittedModalities;

const FITTED: &str = "fitted.json";

/// Writes it into a run folder, if there is any.
///
/// # Errors
/// [`Error::Write`](crate::error::Error::Write).
pub(super) fn write_fitted(run: &Path, fitted: &FittedModalities) -> Result<()> {
    if fitted.is_empty() {
        return Ok(());
    }
    write_whole(&run.join(FITTED), &to_json(fitted)?)
}

/// Hash of the file, if there is one.
///
/// # Errors
/// [`Error::Read`](crate::error::Error::Read).
pub(super) fn fitted_hash(run: &Path) -> Result<Option<String>> {
    hash_of(&run.join(FITTED))
}

/// What the modalities of a run have fitted; nothing in a folder without the file.
///
/// # Errors
/// [`Error::Run`](crate::error::Error::Run) if it is damaged or of another version of gblend, [`Error::Read`](crate::error::Error::Read).
pub fn read_fitted(run: &Path) -> Result<FittedModalities> {
    Ok(read_json(run, FITTED, FittedModalities::check_format)?.unwrap_or_default())
}
