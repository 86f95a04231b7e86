//! The folder that a run leaves behind.
//!
//! | file | content |
//! |---|---|
//! | `config.toml` | the configuration, every default written out |
//! | `metrics.jsonl` | a line per epoch, and one per estimate of the blend, under `blend` |
//! | `tensorboard/` | the figures of `metrics.jsonl` for TensorBoard, with `log.tensorboard` |
//! | `checkpoints/` | what the run can go on from if it is stopped, see [`checkpoint`]; when it has ended, the last of them, from which it is trained further, as `checkpoint.keep` says |
//! | `fitted.json` | what modalities have fitted to the training samples, if they have: means of columns, words of texts |
//! | `pretrained.json` | what pre-trained encoders were initialized from, with a hash, and what was loaded, missing and left over |
//! | `model.safetensors`, `model.json` | what `evaluate` and `predict` read |
//! | `begun.json` | when the run began, by which version, and what is known of it before its first step: by it and a checkpoint, a run that was stopped is evaluated, reported and predicted with |
//! | `log.txt` | what was said on stderr, each with date and time |
//! | `splits.csv` | which sample was in which split, and a hash of what it was made of |
//! | `test.json` | what was said of the test samples, class by class, and what the joint head makes of fewer modalities; not there where nothing was tested |
//! | `test_samples.csv` | the main figure of every test sample by each way of predicting: what intervals know of samples; not there where nothing was tested |
//! | `neighbors.json` | of a few test samples, which others are nearest before and after training, with a small picture or text of each, for the report; there where the joint head matches and the dataset has further labels |
//! | `advice.json` | what the strategy says to whoever reads the report |
//! | `summary.json` | the result; written last, so a folder without it is of a run that did not end |
//! | `summary-EPOCHS.json` | the result that it had after so many epochs, if it was trained further |

mod begun;
pub mod checkpoint;
mod comparison;
mod described;
mod fitted;
mod folds;
mod frozen;
mod listed;
mod origins;
mod progress;
mod sink;
mod splits;
mod stopped;
mod tensorboard;
mod test_samples;
mod trained;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gblend_core::BlendReport;
use gblend_core::params::State;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::files::{FolderLock, cut, to_json, to_safetensors, write_whole};
use crate::records::{
    EpochMetrics, FittedModalities, ModelDescription, Neighbors, Origins, StrategyAdvice, Summary,
    TestDetails, TestSamples,
};
use checkpoint::{Checkpoint, Description, ProbeStore, Store, Writer};

use begun::write_begun;
pub use begun::{read_begun, read_membership_at_begin};
pub use comparison::refuse_comparison;
pub use fitted::read_fitted;
use fitted::{fitted_hash, write_fitted};
pub use folds::FoldFolders;
pub use listed::{Listed, ListedState};
pub use origins::origins_hold;
use origins::{check_origins, write_origins};
pub use progress::RunProgress;
pub use sink::Sink;
use splits::{splits_hash, write_splits};
pub use stopped::{ModelEpoch, Stopped, read_stopped};
pub use tensorboard::TensorBoard;
pub use test_samples::read_test_samples;
pub use trained::TrainedRun;

const METRICS: &str = "metrics.jsonl";
const CHECKPOINTS: &str = "checkpoints";

/// A run folder that is being written, which nobody else writes to as long as this lives.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    metrics: File,
    checkpoints: Writer,
    probes: ProbeStore,
    _lock: FolderLock,
}

/// Where a new run leaves its folder.
#[derive(Clone, Debug)]
pub enum Destination {
    /// Here; it must not be there or be empty.
    Folder(PathBuf),
    /// In the first free one of `runs/NAME-1`, `runs/NAME-2`, …
    FirstFree(String),
}

impl Destination {
    /// Where a run that begins now would leave its folder, which is not made.
    ///
    /// # Errors
    /// As [`RunFolder::create`].
    pub fn preview(&self) -> Result<PathBuf> {
        match self {
            Self::Folder(path) => match std::fs::read_dir(path) {
                Ok(mut entries) => match entries.next() {
                    Some(_) => Err(not_empty(path)),
                    None => Ok(path.clone()),
                },
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(path.clone()),
                Err(error) => Err(Error::write(path)(error)),
            },
            Self::FirstFree(name) => {
                let numbered = (1_u32..).map(|number| Path::new(RUNS).join(format!("{name}-{number}")));
                numbered
                    .into_iter()
                    .find(|path| !path.exists())
                    .ok_or_else(|| Error::Internal(format!("every folder {name}-N is taken")))
            }
        }
    }
}

/// Where runs go that nobody named a folder for.
const RUNS: &str = "runs";

fn not_empty(path: &Path) -> Error {
    Error::Run {
        folder: path.to_owned(),
        problem: "is not empty; name another folder with --out, remove this one, or go on with its run with --resume".into(),
    }
}

