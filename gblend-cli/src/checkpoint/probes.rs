//! The probes of an estimate under way.
//!
//! Probes run side by side, so each has a file of its own: `probe-EPOCH-HEAD.json`, and `probe-EPOCH-HEAD.safetensors` as
//! long as it is not over. A killed run makes the whole estimate again, and the probes in it go on from there.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::contents::{Arrays, FORMAT, FORMAT_NUMBER, Position};
use super::store::names;
use crate::error::{Error, Result};
use crate::probe::Course;
use crate::run_folder::model_file::{from_safetensors, to_safetensors};
use crate::run_folder::{to_json, write_whole};

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
    pub course: Course,
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
    course: Course,
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
        if file.format != format() || content.origin != origin || checksum(&content).ok()? != file.checksum {
            return None;
        }
        let arrays = match &content.arrays {
            Some(hash) => {
                let bytes = std::fs::read(self.folder.join(name.arrays(content.position.step))).ok()?;
                if blake3::hash(&bytes).to_hex().as_str() != hash {
                    return None;
                }
                Some(Arrays::from_state(from_safetensors(&bytes).ok()?).ok()?)
            }
            None => None,
        };
        Some(ProbeProgress {
            position: content.position,
            course: content.course,
            arrays,
        })
    }

    /// Keeps how far a probe is, in place of what was kept of it before.
    ///
    /// # Errors
    /// [`Error::Write`]; what was kept before is then still there.
    pub fn write(&self, name: ProbeName, origin: &str, progress: ProbeProgress) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(Error::write(&self.folder))?;
        let kept = progress
            .arrays
            .is_some()
            .then(|| name.arrays(progress.position.step));
        let arrays = match (&progress.arrays, &kept) {
            (Some(arrays), Some(file)) => {
                let bytes = to_safetensors(&arrays.to_state())?;
                write_whole(&self.folder.join(file), &bytes)?;
                Some(blake3::hash(&bytes).to_hex().to_string())
            }
            _ => None,
        };
        let content = Content {
            origin: origin.to_owned(),
            position: progress.position,
            course: progress.course,
            arrays,
        };
        let file = File {
            format: format(),
            checksum: checksum(&content).map_err(Error::Internal)?,
            content,
        };
        write_whole(&self.folder.join(name.json()), &to_json(&file)?)?;
        let prefix = format!("probe-{}-{}-", name.epoch, name.head);
        remove(&self.folder, |file| {
            file.starts_with(&prefix) && Some(file) != kept.as_deref()
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

/// What cannot be removed does no harm.
fn remove(folder: &Path, unwanted: impl Fn(&str) -> bool) {
    for name in names(folder).filter(|name| unwanted(name)) {
        let _ = std::fs::remove_file(folder.join(name));
    }
}

/// Whether bytes are the JSON file of a probe, whatever its checksum says.
#[cfg(feature = "fuzzing")]
pub(crate) fn is_understood(bytes: &[u8]) -> bool {
    serde_json::from_slice::<File>(bytes).is_ok_and(|file| checksum(&file.content).is_ok())
}

fn format() -> String {
    format!("{FORMAT}{FORMAT_NUMBER}")
}

fn checksum(content: &Content) -> Result<String, String> {
    let text = serde_json::to_vec(content).map_err(|error| error.to_string())?;
    Ok(blake3::hash(&text).to_hex().to_string())
}
