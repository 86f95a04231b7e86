//! Which sample a run had in which split.

use std::io::ErrorKind;
use std::path::Path;

use crate::error::{Error, Result};
use crate::files::write_whole;
use crate::records::Membership;

/// Writes it into a run folder.
///
/// # Errors
/// [`Error::Write`].
pub(super) fn write_splits(run: &Path, text: &[u8]) -> Result<()> {
    write_whole(&run.join(Membership::FILE), text)
}

/// Hash of the file, if there is one.
///
/// # Errors
/// [`Error::Read`].
pub(super) fn splits_hash(run: &Path) -> Result<Option<String>> {
    Ok(bytes(run)?.map(|bytes| hash(&bytes)))
}

/// Reads it, as the model beside it describes it; nothing where an older version of gblend described the model.
///
/// # Errors
/// [`Error::Run`] if it is gone, damaged or another one, [`Error::Read`].
pub(super) fn read_splits(run: &Path, described: Option<&str>) -> Result<Option<Membership>> {
    let problem = |problem: String| Error::Run {
        folder: run.to_owned(),
        problem,
    };
    let Some(described) = described else {
        return Ok(None);
    };
    let file = Membership::FILE;
    let bytes = bytes(run)?.filter(|bytes| hash(bytes) == described);
    let bytes = bytes.ok_or_else(|| problem(format!("{file} is not the file that model.json describes")))?;
    let membership =
        Membership::read(&bytes).map_err(|error| problem(format!("{file} cannot be understood: {error}")))?;
    Ok(Some(membership))
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn bytes(run: &Path) -> Result<Option<Vec<u8>>> {
    let path = run.join(Membership::FILE);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::read(&path)(error)),
    }
}
