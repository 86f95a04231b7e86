//! `summary.json`.

use std::collections::BTreeMap;

use gblend_core::BlendReport;
use serde::{Deserialize, Serialize};

use super::{
    ClassWeight, Contest, FeatureSpace, FittedPool, Metrics, ObjectiveDescription, PredictionRule, Selection,
};

/// The result of a run.
///
/// The same configuration and seed give the same summary to the bit at any number of threads, but for what
/// was measured on the machine: `threads`, `seconds`, those of `contest`, `samples_per_second`, `peak_rss_bytes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// The seed of the run.
    pub seed: u64,
    /// `cpu`, or `cuda` and, if it is not the first, the number of the GPU, as in `cuda:1`.
    pub device: String,
    /// Computing threads.
    pub threads: usize,
    /// The kind of the blend strategy.
    pub strategy: String,
    /// How it was chosen among others; absent where it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contest: Option<Contest>,
    /// What predictions are judged by, the objective of the joint head where that was trained; absent for classification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<ObjectiveDescription>,
    /// How much samples count by their classes in every loss that is told, those of the test among them; absent where all
    /// count the same. Other figures are of the samples as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_weights: Vec<ClassWeight>,
    /// Samples that could not be used and were skipped, as the dataset allows.
    #[serde(default)]
    pub samples_skipped: usize,
    /// Samples that were left out because they have no label and every head needs one; absent if there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub samples_unlabeled: usize,
    /// Epochs trained.
    pub epochs: usize,
    /// Epochs after which it had ended before it was trained further.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended_before: Vec<usize>,
    /// The epoch whose parameters were evaluated and saved.
    pub selected_epoch: usize,
    /// What the validation samples said of that epoch; absent without any, and in the summaries of older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// Whether those parameters were trained on the validation samples, too, once the epoch was found.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refitted: bool,
    /// Every head, the joint one last.
    pub heads: Vec<HeadSummary>,
    /// What predictions are taken from: one of the rules in `predictions`.
    pub predict: PredictionRule,
    /// How good each way of predicting is on the test samples; empty where nothing was tested. Heads that were not trained have no
    /// say.
    pub predictions: Vec<PredictionSummary>,
    /// The pool of the heads; absent where none was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<FittedPool>,
    /// One per estimate of the blend; empty for strategies that estimate nothing.
    pub blends: Vec<BlendReport>,
    /// What the feature spaces of the modalities tell of the test samples; absent where the dataset has no further labels to read,
    /// where nothing was tested, and where no joint head compares features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_space: Option<FeatureSpace>,
    /// Where the time went.
    pub seconds: Seconds,
    /// Training samples per second of training.
    pub samples_per_second: f64,
    /// The largest resident memory of the process; absent where the system does not tell, and where other runs shared
    /// the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_rss_bytes: Option<u64>,
}

impl Summary {
    /// Whether the model was tested.
    pub fn is_tested(&self) -> bool {
        !self.predictions.is_empty()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_nothing(seconds: &f64) -> bool {
    *seconds == 0.0
}

/// One head of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadSummary {
    /// Its name: the modality's, or `joint`.
    pub name: String,
    /// The kind of the modality, or of the fusion.
    pub kind: String,
    /// What it was asked, where that is not what the run was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<ObjectiveDescription>,
    /// Test samples that it is judged by: those that have its modality, and a label if it needs one.
    pub test_samples: usize,
    /// Share of those that it gets right; with several labels, exactly right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_accuracy: Option<f64>,
    /// The mean over classes of the F1 score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_macro_f1: Option<f64>,
    /// With several labels, the mean over classes of the average precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_mean_average_precision: Option<f64>,
    /// Further figures on the test samples, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub test_metrics: BTreeMap<String, f64>,
    /// Mean loss on the test samples, weighted as in training; absent where it is judged by none, as in a run that is not tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_loss: Option<f64>,
    /// The weight of its loss in the epoch whose parameters were evaluated, as a mean over its steps; a head of weight 0 was not trained.
    pub weight: f64,
}

impl HeadSummary {
    /// How good it is on the test samples that it sees; `None` where it was not tested.
    pub fn metrics(&self) -> Option<Metrics> {
        Some(Metrics {
            accuracy: self.test_accuracy,
            loss: self.test_loss?,
            macro_f1: self.test_macro_f1,
            mean_average_precision: self.test_mean_average_precision,
            metrics: self.test_metrics.clone(),
        })
    }
}

/// One way of predicting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictionSummary {
    /// Which heads predict.
    pub rule: PredictionRule,
    /// Share of test samples that it gets right; with several labels, exactly right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_accuracy: Option<f64>,
    /// The mean over classes of the F1 score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_macro_f1: Option<f64>,
    /// With several labels, the mean over classes of the average precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_mean_average_precision: Option<f64>,
    /// Further figures, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub test_metrics: BTreeMap<String, f64>,
    /// Mean loss on the test samples, weighted as in training.
    pub test_loss: f64,
}

impl PredictionSummary {
    /// How good it is on the test samples.
    pub fn metrics(&self) -> Metrics {
        Metrics {
            accuracy: self.test_accuracy,
            loss: self.test_loss,
            macro_f1: self.test_macro_f1,
            mean_average_precision: self.test_mean_average_precision,
            metrics: self.test_metrics.clone(),
        }
    }

    /// Of what a rule makes of the test samples.
    pub fn new(rule: PredictionRule, metrics: Metrics) -> Self {
        Self {
            rule,
            test_accuracy: metrics.accuracy,
            test_macro_f1: metrics.macro_f1,
            test_mean_average_precision: metrics.mean_average_precision,
            test_metrics: metrics.metrics,
            test_loss: metrics.loss,
        }
    }
}

/// Seconds of the parts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seconds {
    /// Opening the dataset and preparing samples.
    pub prepare: f64,
    /// Training, evaluations on validation included, estimates not.
    pub train: f64,
    /// Those seconds of `train` in which training steps waited for data; 0 in the summaries of older runs.
    #[serde(default)]
    pub waiting: f64,
    /// Those seconds of `train` in which backward passes ran stages of encoders again.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub recompute: f64,
    /// Those seconds of `train` in which the run trained once more.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub refit: f64,
    /// Estimates of the blend.
    pub estimate: f64,
    /// The networks of a pool that was fitted in folds.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub folds: f64,
    /// The final evaluation.
    pub evaluate: f64,
    /// Everything.
    pub total: f64,
}
