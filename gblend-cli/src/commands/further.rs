//! `--table`, `--root` and `--shards`: samples that are not those of the run.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use gblend_core::FurtherPlace;
use tempfile::NamedTempFile;

use crate::error::{Error, Result};
use crate::progress::Reporter;
use crate::training::{Predicted, Predictor, Unfamiliar};

/// The options.
#[derive(Debug, Default, Args)]
pub(super) struct FurtherFiles {
    /// A table of samples that are not those of the run, read as the run's own is; what else it says does not matter. `-` reads
    /// it from stdin.
    #[arg(long, value_name = "FILE")]
    pub(super) table: Option<PathBuf>,
    /// The folder that paths in the table start from. Default: the table's.
    #[arg(long, value_name = "FOLDER", requires = "table", conflicts_with = "shards")]
    pub(super) root: Option<PathBuf>,
    /// WebDataset shards of samples that are not those of the run; with --table, what its paths are looked up in.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) shards: Vec<PathBuf>,
}

/// The files, as they can be opened.
pub(super) struct Given {
    table: Option<PathBuf>,
    root: Option<PathBuf>,
    shards: Vec<PathBuf>,
    /// What came from stdin, until it is read.
    _from_stdin: Option<NamedTempFile>,
}

impl FurtherFiles {
    /// Whether any are named.
    pub(super) fn are_given(&self) -> bool {
        self.table.is_some() || !self.shards.is_empty()
    }

    /// Makes them ready.
    ///
    /// # Errors
    /// If stdin cannot be read, or kept.
    pub(super) fn open(self) -> Result<Given> {
        if self.table.as_deref() != Some(Path::new("-")) {
            return Ok(Given {
                table: self.table,
                root: self.root,
                shards: self.shards,
                _from_stdin: None,
            });
        }
        let stdin = Path::new("stdin");
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map_err(Error::read(stdin))?;
        let kept = tempfile::Builder::new()
            .prefix("stdin-")
            .suffix(format_of(&bytes))
            .tempfile();
        let mut kept = kept.map_err(Error::write(stdin))?;
        kept.write_all(&bytes).map_err(Error::write(stdin))?;
        Ok(Given {
            table: Some(kept.path().to_owned()),
            // Paths in it start from where one is.
            root: self.root.or(self.shards.is_empty().then(|| PathBuf::from("."))),
            shards: self.shards,
            _from_stdin: Some(kept),
        })
    }
}

impl Given {
    pub(super) fn place(&self) -> FurtherPlace<'_> {
        FurtherPlace::Files {
            table: self.table.as_deref(),
            root: self.root.as_deref(),
            shards: &self.shards,
        }
    }
}

/// What is wrong with samples, or odd about them.
#[derive(Debug, Default)]
pub(super) struct Oddities {
    /// Those that cannot be used.
    bad: usize,
    first_bad: Option<String>,
    /// By the position of the modality and the value's.
    unfamiliar: BTreeMap<(usize, usize), Unfamiliar>,
}

/// Columns that are told one by one.
const LISTED: usize = 5;

impl Oddities {
    /// Counts those of a block.
    pub(super) fn count(&mut self, predicted: &Predicted) {
        self.bad += predicted.faults.len();
        if self.first_bad.is_none() {
            self.first_bad = predicted.faults.values().next().cloned();
        }
        for (value, found) in &predicted.unfamiliar {
            let all = self.unfamiliar.entry(*value).or_insert(Unfamiliar {
                samples: 0,
                first: found.first,
            });
            all.samples += found.samples;
        }
    }

    /// Tells of them, if there are any.
    ///
    /// # Errors
    /// [`Error::Usage`] if no sample can be used.
    pub(super) fn tell(self, predictor: &Predictor<'_>, reporter: &Reporter) -> Result<()> {
        let total = predictor.source().len();
        if let Some(first) = self.first_bad {
            let count = self.bad;
            if count == total {
                return Err(Error::Usage(format!(
                    "none of {total} samples can be used, such as: {first}"
                )));
            }
            reporter.warn(&format!(
                "{count} of {total} samples cannot be used, such as: {first}"
            ));
        }
        for (&(modality, value), found) in self.unfamiliar.iter().take(LISTED) {
            reporter.warn(&format!(
                "{}: {} of {total} samples, such as `{}`, have there what no training sample had, a category of another name, a \
                 number far beyond theirs or a text without a known word; it says little to the model",
                predictor.value_name(modality, value),
                found.samples,
                predictor.source().sample(found.first).id,
            ));
        }
        if let Some(more) = self.unfamiliar.len().checked_sub(LISTED).filter(|&more| more > 0) {
            reporter.warn(&format!("so it is with {more} further columns"));
        }
        Ok(())
    }
}

/// The end of the name of a file with this table in it.
fn format_of(bytes: &[u8]) -> &'static str {
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    let header = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    match first {
        _ if bytes.starts_with(b"PAR1") => ".parquet",
        Some(b'{') => ".jsonl",
        _ if header.contains(&b'\t') && !header.contains(&b',') => ".tsv",
        _ => ".csv",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_from_stdin_is_known_by_its_beginning() {
        for (bytes, expected) in [
            (&b"id,x\n1,2\n"[..], ".csv"),
            (b"id\tx\n", ".tsv"),
            (b"id\tx,y\n", ".csv"),
            (b"  {\"x\": 1}\n", ".jsonl"),
            ("\u{feff}{\"x\": 1}".as_bytes(), ".jsonl"),
            (b"PAR1\x00", ".parquet"),
            (b"", ".csv"),
        ] {
            assert_eq!(format_of(bytes), expected, "{bytes:?}");
        }
    }
}
