//! Doors to the readers of arrays with a row for each sample, for the targets in `fuzz/`; no part of the interface.
//!
//! Each one says whether the bytes were accepted.
#![allow(missing_docs)]

use std::io::Write;

use super::super::blob::Blob;
use super::RowFile;

/// Bytes of an array that is unpacked.
const LIMIT: usize = 1 << 26;

/// The rows of an array of a `.npz` file.
pub fn npz(bytes: &[u8]) -> bool {
    rows(bytes, ".npz")
}

/// The rows of an array of a `.safetensors` file.
pub fn safetensors(bytes: &[u8]) -> bool {
    rows(bytes, ".safetensors")
}

/// The first and the last row of each array of a file, which has to lie on disk.
fn rows(bytes: &[u8], suffix: &str) -> bool {
    let Ok(mut file) = tempfile::Builder::new().suffix(suffix).tempfile() else {
        return false;
    };
    if file.write_all(bytes).is_err() {
        return false;
    }
    let blob = || Blob::file(format!("fuzz{suffix}"), file.path().to_owned());
    let Ok(keys) = blob()
        .map_err(Into::into)
        .and_then(|blob| RowFile::keys(&blob, LIMIT))
    else {
        return false;
    };
    let read = |key: Option<&str>| {
        let file = RowFile::open(blob()?, key, LIMIT)?;
        let last = file.rows().saturating_sub(1);
        file.row(0)?;
        file.row(last)
    };
    keys.iter().any(|key| read(key.as_deref()).is_ok())
}
