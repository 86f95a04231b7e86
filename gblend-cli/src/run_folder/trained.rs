//! The folder of a run with a model: one that has ended, or was stopped on its way.

use std::path::{Path, PathBuf};

use gblend_core::params::State;

use crate::error::{Error, Result};
use crate::files::from_safetensors;
use crate::records::{FittedModalities, Membership, ModelDescription, Summary};
use crate::run_folder::comparison::refuse_comparison;
use crate::run_folder::fitted::{fitted_hash, read_fitted};
use crate::run_folder::splits::read_splits;
use crate::run_folder::stopped::{Stopped, StoppedRun};

/// A run folder with a model.
#[derive(Debug)]
pub struct TrainedRun {
    /// Where it is.
    pub path: PathBuf,
    /// What the model looks like.
    pub model: ModelDescription,
    /// Its parameters and running statistics.
    pub state: State,
    /// What its modalities have fitted to the training samples.
    pub fitted: FittedModalities,
    /// Which sample it had in which split; none in the folders of older runs.
    pub membership: Option<Membership>,
    /// Its result, as far as it came.
    pub summary: Summary,
    /// How far that is, if it did not end.
    pub stopped: Option<Stopped>,
}

impl TrainedRun {
    /// Reads the folder of a run, whether it has ended or was stopped.
    ///
    /// # Errors
    /// [`Error::Run`] if it is a comparison's, if there is no model yet, or a file is damaged or of another version of gblend.
    pub fn open(path: &Path) -> Result<Self> {
        refuse_comparison(path)?;
        match path.join("config.toml").is_file() && !path.join("summary.json").is_file() {
            true => Self::open_stopped(path),
            false => Self::open_ended(path),
        }
    }

    fn open_stopped(path: &Path) -> Result<Self> {
        let problem = |problem: String| Error::Run {
            folder: path.to_owned(),
            problem,
        };
        let StoppedRun {
            stopped,
            model,
            summary,
            state,
        } = StoppedRun::read(path)?;
        model.check_format().map_err(problem)?;
        if fitted_hash(path)? != model.fitted_blake3 {
            return Err(problem(
                "fitted.json is not the file that begun.json describes".into(),
            ));
        }
        Ok(Self {
            fitted: read_fitted(path)?,
            membership: read_splits(path, model.splits_blake3.as_deref())?,
            path: path.to_owned(),
            model,
            state,
            summary,
            stopped: Some(stopped),
        })
    }

    /// Reads the folder of a run that has ended.
    ///
    /// # Errors
    /// As [`open`](Self::open), and if the run did not end.
    pub fn open_ended(path: &Path) -> Result<Self> {
        let problem = |problem: String| Error::Run {
            folder: path.to_owned(),
            problem,
        };
        let (summary, model) = Self::described(path)?;
        let weights = path.join("model.safetensors");
        let bytes = std::fs::read(&weights).map_err(Error::read(&weights))?;
        if blake3::hash(&bytes).to_hex().as_str() != model.blake3 {
            return Err(problem(
                "model.safetensors is not the file that model.json describes".into(),
            ));
        }
        if fitted_hash(path)? != model.fitted_blake3 {
            return Err(problem(
                "fitted.json is not the file that model.json describes".into(),
            ));
        }
        let fitted = read_fitted(path)?;
        let membership = read_splits(path, model.splits_blake3.as_deref())?;
        let state =
            from_safetensors(&bytes).map_err(|error| problem(format!("model.safetensors: {error}")))?;
        Ok(Self {
            path: path.to_owned(),
            model,
            state,
            fitted,
            membership,
            summary,
            stopped: None,
        })
    }

    /// Which sample a run that has ended had in which split, without its parameters; none in the folders of older runs.
    ///
    /// # Errors
    /// As [`open_ended`](Self::open_ended), but for what is wrong with the parameters.
    pub fn membership_of_ended(path: &Path) -> Result<Option<Membership>> {
        let (_, model) = Self::described(path)?;
        read_splits(path, model.splits_blake3.as_deref())
    }

    /// What a run that has ended says of itself and of its model.
    fn described(path: &Path) -> Result<(Summary, ModelDescription)> {
        let problem = |problem: String| Error::Run {
            folder: path.to_owned(),
            problem,
        };
        refuse_comparison(path)?;
        if !path.join("config.toml").is_file() {
            return Err(problem(
                "no config.toml: this is not a folder that `gblend train` wrote".into(),
            ));
        }
        let summary = path.join("summary.json");
        if !summary.is_file() {
            return Err(problem(
                "no summary.json: the run did not end; `gblend train --resume` goes on with it".into(),
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
        Ok((summary, model))
    }

    /// The configuration of the run.
    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.toml")
    }
}