/// What a test leaves behind beside its result.
#[derive(Clone, Copy, Debug)]
pub struct TestFiles<'t> {
    /// What was said of the test samples.
    pub details: &'t TestDetails,
    /// The main figure of each.
    pub samples: &'t TestSamples,
    /// What is near to some of them, where the model matches and there are further labels.
    pub neighbors: Option<&'t Neighbors>,
}

/// A run that did not end, and where it can go on.
#[derive(Debug)]
pub struct Unfinished {
    /// Its folder.
    pub folder: RunFolder,
    /// The newest checkpoint that is whole; none if the run stopped before the first one.
    pub checkpoint: Option<Checkpoint>,
    /// What is wrong with newer ones.
    pub damaged: Vec<String>,
}

impl RunFolder {
    /// Makes the folder and writes the configuration into it, what modalities have fitted, and what pre-trained encoders were
    /// initialized from.
    ///
    /// # Errors
    /// [`Error::Run`] if the folder has something in it, [`Error::Write`].
    pub fn create(
        destination: &Destination,
        config: &str,
        fitted: &FittedModalities,
        origins: &Origins,
    ) -> Result<Self> {
        let path = match destination {
            Destination::Folder(path) => {
                std::fs::create_dir_all(path).map_err(Error::write(path))?;
                let mut entries = std::fs::read_dir(path).map_err(Error::write(path))?;
                if entries.next().is_some() {
                    return Err(not_empty(path));
                }
                path.clone()
            }
            Destination::FirstFree(name) => free_folder(Path::new(RUNS), name)?,
        };
        let lock = FolderLock::take(&path)?;
        // What goes on from the configuration must find what was fitted.
        write_fitted(&path, fitted)?;
        write_origins(&path, origins)?;
        write_whole(&path.join("config.toml"), config.as_bytes())?;
        let metrics = path.join(METRICS);
        let metrics = File::create(&metrics).map_err(Error::write(&metrics))?;
        let store = Store::new(path.join(CHECKPOINTS));
        let probes = ProbeStore::new(path.join(CHECKPOINTS));
        Ok(Self {
            path,
            metrics,
            checkpoints: Writer::start(store, None)?,
            probes,
            _lock: lock,
        })
    }

