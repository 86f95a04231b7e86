//! What a checkpoint holds.

use std::collections::BTreeMap;

use gblend_core::params::State;
use gblend_core::{Array, BlendReport, Estimate};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::records::{EpochCounts, FittedPool, Selection};

/// What the format's name begins with.
pub const FORMAT: &str = "gblend-checkpoint-";

/// The number of the format; another format gets another number.
pub const FORMAT_NUMBER: u64 = 1;

/// What the names of arrays begin with that are of what follows the network slowly, and no part of it.
pub const OF_KEYS: &str = "joint.keys";

/// A checkpoint in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Everything but arrays.
    pub description: Description,
    /// The arrays of the run as it stands.
    pub arrays: Arrays,
    /// The best parameters so far, where they are wanted; `None` also if they were written before.
    pub best: Option<State>,
}

/// The arrays of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arrays {
    /// Parameters and running statistics.
    pub model: State,
    /// The optimizer's moments, by parameter and name.
    pub moments: BTreeMap<String, BTreeMap<String, Array>>,
}

impl Arrays {
    /// The network alone, without what follows it.
    pub fn into_network(mut self) -> State {
        let prefix = format!("{OF_KEYS}.");
        self.model.retain(|path, _| !path.starts_with(&prefix));
        self.model
    }
}

/// Everything of a checkpoint that is no array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The version of gblend that wrote it.
    pub gblend: String,
    /// Hash of the samples of every split.
    pub splits: String,
    /// Hashes of the encoders that are frozen from the first epoch to the last, by modality: they are not in it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub constant_encoders: BTreeMap<String, String>,
    /// Where in the run it stands.
    pub position: Position,
    /// How many ranks trained.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub ranks: usize,
    /// What the blend strategy keeps.
    pub blend: Value,
    /// Whether the estimate that is due before the epoch at hand was made.
    pub estimated: bool,
    /// What the strategy made of each estimate.
    pub blends: Vec<BlendReport>,
    /// The estimates themselves, of a run that trains once more and does not make them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub estimates: Vec<KeptEstimate>,
    /// What the run had found when it began to train once more; absent before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refit: Option<Refit>,
    /// What was counted in the epoch at hand.
    pub counts: EpochCounts,
    /// The weights of the last whole epoch.
    pub weights: Vec<f64>,
    /// What the validation samples said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// The best epoch by validation so far.
    pub best: Option<Best>,
    /// Samples trained on.
    pub samples: u64,
    /// Seconds of training, of estimates, and of waiting for data.
    pub seconds: [f64; 3],
    /// Seconds of training in which stages were run again.
    #[serde(default)]
    pub recompute_seconds: f64,
    /// Bytes of the run's logs that belong to it, by name; what is longer was written later.
    pub logs: BTreeMap<String, u64>,
}

/// An estimate that the strategy was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptEstimate {
    /// Epochs trained before it.
    pub epoch: usize,
    /// What was measured.
    pub estimate: Estimate,
}

/// What a run has found that trains once more on all samples but those of the test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refit {
    /// The epoch to train to.
    pub epoch: usize,
    /// The epochs that it was found in.
    pub epochs: usize,
    /// What the validation samples said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// The pool of the heads, if one was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<FittedPool>,
    /// Seconds of training until then.
    pub seconds: f64,
    /// Seconds that the networks of the pool's folds took.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub cross_seconds: f64,
}

/// Where in a run, or in a probe, a checkpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The epoch at hand, counted from 1; one more than there are if all are over.
    pub epoch: usize,
    /// Batches of it that were trained on.
    pub batches: usize,
    /// Steps of all epochs.
    pub step: u64,
}

fn one() -> usize {
    1
}

fn is_one(ranks: &usize) -> bool {
    *ranks == 1
}

fn is_nothing(seconds: &f64) -> bool {
    *seconds == 0.0
}

impl Position {
    /// Where everything begins.
    pub const BEGIN: Self = Self {
        epoch: 1,
        batches: 0,
        step: 0,
    };
}

/// The best epoch by validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// The epoch.
    pub epoch: usize,
    /// What it was selected by.
    pub figure: f64,
    /// What decides between epochs with the same figure; absent in checkpoints from before there was such a thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tie: Option<f64>,
    /// What the validation samples said of it; absent in older checkpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// The weights of its heads.
    pub weights: Vec<f64>,
    /// Hash of the file with its parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
}

impl Best {
    /// The name of the file with its parameters.
    pub fn file(&self) -> String {
        format!("best-{}.safetensors", self.epoch)
    }
}

impl Arrays {
    /// The first parameter or running statistic with a value that is not finite, and that value. Moments may be
    /// infinite: a square of a gradient overflows long before the gradient does, and then nothing moves.
    pub fn not_finite(&self) -> Option<(&str, f64)> {
        self.model.iter().find_map(|(path, array)| {
            let value = array.values().iter().find(|value| !value.is_finite())?;
            Some((path.as_str(), f64::from(*value)))
        })
    }

    /// Every array under one name.
    pub(super) fn to_state(&self) -> State {
        let model = self
            .model
            .iter()
            .map(|(path, array)| (format!("model/{path}"), array.clone()));
        let moments = self.moments.iter().flat_map(|(path, moments)| {
            moments
                .iter()
                .map(move |(name, array)| (format!("moment/{name}/{path}"), array.clone()))
        });
        model.chain(moments).collect()
    }

    /// What [`to_state`](Self::to_state) made.
    ///
    /// # Errors
    /// The first name that it does not make.
    pub(super) fn from_state(state: State) -> Result<Self, String> {
        let mut arrays = Self::default();
        for (name, array) in state {
            if let Some(path) = name.strip_prefix("model/") {
                arrays.model.insert(path.to_owned(), array);
            } else if let Some((moment, path)) =
                name.strip_prefix("moment/").and_then(|rest| rest.split_once('/'))
            {
                let moments = arrays.moments.entry(path.to_owned()).or_default();
                moments.insert(moment.to_owned(), array);
            } else {
                return Err(format!("array `{name}`, expected model/… or moment/…"));
            }
        }
        Ok(arrays)
    }
}
