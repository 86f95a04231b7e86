//! Which sample a run had in which split.

use std::io::Write;
use std::path::Path;

use super::described::{bytes_of, hash_of};
use crate::error::{Error, Result};
use crate::files::write_whole_by;
use crate::records::Membership;

/// Writes it into a run folder.
///
/// # Errors
/// [`Error::Write`].
pub(super) fn write_splits(
    run: &Path,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    write_whole_by(&run.join(Membership::FILE), content)
}

/// Hash of the file, if there is one.
///
/// # Errors
/// [`Error::Read`].
pub(super) fn splits_hash(run: &Path) -> Result<Option<String>> {
    hash_of(&run.join(Membership::FILE))
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
    let bytes = bytes_of(&run.join(file))?;
    let bytes = bytes.filter(|bytes| blake3::hash(bytes).to_hex().as_str() == described);
    let bytes = bytes.ok_or_else(|| problem(format!("{file} is not the file that model.json describes")))?;
    let membership =
        Membership::read(&bytes).map_err(|error| problem(format!("{file} cannot be understood: {error}")))?;
    Ok(Some(membership))
}
