//! What a run knows of itself before its first step.

use std::path::Path;

use chrono::{Local, SecondsFormat};

use super::described::read_json;
use super::splits::read_splits;
use crate::error::Result;
use crate::files::{to_json, write_whole};
use crate::records::{Begun, Membership, ModelDescription, Summary};

/// Writes it. A run that goes on was begun when it was.
///
/// # Errors
/// [`Error::Write`](crate::Error::Write).
pub(super) fn write_begun(run: &Path, model: ModelDescription, summary: Summary) -> Result<()> {
    let before = read_begun(run).ok().flatten();
    let now = || Local::now().to_rfc3339_opts(SecondsFormat::Secs, false);
    let mut begun = Begun::new(String::new(), model, summary);
    match before {
        Some(before) => {
            begun.begun = before.begun;
            begun.gblend = before.gblend;
        }
        None => begun.begun = now(),
    }
    write_whole(&run.join(Begun::FILE), &to_json(&begun)?)
}

/// What a run folder says of it; nothing in those of older versions.
///
/// # Errors
/// [`Error::Run`](crate::Error::Run) if the file is damaged or of another format, [`Error::Read`](crate::Error::Read).
pub fn read_begun(run: &Path) -> Result<Option<Begun>> {
    read_json(run, Begun::FILE, Begun::check_format)
}

/// Which sample a run had in which split when it began; nothing in the folders of older versions.
///
/// # Errors
/// [`Error::Run`](crate::Error::Run) if a file is gone, damaged or of another format, [`Error::Read`](crate::Error::Read).
pub fn read_membership_at_begin(run: &Path) -> Result<Option<Membership>> {
    match read_begun(run)? {
        Some(begun) => read_splits(run, begun.model.splits_blake3.as_deref()),
        None => Ok(None),
    }
}
