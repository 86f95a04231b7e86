//! The folder of a comparison where that of a run was meant.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// As many runs as a message lists.
const LISTED: usize = 12;

/// Whether a folder is that of a comparison.
pub(super) fn is_comparison(folder: &Path) -> bool {
    let mut names = ["compare.json", "cells", "tuning"].iter();
    names.any(|name| folder.join(name).exists())
}

/// Refuses the folder of a comparison, which has runs and is none: nothing may be trained or written in it as in a run's.
///
/// # Errors
/// [`Error::Run`] with the runs that it has.
pub fn refuse_comparison(folder: &Path) -> Result<()> {
    if !is_comparison(folder) {
        return Ok(());
    }
    let mut runs = Vec::new();
    find_runs(&folder.join("cells"), 0, &mut runs);
    runs.sort();
    let listed = runs
        .iter()
        .take(LISTED)
        .map(|run| format!("\n  {}", run.display()));
    let listed: String = listed.collect();
    let more = match runs.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    let problem = match runs.is_empty() {
        true => "a comparison, and no run; none of its runs has ended: the `gblend compare` that began it goes on with it"
            .to_owned(),
        false => format!(
            "a comparison, and no run: `gblend report {}` shows all of it, and its runs are{listed}{more}",
            folder.display()
        ),
    };
    Err(Error::Run {
        folder: folder.to_owned(),
        problem,
    })
}

/// The folders of runs that have ended, at most two below: a method's, and in it one for each seed.
fn find_runs(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.join("summary.json").is_file() {
            found.push(path);
        } else if depth == 0 && path.is_dir() {
            find_runs(&path, depth + 1, found);
        }
    }
}
