//! `compare.json`.

use std::collections::BTreeMap;

use gblend_core::MetricKind;
use serde::{Deserialize, Serialize};

use super::{
    Difference, Measured, ObjectiveDescription, PredictionRule, TestedOn, Tuned, VarianceParts, estimate,
};

/// The format of `compare.json`; another format gets another number.
pub const COMPARISON_FORMAT: &str = "gblend-compare-1";

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The format of the file.
    pub format: String,
    /// The version of gblend that wrote it.
    pub gblend: String,
    /// Every modality of the configuration.
    pub modalities: Vec<String>,
    /// What predictions are taken from: figures are those of this rule.
    pub predict: PredictionRule,
    /// What they are judged by; absent for classification. Means and differences are of its main figure, the accuracy
    /// of classification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<ObjectiveDescription>,
    /// Samples of the test set; of folds those of all of them together.
    pub test_samples: usize,
    /// Folds that the dataset was dealt to, of which each seed was tested on one; absent where the dataset's own test samples were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<Folds>,
    /// One per method, in the order of the table.
    pub rows: Vec<Row>,
    /// The search of the weights, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simplex: Option<Simplex>,
    /// Runs of which nothing is known sample by sample, and why: intervals of their methods are over seeds alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds_alone: Vec<SeedsAlone>,
    /// What the features of modalities tell of each method, where the dataset has further labels and the joint head matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub feature_spaces: Vec<SpaceRow>,
    /// Methods that were not tested on the samples of others with the same seed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_samples: Vec<OtherSamples>,
    /// Cells without a result, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// Folds, and how they were tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folds {
    /// How many there are.
    pub of: usize,
    /// How often samples are dealt to them.
    pub deals: usize,
    /// The seed of the first fold; the others follow.
    pub first_seed: u64,
}

impl Folds {
    /// The fold that is tested with a seed, as in `2/5`.
    pub fn of_seed(&self, seed: u64) -> String {
        let offset = seed.saturating_sub(self.first_seed) as usize;
        format!("{}/{}", offset % self.of.max(1) + 1, self.of)
    }
}

/// A method that was not tested on the samples of another one with the same seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherSamples {
    /// The method.
    pub method: String,
    /// The other one.
    pub than: String,
    /// The first seed of which that is so.
    pub seed: u64,
}

/// A figure of the feature spaces of a method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpaceRow {
    /// The method.
    pub method: String,
    /// The modality, or the two that find each other, as in `camera to caption`.
    pub tower: String,
    /// The label that is read; empty where modalities find each other.
    pub label: String,
    /// What is told: `knn`, `probe`, `retrieval` or `recall_at_1`.
    pub figure: String,
    /// The figure with each seed.
    pub values: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Half the width of the mean's 95 % confidence interval over seeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci95: Option<f64>,
    /// The figure, seed by seed, less that of matching alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired_difference_to_joint: Option<Difference>,
}

/// One method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The method: `single:NAME`, `joint`, `equal`, `ogr`, …
    pub method: String,
    /// The modalities that it was trained on.
    pub modalities: Vec<String>,
    /// The kind of the fusion.
    pub fusion: String,
    /// What it was tuned to; absent where it has the configuration's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuned: Option<Tuned>,
    /// What it was tuned to with each seed, where these are tested on folds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tuned_by_fold: Vec<Tuned>,
    /// The seeds that it was run with.
    pub seeds: Vec<u64>,
    /// The samples that were tested with each of these seeds, where they are tested on folds: means count each sample alike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tested: Vec<usize>,
    /// The accuracy on the test set with each of these seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_accuracy: Vec<f64>,
    /// The figures of other objectives, each with every seed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub test_metrics: BTreeMap<String, Vec<f64>>,
    /// The main figure of the joint head alone with each of these seeds, where that was trained and something else predicts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joint_head: Vec<f64>,
    /// Half the width of the 95 % confidence interval of its mean; absent as `ci95` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joint_head_ci95: Option<f64>,
    /// The mean of the main figure.
    pub mean: f64,
    /// Half the width of the mean's 95 % confidence interval by Student's t; absent with one seed where nothing is known of
    /// samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci95: Option<f64>,
    /// What the interval is made of; absent where it is over seeds alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<VarianceParts>,
    /// Its main figure, seed by seed, less that of the modality that is best alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired_difference_to_best_single: Option<Difference>,
    /// Its main figure, seed by seed, less that of the joint loss alone: naive late fusion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired_difference_to_joint: Option<Difference>,
    /// Its main figure, seed by seed, less that of equal weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired_difference_to_equal: Option<Difference>,
    /// Its main figure, seed by seed, less that of equal weights when the joint head predicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired_difference_to_equal_joint: Option<Difference>,
    /// Seconds of one run, as a mean.
    pub seconds: f64,
    /// The run folders of the seeds, relative to the comparison's.
    pub runs: Vec<String>,
}

