//! The folder of a comparison.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::plan::Cell;
use super::result::Comparison;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::run_folder::{Summary, to_json, write_whole};

/// The format of `compare.json`; another format gets another number.
pub const FORMAT: &str = "gblend-compare-1";

/// A comparison's folder, which nobody else writes to as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder, or opens that of an earlier comparison of the same configuration.
    ///
    /// # Errors
    /// [`Error::Run`] if it is of another configuration, or another process is at work in it; [`Error::Write`].
    pub(super) fn open(path: &Path, config: &Config) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(Error::write(path))?;
        let problem = |problem: &str| Error::Run {
            folder: path.to_owned(),
            problem: problem.to_owned(),
        };
        let lock_path = path.join(".lock");
        let lock = File::create(&lock_path).map_err(Error::write(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(problem("another gblend is comparing in this folder"));
            }
            Err(TryLockError::Error(error)) => return Err(Error::write(&lock_path)(error)),
        }
        let config_path = path.join("config.toml");
        let text = config.to_toml()?;
        match std::fs::read_to_string(&config_path) {
            Ok(found) if same_task(&found, &text) => {}
            Ok(_) => {
                return Err(problem(
                    "holds a comparison of another configuration; name another folder with --out, or remove this one",
                ));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut entries = std::fs::read_dir(path).map_err(Error::read(path))?;
                if entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != ".lock")) {
                    return Err(problem(
                        "is not empty, and no comparison's; name another folder with --out, or remove this one",
                    ));
                }
                write_whole(&config_path, text.as_bytes())?;
            }
            Err(error) => return Err(Error::read(&config_path)(error)),
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The result of a cell that is done.
    pub(super) fn finished(&self, cell: &Cell) -> Option<Summary> {
        let folder = self.path.join(&cell.folder);
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        let summary = read("summary.json")?;
        if same_task(&read("config.toml")?, &cell.config) {
            serde_json::from_str(&summary).ok()
        } else {
            None
        }
    }

    /// Where a cell's run goes: whatever an unfinished one left there is removed.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(super) fn clear(&self, cell: &Cell) -> Result<PathBuf> {
        let folder = self.path.join(&cell.folder);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::write(&folder)(error)),
            _ => Ok(folder),
        }
    }

    /// Writes `compare.json`.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(super) fn write(&self, comparison: &Comparison) -> Result<()> {
        write_whole(&self.path.join("compare.json"), &to_json(comparison)?)
    }
}

/// Whether two configurations ask for the same to the bit: how many threads compute, where prepared samples are kept and
/// what is logged has no say.
fn same_task(a: &str, b: &str) -> bool {
    let essence = |text: &str| {
        let mut table: toml::Table = toml::from_str(text).ok()?;
        table.remove("log");
        if let Some(toml::Value::Table(run)) = table.get_mut("run") {
            run.retain(|key, _| !matches!(key, "threads" | "memory" | "cache"));
        }
        if let Some(toml::Value::Table(modalities)) = table.get_mut("modality") {
            // Inside a comparison, whose folder may have been moved.
            for (_, modality) in modalities.iter_mut() {
                modality
                    .as_table_mut()
                    .map(|modality| modality.remove("pretrained"));
            }
        }
        Some(table)
    };
    matches!((essence(a), essence(b)), (Some(a), Some(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_do_not_make_another_task_and_epochs_do() {
        let config =
            |threads: usize, epochs: usize| format!("[run]\nthreads = {threads}\nepochs = {epochs}\n");
        assert!(same_task(&config(1, 20), &config(2, 20)));
        assert!(!same_task(&config(1, 20), &config(1, 21)));
        assert!(!same_task("no toml", "no toml"));
    }
}
