//! The folder that a run leaves behind.
//!
//! | file | content |
//! |---|---|
//! | `config.toml` | the configuration, every default written out |
//! | `metrics.jsonl` | a line per epoch, and one per estimate of the blend, under `blend` |
//! | `tensorboard/` | the figures of `metrics.jsonl` for TensorBoard, with `log.tensorboard` |
//! | `checkpoints/` | parameters: `last.safetensors`, and `best.safetensors` by validation accuracy |
//! | `model.safetensors`, `model.json` | what `evaluate` and `predict` read |
//! | `test.json` | what was said of the test samples, class by class, and what the joint head makes of fewer modalities |
//! | `summary.json` | the result; written last, so a folder without it is of a run that did not end |

pub(crate) mod model_file;
mod summary;
mod tensorboard;
mod test_details;

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use gblend_core::BlendReport;
use gblend_core::params::{State, state_of};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::model::Multimodal;
use crate::pipeline::Destination;
use crate::train::{EpochMetrics, Sink};

pub use model_file::{ModelDescription, ModelModality};
pub use summary::{HeadSummary, PredictionSummary, Seconds, Summary};
pub use tensorboard::TensorBoard;
pub use test_details::{ClassCounts, Confusion, Counts, TestDetails};

/// A run folder that is being written.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    metrics: File,
}

impl RunFolder {
    /// Makes the folder and writes the configuration into it.
    ///
    /// # Errors
    /// [`Error::Run`] if the folder has something in it, [`Error::Write`].
    pub fn create(destination: &Destination, config: &str) -> Result<Self> {
        let path = match destination {
            Destination::Folder(path) => {
                std::fs::create_dir_all(path).map_err(Error::write(path))?;
                let mut entries = std::fs::read_dir(path).map_err(Error::write(path))?;
                if entries.next().is_some() {
                    return Err(Error::Run {
                        folder: path.clone(),
                        problem: "is not empty; name another folder with --out, or remove this one".into(),
                    });
                }
                path.clone()
            }
            Destination::FirstFree(name) => free_folder(Path::new("runs"), name)?,
        };
        write_whole(&path.join("config.toml"), config.as_bytes())?;
        let metrics = path.join("metrics.jsonl");
        let metrics = File::create(&metrics).map_err(Error::write(&metrics))?;
        Ok(Self { path, metrics })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line to `metrics.jsonl`.
    fn line(&mut self, value: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(value).map_err(|error| Error::Internal(error.to_string()))?;
        line.push(b'\n');
        let path = self.path.join("metrics.jsonl");
        self.metrics.write_all(&line).map_err(Error::write(&path))
    }

    /// Writes the result: the model, its description, the details of the test, and last the summary.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(
        self,
        state: &State,
        model: &ModelDescription,
        test: &TestDetails,
        summary: &Summary,
    ) -> Result<()> {
        let bytes = model_file::to_safetensors(state)?;
        let model = ModelDescription {
            blake3: blake3::hash(&bytes).to_hex().to_string(),
            ..model.clone()
        };
        write_whole(&self.path.join("model.safetensors"), &bytes)?;
        write_whole(&self.path.join("model.json"), &to_json(&model)?)?;
        write_whole(&self.path.join("test.json"), &to_json(test)?)?;
        write_whole(&self.path.join("summary.json"), &to_json(summary)?)
    }
}

impl Sink for RunFolder {
    fn blend(&mut self, report: &BlendReport, seconds: f64) -> Result<()> {
        self.line(&serde_json::json!({ "blend": report, "seconds": seconds }))
    }

    fn epoch(&mut self, metrics: &EpochMetrics, model: &mut Multimodal, best: bool) -> Result<()> {
        self.line(metrics)?;
        let bytes = model_file::to_safetensors(&state_of(model)?)?;
        let folder = self.path.join("checkpoints");
        std::fs::create_dir_all(&folder).map_err(Error::write(&folder))?;
        write_whole(&folder.join("last.safetensors"), &bytes)?;
        if best {
            write_whole(&folder.join("best.safetensors"), &bytes)?;
        }
        Ok(())
    }
}

/// A run folder of a run that has ended.
#[derive(Debug)]
pub struct FinishedRun {
    /// Where it is.
    pub path: PathBuf,
    /// What the model looks like.
    pub model: ModelDescription,
    /// Its parameters and running statistics.
    pub state: State,
    /// Its result.
    pub summary: Summary,
}

impl FinishedRun {
    /// Reads a run folder.
    ///
    /// # Errors
    /// [`Error::Run`] if the run did not end, or a file is damaged or of another version of gblend.
    pub fn open(path: &Path) -> Result<Self> {
        let problem = |problem: String| Error::Run {
            folder: path.to_owned(),
            problem,
        };
        if !path.join("config.toml").is_file() {
            return Err(problem(
                "no config.toml: this is not a folder that `gblend train` wrote".into(),
            ));
        }
        let summary = path.join("summary.json");
        if !summary.is_file() {
            return Err(problem(
                "no summary.json: the run did not end; train again".into(),
            ));
        }
        let text = std::fs::read_to_string(&summary).map_err(Error::read(&summary))?;
        let summary: Summary = serde_json::from_str(&text)
            .map_err(|error| problem(format!("summary.json cannot be understood: {error}")))?;
        let description = path.join("model.json");
        let text = std::fs::read_to_string(&description).map_err(Error::read(&description))?;
        let model: ModelDescription = serde_json::from_str(&text)
            .map_err(|error| problem(format!("model.json cannot be understood: {error}")))?;
        model.check_format().map_err(problem)?;
        let weights = path.join("model.safetensors");
        let bytes = std::fs::read(&weights).map_err(Error::read(&weights))?;
        if blake3::hash(&bytes).to_hex().as_str() != model.blake3 {
            return Err(problem(
                "model.safetensors is not the file that model.json describes".into(),
            ));
        }
        let state = model_file::from_safetensors(&bytes)
            .map_err(|error| problem(format!("model.safetensors: {error}")))?;
        Ok(Self {
            path: path.to_owned(),
            model,
            state,
            summary,
        })
    }

    /// The configuration of the run.
    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.toml")
    }
}

/// The first of `NAME-1`, `NAME-2`, … that nobody has, made here so that nobody else takes it.
fn free_folder(parent: &Path, name: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(parent).map_err(Error::write(parent))?;
    for number in 1_u32.. {
        let path = parent.join(format!("{name}-{number}"));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::write(&path)(error)),
        }
    }
    Err(Error::Internal(format!("every folder {name}-N is taken")))
}

/// Writes a file whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        // Temporary files are for their owner alone; results are for whoever may read the folder.
        make_readable(file.as_file())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(Error::write(path))
}

#[cfg(unix)]
fn make_readable(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_: &File) -> std::io::Result<()> {
    Ok(())
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(value).map_err(|error| Error::Internal(error.to_string()))?;
    json.push(b'\n');
    Ok(json)
}
