//! What the tests of evaluations share.
#![allow(clippy::unwrap_used)]

use gblend_core::label_objective::default_objective;
use gblend_core::{AutoDevice, Criterion, JOINT, Label, LabelKind, Labels, ObjectiveContext, Seed, Targets};

/// The criterion that follows from labels.
pub(super) fn criterion(kind: LabelKind, classes: usize) -> Box<dyn Criterion> {
    let labels: &[Label] = match kind {
        LabelKind::Number => &[Label::Number(1.0), Label::Number(3.0)],
        _ => &[],
    };
    let cx = ObjectiveContext {
        head: JOINT,
        classes: &(0..classes).map(|class| class.to_string()).collect::<Vec<_>>(),
        labels: &Labels::of(kind, labels).unwrap(),
        device: &AutoDevice::default(),
        seed: Seed::new(0),
    };
    default_objective(kind).unwrap().start(&cx).unwrap()
}

/// Samples of these classes.
pub(super) fn labels(classes: &[usize]) -> Targets {
    Targets::new(classes.iter().map(|&class| Label::Class(class)).collect())
}