impl Row {
    /// What the name of a method begins with that trains one modality alone.
    pub const SINGLE: &str = "single:";

    /// How much the seed at this position counts in means.
    pub fn weight(&self, position: usize) -> f64 {
        self.tested.get(position).map_or(1.0, |&samples| samples as f64)
    }

    /// The joint head alone: the mean of its main figure, and half the width of the interval; `None` where it is not told.
    pub fn by_joint_head(&self, main: &MetricKind) -> Option<(f64, Option<f64>)> {
        let figures = self.joint_head.iter().enumerate();
        let measured = figures.map(|(position, &figure)| Measured {
            weight: self.weight(position),
            ..Measured::from(figure)
        });
        let found = estimate(&measured.collect::<Vec<_>>(), main);
        (!self.joint_head.is_empty()).then(|| (found.mean, self.joint_head_ci95.or(found.ci95)))
    }

    /// What it was tuned to, one after another where folds have tunings of their own; empty where it was not.
    pub fn tunings(&self) -> &[Tuned] {
        match &self.tuned {
            Some(tuned) => std::slice::from_ref(tuned),
            None => &self.tuned_by_fold,
        }
    }

    /// The values that were chosen, as a table shows them; `None` where it was not tuned.
    pub fn tuned_to(&self) -> Option<String> {
        Tuned::text_of(self.tunings())
    }

    /// The modality, if the method trains one alone.
    pub fn single(&self) -> Option<&str> {
        self.method.strip_prefix(Self::SINGLE)
    }
}

/// Fixed weights on a grid over the simplex, and where the estimate is among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simplex {
    /// The heads, in the order of the weights, the joint one last.
    pub heads: Vec<String>,
    /// Steps from one corner to another.
    pub steps: usize,
    /// The grid.
    pub points: Vec<SimplexPoint>,
    /// The strategy whose weights are judged, `ogr`: its weights as a mean over seeds.
    pub estimate: SimplexPoint,
    /// How much better the best weights are than the strategy. For each seed the best weights are chosen by the
    /// other seeds, since the best of many points by one's own seeds is flattered.
    pub regret: Difference,
}

/// Weights, and how good a network trained with them is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimplexPoint {
    /// The weight of each head; they add up to 1.
    pub weights: Vec<f64>,
    /// The accuracy on the test set with each seed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_accuracy: Vec<f64>,
    /// The main figure of another objective with each seed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub test_metrics: BTreeMap<String, Vec<f64>>,
    /// The mean of the main figure.
    pub mean: f64,
}

/// Figures with each seed, by name: the accuracy has a list of its own.
fn of_seeds<'a>(name: &str, accuracy: &'a [f64], others: &'a BTreeMap<String, Vec<f64>>) -> &'a [f64] {
    match name {
        "accuracy" => accuracy,
        name => others.get(name).map_or(&[], Vec::as_slice),
    }
}

impl Comparison {
    /// The figure that means and differences are of.
    pub fn main(&self) -> &MetricKind {
        ObjectiveDescription::main(self.objective.as_ref())
    }

    /// What its seeds are tested on.
    pub fn tested_on(&self) -> TestedOn {
        self.folds
            .map_or(TestedOn::ItsOwn, |folds| TestedOn::Folds(folds.of))
    }

    /// What a run is called, as in `seed 3` or `seed 3, fold 4/5`.
    pub fn draw(&self, seed: u64) -> String {
        match &self.folds {
            None => format!("seed {seed}"),
            Some(folds) => format!("seed {seed}, fold {}", folds.of_seed(seed)),
        }
    }

    /// What tables and charts call a row among others.
    pub fn label(&self, row: &Row) -> String {
        let fusion = self.rows.first().map(|row| &row.fusion);
        if row.single().is_some() {
            row.method.clone()
        } else if row.modalities.len() < self.modalities.len() {
            format!("{} on {}", row.method, row.modalities.join(" + "))
        } else if fusion.is_some_and(|fusion| *fusion != row.fusion) {
            format!("{} with fusion {}", row.method, row.fusion)
        } else {
            row.method.clone()
        }
    }
}

impl Row {
    /// A figure with each seed; empty if it has none.
    pub fn figures(&self, name: &str) -> &[f64] {
        of_seeds(name, &self.test_accuracy, &self.test_metrics)
    }
}

impl SimplexPoint {
    /// A figure with each seed; empty if it has none.
    pub fn figures(&self, name: &str) -> &[f64] {
        of_seeds(name, &self.test_accuracy, &self.test_metrics)
    }
}

/// Runs of which nothing is known sample by sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedsAlone {
    /// Why.
    pub problem: String,
    /// How many.
    pub runs: usize,
}

/// A cell without a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The method.
    pub method: String,
    /// The seed.
    pub seed: u64,
    /// Why.
    pub problem: String,
}
