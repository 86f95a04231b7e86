//! Steps and epochs as a strategy may see them.

use proptest::prelude::*;

use super::{estimate, gradient};
use crate::estimate::Estimate;
use crate::evidence::{ContestedGradient, Observation};

/// Everything that a step can show. A strategy is given the part that it asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What the forward pass shows, whole.
    pub observation: Observation,
    /// The losses after the step.
    pub losses_after: Vec<f64>,
    /// The two gradients of each encoder.
    pub encoders: Vec<ContestedGradient>,
}

/// An epoch, and the estimate before it, which is taken if it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// The estimate.
    pub estimate: Estimate,
    /// The steps, at least one.
    pub steps: Vec<Step>,
}

/// A loss: most of a usual size, some 0, some from 1e-30 to 1e30.
pub fn loss() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..5.0_f64,
        1 => Just(0.0),
        1 => (-30.0..30.0_f64).prop_map(|exponent| 10_f64.powf(exponent)),
    ]
}

/// A step of a network with this many modalities.
pub fn step(modalities: usize) -> impl Strategy<Value = Step> {
    let losses = || prop::collection::vec(loss(), modalities + 1);
    let score = prop_oneof![4 => 0.0..=1.0_f64, 1 => Just(0.0), 1 => Just(1.0)];
    let scores = prop::collection::vec(score, modalities + 1);
    let coalition = prop_oneof![8 => -10.0..=0.0_f64, 1 => -1e3..=0.0_f64, 1 => Just(0.0)];
    let coalitions = prop::collection::vec(coalition, 1 << modalities);
    let encoder = (gradient(6), gradient(6)).prop_map(|(mut own, mut joint)| {
        // Both are of the same parameters.
        let length = own.len().min(joint.len());
        own.truncate(length);
        joint.truncate(length);
        ContestedGradient { own, joint }
    });
    let encoders = prop::collection::vec(encoder, modalities);
    (losses(), losses(), scores, coalitions, encoders).prop_map(Step::of)
}

/// Losses, losses after the step, scores, coalitions and encoders' gradients.
type StepParts = (Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>, Vec<ContestedGradient>);

impl Step {
    pub(in crate::conformance) fn of(
        (losses, losses_after, scores, coalitions, encoders): StepParts,
    ) -> Self {
        Self {
            observation: Observation {
                losses,
                scores,
                coalitions,
            },
            losses_after,
            encoders,
        }
    }
}

/// An epoch of one to three steps.
pub fn epoch(modalities: usize) -> impl Strategy<Value = Epoch> {
    let steps = prop::collection::vec(step(modalities), 1..=3);
    (estimate(modalities + 1), steps).prop_map(|(estimate, steps)| Epoch { estimate, steps })
}
