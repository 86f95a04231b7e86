//! What the tests of objectives share.
#![allow(clippy::unwrap_used)]

use gblend_core::{AutoDevice, JOINT, Label, LabelKind, Labels, ObjectiveContext, Seed};

/// A training split of three classes.
pub(super) struct Case {
    classes: Vec<String>,
    labels: Labels,
    device: AutoDevice,
}

impl Case {
    pub(super) fn of(kind: LabelKind, labels: &[Label]) -> Self {
        Self {
            classes: ["a", "b", "c"].map(str::to_owned).to_vec(),
            labels: Labels::of(kind, labels).unwrap(),
            device: AutoDevice::default(),
        }
    }

    pub(super) fn context(&self) -> ObjectiveContext<'_> {
        ObjectiveContext {
            head: JOINT,
            classes: &self.classes,
            labels: &self.labels,
            device: &self.device,
            seed: Seed::new(1),
        }
    }
}

/// Scores of six samples.
pub(super) fn rows() -> Vec<Vec<f64>> {
    vec![
        vec![0.6, 0.3, 0.1],
        vec![0.2, 0.3, 0.5],
        vec![0.5, 0.5, 0.0],
        vec![0.1, 0.8, 0.7],
        vec![0.4, 0.1, 0.5],
        vec![0.9, 0.2, 0.5],
    ]
}
