//! The `[run]` table.

use std::path::PathBuf;

use gblend_core::Precision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DeviceChoice, TestFold};

/// How long to train, on what, and from which seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Seed of everything random: splits, initial parameters, the order of samples, dropout, augmentation.
    /// The same seed gives the same result to the bit, at any number of threads.
    pub seed: u64,
    /// Passes over the training samples.
    pub epochs: usize,
    /// Samples per step. The samples of an epoch are dealt evenly, so that no batch is small.
    pub batch_size: usize,
    /// What batch normalization is over in a job of several ranks (`--distributed`); for one process both are the same.
    pub batch_norm: BatchNormOver,
    /// Samples of a step that an encoder computes at once, for batches that memory has no room for: a loss that compares the samples
    /// of a batch is that of all of them, and its gradient the same to rounding, but encoders run twice. Batch normalization sees so
    /// many samples. Not with a fusion of maps, the objective `anchor`, or strategies that look into gradients. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk: Option<usize>,
    /// Which of what a step makes is kept for its backward pass: `none`, everything, and nothing is computed again; `stages`, the
    /// inputs of the stages of encoders, which the backward pass runs again, one at a time: less memory in deep networks and at large
    /// batches, and steps that take about a third longer; `auto`, everything where that is at most half of the memory that the
    /// machine has left, else `stages` (on a GPU everything). The result is the same to the bit.
    pub recompute: Recompute,
    /// How the maps of normalized convolutions are kept for the backward pass; arithmetic is in 32 bits. With `bf16` and `f16` they
    /// are rounded to 16 bits as they are made in training, ahead of their normalization, which takes less memory at large batches; maps
    /// with a number that `f16` has not stay as they are. On the processor; other layers, and a GPU, keep 32 bits.
    pub activations_as: Precision,
    /// How the samples of an epoch are drawn from the training samples; an epoch has as many in either way.
    pub sampler: Sampling,
    /// Threads that compute; 0 takes every core.
    pub threads: usize,
    /// Where to compute: `auto`, what the binary was built for; `cpu`, the processor; `cuda`, the first NVIDIA
    /// GPU, or `cuda:N`, GPU N counted from 0, with a binary that was built with `--features cuda`.
    pub device: DeviceChoice,
    /// Share of the training samples set aside for validation, where the dataset brings no validation
    /// samples of its own.
    pub validation: f64,
    /// Whether the model is tested in the end. `false` trains without: the dataset needs no test samples then, those that it has
    /// are left alone, and nothing is said of samples that chose nothing. A dataset whose settings ask for no test samples
    /// (`split.test = 0`) is not tested either.
    pub test: bool,
    /// Tests one of several folds in place of the dataset's own test samples, as in `"2/5"`, the second of five: all samples are
    /// dealt evenly, whatever split the dataset has them in, every class in the same proportion, or group by group where samples have
    /// groups; the other folds are trained on, and validated with as `validation` says. `gblend compare --folds 5` tests each of them
    /// once. What a dataset makes of its samples by its own splits, as the degradation of AV-MNIST, it goes on making by those.
    /// Default: the dataset's own test samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<TestFold>,
    /// Deals samples to folds: with the same number alike, whatever `seed` is. Default: 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub fold_seed: u64,
    /// Which parameters are evaluated on the test set and saved. Without validation samples they are those after the
    /// last epoch.
    pub select: Select,
    /// Trains once more when the epoch is found, on training, held-out and validation samples together, with the weights
    /// and the learning rates that the run had, to the epoch found; the pool of the heads stays as it was fitted. Takes at
    /// most as long as the run did.
    pub refit: bool,
    /// Ends training early after this many epochs without a better validation figure. Default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Folder of prepared samples, relative to the working folder; they are keyed by content and settings,
    /// so that any number of runs can share it.
    pub cache: PathBuf,
    /// Memory for prepared samples in MiB, those of batches that wait for their step among them. Samples that do not fit
    /// are read from the cache again in each epoch, and fewer batches wait. On top come about 150 MiB for the program, on each
    /// thread the media of one sample (`max_mib` of a stream is their bound) and up to 16 MiB of prepared samples, and what a
    /// step computes with, which `run.batch_size` and the network decide. A quarter of it is for the features of frozen encoders,
    /// where there are such.
    pub memory: u64,
    /// How prepared samples are kept, in memory and in the cache; arithmetic is in 32 bits. With `bf16` and `f16` each value is
    /// rounded to 16 bits when it is prepared, wherever it is kept and in prediction, too, so that `run.memory` and the disk hold twice
    /// as many; a number that `f16` has not is an error. Texts, and vectors with `categorical` columns, stay as they are, and so do
    /// categories and missing cells. A column that varies little around a large number, such as a year, needs `f32`.
    pub samples_as: Precision,
    /// Folder that relative paths start from. Default: that of the configuration file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<PathBuf>,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            epochs: 20,
            batch_size: 32,
            batch_norm: BatchNormOver::default(),
            chunk: None,
            recompute: Recompute::default(),
            activations_as: Precision::default(),
            sampler: Sampling::Shuffled,
            threads: 0,
            device: DeviceChoice::Auto,
            validation: 0.1,
            test: true,
            fold: None,
            fold_seed: 0,
            select: Select::Best,
            refit: false,
            patience: None,
            cache: PathBuf::from("runs/cache"),
            memory: 2048,
            samples_as: Precision::default(),
            base: None,
        }
    }
}

