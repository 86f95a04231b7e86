//! What a run was asked, for whoever reads its figures.

use gblend_core::{Axes, MetricKind};
use serde::{Deserialize, Serialize};

/// An objective: its kind, the figures that say how good it is, and what a report calls its axes.
///
/// A run's is left out where it is classification, as it was before there were others; a head's where it is the run's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveDescription {
    /// The kind, as in the configuration.
    pub kind: String,
    /// Its figures, the main one first.
    pub metrics: Vec<MetricKind>,
    /// What the axes are called where predictions stand against the truth.
    pub axes: Axes,
}

/// The kinds that are left out.
const CLASSIFICATION: [&str; 2] = ["single-label", "multi-label"];

/// Of one label and of several; the balanced accuracy is there where one is, the mean average precision where several are.
static CLASSES: [MetricKind; 4] = [
    MetricKind::share("accuracy", "accuracy"),
    MetricKind::share("balanced_accuracy", "balanced accuracy"),
    MetricKind::share("macro_f1", "macro F1"),
    MetricKind::share("mean_average_precision", "mAP"),
];

impl ObjectiveDescription {
    /// What is written of an objective: nothing of classification.
    pub fn written(self) -> Option<Self> {
        (!CLASSIFICATION.contains(&self.kind.as_str())).then_some(self)
    }

    /// The figures of what was written, the main one first.
    pub fn metrics(of: Option<&Self>) -> &[MetricKind] {
        of.map_or(&CLASSES, |description| &description.metrics)
    }

    /// The main figure of what was written.
    pub fn main(of: Option<&Self>) -> &MetricKind {
        Self::metrics(of).first().unwrap_or(&CLASSES[0])
    }
}
