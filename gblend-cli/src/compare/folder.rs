//! The folder of a comparison.

use std::path::{Path, PathBuf};

use super::measured::Done;
use super::plan::Cell;
use crate::config::{Config, task_differences};
use crate::error::{Error, Result};
use crate::files::{FolderLock, to_json, write_whole};
use crate::records::{Comparison, Summary};
use crate::run_folder::{origins_hold, read_begun};

/// What a run writes into its folder, the first and the last of it, and no comparison does.
const RUN_FILES: [&str; 4] = ["metrics.jsonl", "checkpoints", "model.json", "summary.json"];

/// A comparison's folder, which nobody else writes to as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Whether it was not there before.
    is_new: bool,
    _lock: FolderLock,
}

impl Folder {
    /// Makes the folder, or opens that of an earlier comparison of the same configuration.
    ///
    /// # Errors
    /// [`Error::Run`] if it is of another configuration, or another process is at work in it; [`Error::Write`].
    pub(super) fn open(path: &Path, config: &Config) -> Result<Self> {
        let is_new = !path.exists();
        std::fs::create_dir_all(path).map_err(Error::write(path))?;
        let problem = |problem: &str| Error::Run {
            folder: path.to_owned(),
            problem: problem.to_owned(),
        };
        let lock = FolderLock::take(path)?;
        // Its configuration may be the same, but what is written there would hide it.
        if RUN_FILES.iter().any(|name| path.join(name).exists()) {
            return Err(problem(
                "is a run's, and no comparison's; name another folder with --out",
            ));
        }
        let config_path = path.join("config.toml");
        let text = config.to_toml()?;
        match std::fs::read_to_string(&config_path) {
            Ok(found) => match &task_differences(&found, &text)[..] {
                [] => {}
                differences => {
                    let named = differences.iter().map(|key| match key.as_str() {
                        "run.fold" => "run.fold, which --folds sets",
                        key => key,
                    });
                    return Err(problem(&format!(
                        "holds a comparison of another configuration ({}); name another folder with --out, or remove this one",
                        named.collect::<Vec<_>>().join(", ")
                    )));
                }
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut entries = std::fs::read_dir(path).map_err(Error::read(path))?;
                if entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != FolderLock::NAME)) {
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
            is_new,
            _lock: lock,
        })
    }

    /// Takes a folder away that was made for a comparison of which nothing ran: it would be in the way of the next one.
    pub(super) fn discard_unused(self) {
        let used = ["cells", "tuning", "compare.json"]
            .iter()
            .any(|name| self.path.join(name).exists());
        if self.is_new && !used {
            for name in ["config.toml", FolderLock::NAME] {
                let _ = std::fs::remove_file(self.path.join(name));
            }
            // Only if it is empty.
            let _ = std::fs::remove_dir(&self.path);
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The result of a cell that is done.
    pub(super) fn finished(&self, cell: &Cell) -> Option<Done> {
        let folder = self.path.join(&cell.folder);
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        let summary = read("summary.json")?;
        if !task_differences(&read("config.toml")?, &cell.config).is_empty() {
            return None;
        }
        if !origins_hold(&folder, &base_of(&cell.config)) {
            return None;
        }
        let summary: Summary = serde_json::from_str(&summary).ok()?;
        Some(Done::of(&summary, &folder))
    }

    /// The version of gblend that ran a cell, as far as its folder knows.
    pub(super) fn version_of(&self, cell: &Cell) -> Option<String> {
        Some(read_begun(&self.path.join(&cell.folder)).ok()??.gblend)
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

/// The folder that relative paths of a resolved configuration start from.
fn base_of(config: &str) -> PathBuf {
    let config: Option<toml::Table> = toml::from_str(config).ok();
    let base = config
        .as_ref()
        .and_then(|config| config.get("run")?.get("base")?.as_str());
    base.map(PathBuf::from).unwrap_or_default()
}
