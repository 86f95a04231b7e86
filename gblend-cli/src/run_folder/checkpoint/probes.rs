//! The probes of an estimate under way.
//!
//! Probes run side by side, so each has a file of its own: `probe-EPOCH-HEAD.json`, and `probe-EPOCH-HEAD.safetensors` as
//! long as it is not over. A killed run makes the whole estimate again, and the probes in it go on from there.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::contents::{Arrays, Position};
use super::files::{checksum, format_name, read_arrays, remove, write_arrays};
use crate::error::{Error, Result};
use crate::files::{to_json, write_whole};
use crate::records::ProbeLosses;

/// Where probes keep how far they are.
#[derive(Debug)]
pub struct ProbeStore {
    folder: PathBuf,
}

/// Which probe of a run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeName {
    /// Epochs trained before the estimate.
    pub epoch: usize,
    /// The position of its head.
    pub head: usize,
}

/// How far a probe is.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeProgress {
    /// Where in the probe it stands.
    pub position: Position,
    /// What it showed so far.
    pub losses: ProbeLosses,
    /// Parameters, running statistics and moments; `None` once it is over.
    pub arrays: Option<Arrays>,
}

/// The JSON file of a probe.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    /// Hash of `content` as compact JSON.
    checksum: String,
    content: Content,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    /// What the probe began from.
    origin: String,
    position: Position,
    #[serde(rename = "course")]
    losses: ProbeLosses,
    /// Hash of the arrays' file.
    arrays: Option<String>,
}

impl ProbeName {
    fn json(self) -> String {
        format!("probe-{}-{}.json", self.epoch, self.head)
    }

    /// Each step has a file of its own, so that the JSON file never names one that is being replaced.
    fn arrays(self, step: u64) -> String {
        format!("probe-{}-{}-{step}.safetensors", self.epoch, self.head)
    }
}

impl ProbeStore {
    /// In the folder of the checkpoints, which need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// How far a probe is that began from `origin`. What is damaged is as good as not there: the probe is made again.
    pub fn read(&self, name: ProbeName, origin: &str) -> Option<ProbeProgress> {
        let text = std::fs::read(self.folder.join(name.json())).ok()?;
        let file: File = serde_json::from_slice(&text).ok()?;
        let content = file.content;
        if file.format != format_name()
            || content.origin != origin
            || checksum(&content).ok()? != file.checksum
        {
            return None;
        }
        let arrays = match &content.arrays {
            Some(hash) => {
                let file = name.arrays(content.position.step);
                let state = read_arrays(&self.folder, &file, hash).ok()?;
                Some(Arrays::from_state(state).ok()?)
            }
            None => None,
        };
        Some(ProbeProgress {
            position: content.position,
            losses: content.losses,
            arrays,
        })
    }

    /// Keeps how far a probe is, in place of what was kept of it before.
    ///
    /// # Errors
    /// [`Error::Write`]; what was kept before is then still there.
    pub fn write(&self, name: ProbeName, origin: &str, progress: ProbeProgress) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(Error::write(&self.folder))?;
        let arrays_file = name.arrays(progress.position.step);
        let arrays = progress.arrays.as_ref();
        let arrays = arrays
            .map(|arrays| write_arrays(&self.folder, &arrays_file, &arrays.to_state()))
            .transpose()?;
        let over = arrays.is_none();
        let content = Content {
            origin: origin.to_owned(),
            position: progress.position,
            losses: progress.losses,
            arrays,
        };
        let file = File {
            format: format_name(),
            checksum: checksum(&content).map_err(Error::Internal)?,
            content,
        };
        write_whole(&self.folder.join(name.json()), &to_json(&file)?)?;
        let prefix = format!("probe-{}-{}-", name.epoch, name.head);
        remove(&self.folder, |file| {
            file.starts_with(&prefix) && (over || file != arrays_file)
        });
        Ok(())
    }
}

/// Removes the probes of estimates that were made before one of the epochs up to `epoch`.
pub(super) fn remove_through(folder: &Path, epoch: usize) {
    remove(folder, |file| {
        let estimate = file
            .strip_prefix("probe-")
            .and_then(|rest| rest.split('-').next());
        estimate
            .and_then(|estimate| estimate.parse().ok())
            .is_some_and(|of: usize| of <= epoch)
    });
}

/// Whether bytes are the JSON file of a probe, whatever its checksum says.
#[cfg(feature = "fuzzing")]
pub(crate) fn is_understood(bytes: &[u8]) -> bool {
    serde_json::from_slice::<File>(bytes).is_ok_and(|file| checksum(&file.content).is_ok())
}
