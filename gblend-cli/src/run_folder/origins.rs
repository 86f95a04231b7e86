//! What the pre-trained encoders of a run were initialized from.
//!
//! It is written before the first epoch and never changes: a run that goes on may have to begin anew from it.

use std::path::Path;

use super::described::{hash_of, read_json};
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
    match read_origins(run)?.changed(now) {
        None => Ok(()),
        Some((modality, origin, found)) => Err(Error::Run {
            folder: run.to_owned(),
            problem: format!(
                "modality.{modality}.pretrained: {} is not what it was when the run began (blake3 {}, now {found}); bring it \
                 back, or train anew",
                origin.from, origin.blake3
            ),
        }),
    }
}

/// Whether what a run's encoders were initialized from is still what it was, where it is still there. Relative paths start from
/// `base`.
pub fn origins_hold(run: &Path, base: &Path) -> bool {
    let Ok(origins) = read_origins(run) else {
        return false;
    };
    origins.modalities.values().all(|origin| {
        let path = base.join(&origin.from);
        let file = match path.is_dir() {
            true => path.join("model.safetensors"),
            false => path,
        };
        match hash_of(&file) {
            Ok(Some(hash)) => hash == origin.blake3,
            Ok(None) => true,
            Err(_) => false,
        }
    })
}

/// What the pre-trained encoders of a run were initialized from; nothing in a folder without the file.
fn read_origins(run: &Path) -> Result<Origins> {
    Ok(read_json(run, ORIGINS, Origins::check_format)?.unwrap_or_default())
}
