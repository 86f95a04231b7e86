//! The files of checkpoints and probes: arrays, checksums, and what is removed.

use std::path::Path;

use gblend_core::params::State;
use serde::Serialize;

use super::contents::{FORMAT, FORMAT_NUMBER};
use crate::error::Result;
use crate::files::{from_safetensors, to_safetensors, write_whole};

/// The name of the format that is written.
pub(super) fn format_name() -> String {
    format!("{FORMAT}{FORMAT_NUMBER}")
}

/// Hash of what a JSON file says, as compact JSON.
pub(super) fn checksum(content: &impl Serialize) -> Result<String, String> {
    let text = serde_json::to_vec(content).map_err(|error| error.to_string())?;
    Ok(blake3::hash(&text).to_hex().to_string())
}

/// Reads arrays whose file had this hash when it was written.
pub(super) fn read_arrays(folder: &Path, name: &str, hash: &str) -> Result<State, String> {
    let bytes = std::fs::read(folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
    if blake3::hash(&bytes).to_hex().as_str() != hash {
        return Err(format!("{name} is not the file that was written"));
    }
    from_safetensors(&bytes).map_err(|problem| format!("{name}: {problem}"))
}

/// Writes arrays, and returns the hash of their file.
pub(super) fn write_arrays(folder: &Path, name: &str, state: &State) -> Result<String> {
    let bytes = to_safetensors(state)?;
    write_whole(&folder.join(name), &bytes)?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// Removes files by name. What cannot be removed does no harm.
pub(super) fn remove(folder: &Path, unwanted: impl Fn(&str) -> bool) {
    for name in names(folder).filter(|name| unwanted(name)) {
        let _ = std::fs::remove_file(folder.join(name));
    }
}

/// The names of the files in a folder.
pub(super) fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}
