//! `gblend report`.

use std::path::PathBuf;

use clap::Args;

use super::print;
use crate::error::{Error, Result};
use crate::report;

/// Writes a page about runs, or about a comparison: one HTML file that needs nothing else.
#[derive(Debug, Args)]
pub(super) struct Report {
    /// Run folders, of `gblend train`, or comparison folders, of `gblend compare`.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The file to write. Default: report.html in the first folder.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Report {
    pub(super) fn run(self) -> Result<()> {
        let page = report::page(&self.runs)?;
        let out = match (self.out, self.runs.first()) {
            (Some(out), _) => out,
            (None, Some(first)) => first.join("report.html"),
            (None, None) => return Err(Error::Usage("no folder is named".into())),
        };
        report::write(&out, &page)?;
        print(&out.display().to_string())
    }
}