/// What is left out of a configuration, so that those of before go on to be the same.
fn is_zero(seed: &u64) -> bool {
    *seed == 0
}

/// Which of a run's parameters are its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Select {
    /// Those after the last epoch.
    Last,
    /// Those after the epoch that is best by validation, as what predicts is judged: where heads are pooled, the one with
    /// the least loss of the mean of the heads; else the one with the best accuracy, or what the objective has in its
    /// place, of what predicts, ties by loss.
    Best,
}

/// What batch normalization is over where several ranks have a part of the batch each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchNormOver {
    /// The whole batch, so that several ranks compute what one does, to rounding. Every normalization waits for all ranks, in the
    /// forward and in the backward pass.
    #[default]
    AllRanks,
    /// The part of the batch that a rank has: nothing waits, and the result depends on the number of ranks. All of them go on with the
    /// means of their running statistics.
    EachRank,
}

/// Which of what a step makes is computed again in the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Recompute {
    /// What the memory that is left asks for.
    #[default]
    Auto,
    /// Nothing.
    None,
    /// Stages of encoders.
    Stages,
}

/// How the samples of an epoch are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Each once, in random order.
    #[default]
    Shuffled,
    /// As many of each class as of any other, in random order: of a rare class each sample several times, augmented otherwise
    /// each time, of a frequent one a random part. Losses of validation and test samples, of estimates and of the pool count
    /// each class as much as any other, too, as `class_weights = "balanced"` of the objective has them, which is the other
    /// way to the same end and not taken together with this one. For labels of one class each.
    Balanced,
}

impl RunConfig {
    /// The key that is out of its range, and how.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let at_least_one = |key, value: usize| {
            if value == 0 {
                Err((key, "found 0, expected at least 1".to_owned()))
            } else {
                Ok(())
            }
        };
        at_least_one("epochs", self.epochs)?;
        at_least_one("batch_size", self.batch_size)?;
        at_least_one("chunk", self.chunk.unwrap_or(1))?;
        at_least_one("patience", self.patience.unwrap_or(1))?;
        /// More threads than any machine has; a slip of the finger should not start them.
        const MOST_THREADS: usize = 1024;
        if self.threads > MOST_THREADS {
            let problem = format!("found {}, expected at most {MOST_THREADS}", self.threads);
            return Err(("threads", problem));
        }
        if !(0.0..1.0).contains(&self.validation) {
            let problem = format!("found {}, expected 0 to below 1", self.validation);
            return Err(("validation", problem));
        }
        Ok(())
    }
}
