//! Checkpoints on disk.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::contents::{Arrays, Checkpoint, Description, FORMAT, FORMAT_NUMBER};
use super::files::{checksum, format_name, names, read_arrays, remove, write_arrays};
use super::probes;
use crate::error::{Error, Result};
use crate::files::{to_json, write_whole};

/// Checkpoints kept.
const KEPT: usize = 2;

/// The checkpoints of a run.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// The number of the next one.
    next: u64,
}

/// The JSON file of a checkpoint.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    /// Hash of the arrays' file.
    arrays: String,
    /// Hash of the description as compact JSON.
    checksum: String,
    description: Description,
}

/// The format alone, which decides whether the rest can be understood.
#[derive(Deserialize)]
struct Header {
    format: String,
}

/// What was found on disk.
#[derive(Debug)]
pub struct Found {
    /// The newest checkpoint that is whole; with its best parameters, if it has any.
    pub checkpoint: Option<Checkpoint>,
    /// What is wrong with newer ones.
    pub damaged: Vec<String>,
}

impl Store {
    /// The checkpoints in this folder, which need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        let next = numbers(&folder).last().map_or(1, |last| last + 1);
        Self { folder, next }
    }

    /// The newest whole checkpoint for which `usable` finds nothing wrong.
    ///
    /// # Errors
    /// [`Error::Run`] for a checkpoint of a format that this version does not know.
    pub fn newest(&self, usable: impl Fn(&Description) -> Result<(), String>) -> Result<Found> {
        let mut damaged = Vec::new();
        for number in numbers(&self.folder).into_iter().rev() {
            let read = self.read(number)?;
            match read.and_then(|checkpoint| usable(&checkpoint.description).map(|()| checkpoint)) {
                Ok(checkpoint) => {
                    return Ok(Found {
                        checkpoint: Some(checkpoint),
                        damaged,
                    });
                }
                Err(problem) => damaged.push(problem),
            }
        }
        Ok(Found {
            checkpoint: None,
            damaged,
        })
    }

    /// Whether there is no checkpoint, not even a damaged one.
    pub fn is_empty(&self) -> bool {
        numbers(&self.folder).is_empty()
    }

    /// What the newest checkpoint says that can be read, without its arrays.
    pub fn newest_description(&self) -> Option<Description> {
        numbers(&self.folder).into_iter().rev().find_map(|number| {
            let text = std::fs::read(self.folder.join(format!("{number}.json"))).ok()?;
            let file: File = serde_json::from_slice(&text).ok()?;
            let whole = file.format == format_name() && checksum(&file.description).ok()? == file.checksum;
            whole.then_some(file.description)
        })
    }

    /// A checkpoint, or what is wrong with it.
    fn read(&self, number: u64) -> Result<Result<Checkpoint, String>> {
        let name = format!("{number}.json");
        let text = match std::fs::read(self.folder.join(&name)) {
            Ok(text) => text,
            Err(error) => return Ok(Err(format!("{name}: {error}"))),
        };
        if let Ok(Header { format }) = serde_json::from_slice::<Header>(&text)
            && let Some(found) = format
                .strip_prefix(FORMAT)
                .and_then(|number| number.parse::<u64>().ok())
            && found != FORMAT_NUMBER
        {
            return Err(Error::Run {
                folder: self.folder.clone(),
                problem: format!(
                    "{name} has the format {format}, this gblend {} writes {FORMAT}{FORMAT_NUMBER}: resume with the gblend that \
                     wrote it",
                    env!("CARGO_PKG_VERSION")
                ),
            });
        }
        Ok(self
            .read_known(number, &text)
            .map_err(|problem| format!("{name}: {problem}")))
    }

    fn read_known(&self, number: u64, text: &[u8]) -> Result<Checkpoint, String> {
        let file: File = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if file.format != format_name() {
            return Err(format!(
                "the format `{}`, expected {}",
                file.format,
                format_name()
            ));
        }
        if checksum(&file.description)? != file.checksum {
            return Err("its content is not what its checksum says".into());
        }
        let arrays = read_arrays(&self.folder, &format!("{number}.safetensors"), &file.arrays)?;
        let best = match &file.description.best {
            Some(best) => match &best.blake3 {
                Some(hash) => Some(read_arrays(&self.folder, &best.file(), hash)?),
                None => None,
            },
            None => None,
        };
        Ok(Checkpoint {
            description: file.description,
            arrays: Arrays::from_state(arrays)?,
            best,
        })
    }

    /// Writes a checkpoint, and removes those that are older than the one before.
    ///
    /// # Errors
    /// [`Error::Write`]; earlier checkpoints are then still there.
    pub fn write(&mut self, checkpoint: &Checkpoint, last_best: &mut Option<(usize, String)>) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(Error::write(&self.folder))?;
        let mut description = checkpoint.description.clone();
        if let Some(best) = &mut description.best {
            if let Some(state) = &checkpoint.best {
                let hash = write_arrays(&self.folder, &best.file(), state)?;
                *last_best = Some((best.epoch, hash));
            }
            best.blake3 = match last_best {
                Some((epoch, hash)) if *epoch == best.epoch => Some(hash.clone()),
                _ => None,
            };
        }
        let number = self.next;
        let arrays = write_arrays(
            &self.folder,
            &format!("{number}.safetensors"),
            &checkpoint.arrays.to_state(),
        )?;
        let file = File {
            format: format_name(),
            arrays,
            checksum: checksum(&description).map_err(Error::Internal)?,
            description,
        };
        write_whole(&self.folder.join(format!("{number}.json")), &to_json(&file)?)?;
        self.next += 1;
        self.prune(KEPT);
        // The estimate before the epoch at hand is over if it was made, and those before it are in any case.
        let Description {
            position, estimated, ..
        } = &checkpoint.description;
        if let Some(over) = position.epoch.checked_sub(if *estimated { 1 } else { 2 }) {
            probes::remove_through(&self.folder, over);
        }
        Ok(())
    }

    /// Removes all checkpoints but the last one, and all that is of estimates and folds. What cannot be removed does no harm.
    pub fn keep_last(&self) {
        self.prune(1);
        probes::remove_through(&self.folder, usize::MAX);
        for name in names(&self.folder).filter(|name| name.starts_with("fold-")) {
            let _ = std::fs::remove_dir_all(self.folder.join(name));
        }
    }

    /// Removes what the last checkpoints, so many of them, do not need. What cannot be removed does no harm.
    fn prune(&self, most: usize) {
        let numbers = numbers(&self.folder);
        let (old, kept) = numbers.split_at(numbers.len().saturating_sub(most));
        for number in old {
            // The JSON file first: without it the arrays are no checkpoint.
            for extension in ["json", "safetensors"] {
                let _ = std::fs::remove_file(self.folder.join(format!("{number}.{extension}")));
            }
        }
        let wanted: Vec<String> = kept
            .iter()
            .filter_map(|number| {
                let text = std::fs::read(self.folder.join(format!("{number}.json"))).ok()?;
                let file: File = serde_json::from_slice(&text).ok()?;
                Some(file.description.best?.file())
            })
            .collect();
        remove(&self.folder, |name| {
            name.starts_with("best-") && !wanted.iter().any(|wanted| wanted == name)
        });
    }
}

/// Whether bytes are the JSON file of a checkpoint, whatever its checksums say.
#[cfg(feature = "fuzzing")]
pub(crate) fn is_understood(bytes: &[u8]) -> bool {
    serde_json::from_slice::<File>(bytes).is_ok_and(|file| checksum(&file.description).is_ok())
}

/// The numbers of the checkpoints in a folder, in ascending order.
fn numbers(folder: &Path) -> Vec<u64> {
    let numbers = names(folder).filter_map(|name| name.strip_suffix(".json")?.parse().ok());
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    numbers
}
