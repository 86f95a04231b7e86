//! `gblend report`: one HTML file about runs or comparisons, which needs neither a network nor a script.
//!
//! `reading` takes folders apart, `charts` draws, `advice` says what to try next, `page` puts it together.

mod advice;
mod charts;
mod page;
mod reading;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::files::write_whole;
use reading::Source;

/// The page about these run folders and comparison folders. The same folders give the same page.
///
/// # Errors
/// [`Error::Run`](crate::Error::Run) naming the folder, the file and what is wrong with it; a run that did not end is
/// one.
pub fn page(folders: &[PathBuf]) -> Result<String> {
    let sources = folders
        .iter()
        .map(|folder| Source::read(folder))
        .collect::<Result<Vec<_>>>()?;
    page::of(&sources)
}

/// Writes a page whole or not at all.
///
/// # Errors
/// [`Error::Write`](crate::Error::Write).
pub fn write(path: &Path, page: &str) -> Result<()> {
    write_whole(path, page.as_bytes())
}
