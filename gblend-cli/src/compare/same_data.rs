//! Whether the dataset is still the one that the finished runs of a comparison saw.
//!
//! A table of methods is of one dataset. Runs that were made before a label was mended or a row was added stand beside those
//! that come after, and nothing in their figures tells; and when all runs are done, what is printed again is of the dataset as
//! it was. So a comparison that goes on opens the dataset as one of its finished runs did, and looks for that run's samples.

use std::path::Path;

use super::plan::Cell;
use crate::config::Config;
use crate::data::Differences;
use crate::error::{Error, Result};
use crate::progress::Reporter;
use crate::run_folder::{TrainedRun, read_fitted};
use crate::training::session::{Session, with_threads};

/// Refuses a dataset that is not the one that a finished run, whose folder is in that of the comparison, was made of. Older
/// runs that kept no samples, and contents of very large datasets, are not asked.
///
/// # Errors
/// [`Error::Run`] if samples are new, gone, or have other labels or contents; what is wrong with the dataset.
pub(super) fn check_same_data(
    comparison: &Path,
    cell: &Cell,
    base: &Config,
    threads: usize,
    reporter: &Reporter,
) -> Result<()> {
    let run = comparison.join(&cell.folder);
    let Some(membership) = TrainedRun::membership_of_ended(&run)? else {
        return Ok(());
    };
    let config = Config::parse(&cell.folder, &cell.config, base.base.clone(), &[])?;
    let fitted = read_fitted(&run)?;
    let differences = with_threads(threads, || {
        let (session, _) = Session::open_remembering(&config, &fitted, &membership, reporter)?;
        Ok(session.differences)
    })?;
    match differences.as_ref().and_then(Differences::told) {
        None => Ok(()),
        Some(told) => Err(Error::Run {
            folder: comparison.to_owned(),
            problem: format!(
                "the dataset is not what its runs were made of ({}): {told}; bring the samples back, or name another folder with --out",
                cell.folder
            ),
        }),
    }
}
