//! `test.json`: what was said of the test samples.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Calibration, Metrics};

/// More than the summary tells about the test samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestDetails {
    /// Class names; none where labels are numbers.
    pub classes: Vec<String>,
    /// What the run's rule of prediction says, under the rule's name.
    pub prediction: Confusion,
    /// What every trained head says, under its name, the joint one last.
    pub heads: Vec<Confusion>,
    /// How far the probabilities of each rule can be taken at their word; empty where there are none, and in older runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calibration: Vec<Calibration>,
    /// The joint head on every subset of the modalities; absent where it was not trained, or there are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subsets: Vec<SubsetScore>,
}

/// The joint head on some of the modalities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubsetScore {
    /// Those that it sees; what the fusion reads of the others is zeros.
    pub modalities: Vec<String>,
    /// Share of samples that it gets right; absent where nothing is right or wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Figures of other objectives, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
    /// Mean loss.
    pub loss: f64,
}

impl SubsetScore {
    /// Its figures.
    pub fn all(&self) -> Metrics {
        Metrics {
            accuracy: self.accuracy,
            loss: self.loss,
            metrics: self.metrics.clone(),
            ..Metrics::default()
        }
    }
}

/// What one head, or several together, said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confusion {
    /// The head's name, or the rule's.
    pub name: String,
    /// The samples that there was something to say of.
    pub samples: u64,
    /// How often.
    pub counts: Counts,
}

/// How often what was said, or what of which sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counts {
    /// With one label for each sample: `[class][said]`.
    Matrix(Vec<Vec<u64>>),
    /// With several labels, for each class.
    PerClass(Vec<ClassCounts>),
    /// With a number for each sample: what is right and what was said; of many samples some.
    Pairs(Vec<[f64; 2]>),
    /// Nothing that a label could say.
    Nothing,
}

/// A class among several labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassCounts {
    /// Samples that have the class and are said to.
    pub true_positives: u64,
    /// Samples that do not have it and are said to.
    pub false_positives: u64,
    /// Samples that have it and are not said to.
    pub false_negatives: u64,
    /// Samples that do not have it and are not said to.
    pub true_negatives: u64,
}

impl Confusion {
    /// Of the samples that have each class, the share that is said to; `None` for a class that no sample has.
    pub fn recalls(&self) -> Vec<Option<f64>> {
        let share = |found: u64, all: u64| (all > 0).then(|| found as f64 / all as f64);
        match &self.counts {
            Counts::Matrix(matrix) => {
                let rows = matrix.iter().enumerate();
                rows.map(|(class, row)| {
                    let all = row.iter().fold(0_u64, |sum, &count| sum.saturating_add(count));
                    share(row.get(class).copied().unwrap_or(0), all)
                })
                .collect()
            }
            Counts::PerClass(each) => {
                let recalls = each.iter().map(|class| {
                    let all = class.true_positives.saturating_add(class.false_negatives);
                    share(class.true_positives, all)
                });
                recalls.collect()
            }
            Counts::Pairs(_) | Counts::Nothing => Vec::new(),
        }
    }
}
