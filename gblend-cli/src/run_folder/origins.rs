//! What the pre-trained encoders of a run were initialized from.
//!
//! It is written before the first epoch and never changes: a run that goes on may have to begin anew from it.

use std::path::Path;

use super::described::bytes_of;
use crate::error::{Error, Result};
use crate::files::{to_json, write_whole};
use crate::records::Origins;

const ORIGINS: &str = "pretrained.json";

/// Writes it into a run folder, if there is any.
///
/// # Errors
/// [`Error::Write`].
pub(super) fn write_origins(run: &Path, origins: &Origins) -> Result<()> {
    if origins.is_empty() {
        return Ok(());
    }
    write_whole(&run.join(ORIGINS), &to_json(origins)?)
}

/// Refuses to go on with a run whose encoders would be initialized from other parameters now. Runs from before there was such a
/// file are not asked.
///
/// # Errors
/// [`Error::Run`] if they would, or the file is damaged or of another version of gblend; [`Error::Read`].
pub(super) fn check_origins(run: &Path, now: &Origins) -> Result<()> {
    let problem = |problem: String| Error::Run {
        folder: run.to_owned(),
        problem,
    };
    let Some(bytes) = bytes_of(&run.join(ORIGINS))? else {
        return Ok(());
    };
    let before: Origins = serde_json::from_slice(&bytes)
        .map_err(|error| problem(format!("{ORIGINS} cannot be understood: {error}")))?;
    before.check_format().map_err(problem)?;
    match before.changed(now) {
        None => Ok(()),
        Some((modality, origin, found)) => Err(problem(format!(
            "modality.{modality}.pretrained: {} is not what it was when the run began (blake3 {}, now {found}); bring it \
             back, or train anew",
            origin.from, origin.blake3
        ))),
    }
}