    /// Opens the folder of a run that did not end, and cuts its logs back to the checkpoint that it goes on from. `origins` is
    /// what pre-trained encoders would be initialized from now.
    ///
    /// # Errors
    /// [`Error::Run`] if another process writes to the folder, no checkpoint of several is whole, or pre-trained parameters are
    /// others than when it began; [`Error::Write`].
    pub fn resume(path: &Path, origins: &Origins) -> Result<Unfinished> {
        let lock = FolderLock::take(path)?;
        check_origins(path, origins)?;
        let store = Store::new(path.join(CHECKPOINTS));
        let found = store.newest(|description| logs_reach(path, description))?;
        if found.checkpoint.is_none() && !found.damaged.is_empty() {
            let problem = format!("no checkpoint can be read: {}", found.damaged.join("; "));
            return Err(Error::Run {
                folder: path.to_owned(),
                problem,
            });
        }
        let kept = |name: &str| {
            let logs = found
                .checkpoint
                .as_ref()
                .map(|checkpoint| &checkpoint.description.logs);
            logs.and_then(|logs| logs.get(name)).copied().unwrap_or(0)
        };
        let metrics_path = path.join(METRICS);
        let metrics = cut(&metrics_path, kept(METRICS)).map_err(Error::write(&metrics_path))?;
        let best = found.checkpoint.as_ref().and_then(|checkpoint| {
            let best = checkpoint.description.best.as_ref()?;
            Some((best.epoch, best.blake3.clone()?))
        });
        Ok(Unfinished {
            folder: Self {
                path: path.to_owned(),
                metrics,
                checkpoints: Writer::start(store, best)?,
                probes: ProbeStore::new(path.join(CHECKPOINTS)),
                _lock: lock,
            },
            checkpoint: found.checkpoint,
            damaged: found.damaged,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder of a run that has ended one that did not, with another configuration: its result becomes
    /// `summary-EPOCHS.json`. Returns these epochs, if it had ended.
    ///
    /// # Errors
    /// [`Error::Run`] if the result cannot be read, [`Error::Read`], [`Error::Write`].
    pub fn reopen(&self, config: &str) -> Result<Option<usize>> {
        let summary = self.path.join("summary.json");
        let before = progress::ended_after(&self.path)?;
        write_whole(&self.path.join("config.toml"), config.as_bytes())?;
        if let Some(epochs) = before {
            let kept = self.path.join(format!("summary-{epochs}.json"));
            std::fs::rename(&summary, &kept).map_err(Error::write(&kept))?;
            // Of the test that was; what cannot be removed is written anew.
            for name in ["test.json", TestSamples::FILE, Neighbors::FILE] {
                let _ = std::fs::remove_file(self.path.join(name));
            }
        }
        Ok(before)
    }

    /// The epochs after which the run had ended before.
    pub fn ended_before(&self) -> Vec<usize> {
        progress::ended_before(&self.path)
    }

    /// Keeps what there is to know before the first step: which sample is in which split, so that the model is evaluated on
    /// samples that it was not trained on; what the model is built by; and the result as far as it is known.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn begin(
        &self,
        splits: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
        model: ModelDescription,
        summary: Summary,
        frozen: &State,
    ) -> Result<()> {
        frozen::keep(&self.path, frozen)?;
        write_splits(&self.path, splits)?;
        let model = ModelDescription {
            fitted_blake3: fitted_hash(&self.path)?,
            splits_blake3: splits_hash(&self.path)?,
            ..model
        };
        write_begun(&self.path, model, summary)
    }

    /// Appends a line to `metrics.jsonl`.
    fn line(&mut self, value: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(value).map_err(|error| Error::Internal(error.to_string()))?;
        line.push(b'\n');
        let path = self.path.join(METRICS);
        self.metrics.write_all(&line).map_err(Error::write(&path))
    }

    /// Writes the result: the model, its description, the details of the test and its samples where there was one, what the
    /// strategy says, and last the summary.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(
        mut self,
        state: &State,
        model: &ModelDescription,
        test: Option<TestFiles<'_>>,
        advice: &StrategyAdvice,
        summary: &Summary,
    ) -> Result<()> {
        self.checkpoints.finish()?;
        let bytes = to_safetensors(state)?;
        let model = ModelDescription {
            blake3: blake3::hash(&bytes).to_hex().to_string(),
            fitted_blake3: fitted_hash(&self.path)?,
            splits_blake3: splits_hash(&self.path)?,
            ..model.clone()
        };
        write_whole(&self.path.join("model.safetensors"), &bytes)?;
        frozen::remove(&self.path);
        write_whole(&self.path.join("model.json"), &to_json(&model)?)?;
        if let Some(test) = test {
            write_whole(&self.path.join("test.json"), &to_json(test.details)?)?;
            let samples = test.samples.to_text().map_err(Error::Internal)?;
            write_whole(&self.path.join(TestSamples::FILE), &samples)?;
            if let Some(neighbors) = test.neighbors {
                write_whole(&self.path.join(Neighbors::FILE), &to_json(neighbors)?)?;
            }
        }
        write_whole(&self.path.join("advice.json"), &to_json(advice)?)?;
        write_whole(&self.path.join("summary.json"), &to_json(summary)?)
    }
}

impl Sink for RunFolder {
    fn blend(&mut self, report: &BlendReport, seconds: f64) -> Result<()> {
        self.line(&serde_json::json!({ "blend": report, "seconds": seconds }))
    }

    fn epoch(&mut self, metrics: &EpochMetrics) -> Result<()> {
        self.line(metrics)
    }

    fn logs(&mut self) -> Result<BTreeMap<String, u64>> {
        let path = self.path.join(METRICS);
        let bytes = self.metrics.metadata().map_err(Error::read(&path))?.len();
        Ok(BTreeMap::from([(METRICS.to_owned(), bytes)]))
    }

    fn checkpoint(&mut self, checkpoint: Arc<Checkpoint>) -> Result<()> {
        self.checkpoints.write(checkpoint)
    }

    fn probes(&self) -> Option<&ProbeStore> {
        Some(&self.probes)
    }

    fn folds(&self) -> Option<FoldFolders> {
        Some(FoldFolders::new(self.path.join(CHECKPOINTS)))
    }
}

/// Takes away all checkpoints of a run that has ended but the last one. What cannot be removed does no harm.
pub fn keep_last_checkpoint(run: &Path) {
    Store::new(run.join(CHECKPOINTS)).keep_last();
}

/// Takes away the checkpoints of a run that has ended, which nobody needs any more. What cannot be removed does no harm.
pub fn remove_checkpoints(run: &Path) {
    let _ = std::fs::remove_dir_all(run.join(CHECKPOINTS));
}

/// Whether every log that a checkpoint knows of has what it had then.
fn logs_reach(run: &Path, description: &Description) -> Result<(), String> {
    for (name, &bytes) in &description.logs {
        let found = std::fs::metadata(run.join(name)).map_or(0, |metadata| metadata.len());
        if found < bytes {
            return Err(format!(
                "{name} has {found} bytes, the checkpoint knows of {bytes}"
            ));
        }
    }
    Ok(())
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
