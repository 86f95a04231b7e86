//! Reads `test_samples.csv`. Nothing in it is trusted.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::records::TestSamples;

/// The largest file that is read: some ten million samples.
const LARGEST: u64 = 1 << 30;

/// The test samples of a run; `None` where the folder has no such file, as those of older versions.
///
/// # Errors
/// What is wrong with the file.
pub fn read_test_samples(folder: &Path) -> Result<Option<TestSamples>, String> {
    let name = TestSamples::FILE;
    let file = match File::open(folder.join(name)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| format!("{name} cannot be read: {error}"))?,
    };
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file of that size from a larger one.
    let read = file.take(LARGEST + 1).read_to_end(&mut bytes);
    if read.map_err(|error| format!("{name} cannot be read: {error}"))? as u64 > LARGEST {
        return Err(format!(
            "{name} is larger than {} MiB, which no run writes",
            LARGEST >> 20
        ));
    }
    let samples =
        TestSamples::parse(&bytes).map_err(|error| format!("{name} cannot be understood: {error}"))?;
    Ok(Some(samples))
}
