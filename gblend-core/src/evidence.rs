//! What a blend strategy is told while a network trains.
//!
//! Strategies differ in what they look at: nothing, the losses of each step, how sure the heads are, the
//! gradients of each head, a probe of how heads would train alone. Each says what it wants
//! ([`Blend::evidence`](crate::Blend::evidence)), and nothing is computed that it did not ask for.

use crate::seed::Seed;

/// What a strategy wants to be told in every step. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The K+1 losses of the batch, before the step's weights are used.
    pub losses: bool,
    /// The K+1 losses of the same batch after the step; costs a forward pass.
    pub losses_after: bool,
    /// How sure each head is of the right class.
    pub scores: bool,
    /// The joint head's score for every subset of the modalities; costs `2^K` forward passes of fusion and
    /// joint head.
    pub coalitions: bool,
    /// Gradients.
    pub gradients: GradientEvidence,
}

impl Evidence {
    /// Whether anything at all is wanted. Then every head is computed in every step, whatever its weight.
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

/// Which gradients a strategy wants to see and may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GradientEvidence {
    /// None.
    #[default]
    None,
    /// Each encoder's gradient of the blended loss.
    Blended,
    /// Each encoder's gradient of its own head's loss and of the joint loss, apart; costs a second forward
    /// and backward pass.
    PerHead,
}

/// One step, before its forward pass.
#[derive(Clone, Copy, Debug)]
pub struct StepStart {
    /// Counted from 0 over the whole run.
    pub step: u64,
    /// The random stream of the step.
    pub seed: Seed,
}

/// What a step's forward pass showed; what was not asked for is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// The loss of each head, the joint one last: means over the batch.
    pub losses: Vec<f64>,
    /// The mean probability of the right class by each head.
    pub scores: Vec<f64>,
    /// The mean log-probability of the right class by the joint head, for every subset of modalities: at
    /// position `Σ 2^k` over those that it sees. Of the others it reads zeros.
    pub coalitions: Vec<f64>,
}

/// The gradient of the blended loss in one encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct BlendedGradient {
    /// Every parameter of the encoder, one after another.
    pub values: Vec<f32>,
    /// The number of values of each parameter.
    pub parameters: Vec<usize>,
}

/// What the two losses that reach an encoder ask of it: that of its own head, and the joint one.
///
/// Encoders are all that the heads share, and each has these two alone.
#[derive(Clone, Debug, PartialEq)]
pub struct ContestedGradient {
    /// The gradient of the own head's loss, every parameter of the encoder one after another.
    pub own: Vec<f32>,
    /// The gradient of the joint loss.
    pub joint: Vec<f32>,
}

impl ContestedGradient {
    /// `⟨own, joint⟩`.
    pub fn inner(&self) -> f64 {
        inner(&self.own, &self.joint)
    }

    /// `‖own‖²`.
    pub fn own_square(&self) -> f64 {
        inner(&self.own, &self.own)
    }

    /// `‖joint‖²`.
    pub fn joint_square(&self) -> f64 {
        inner(&self.joint, &self.joint)
    }
}

/// An inner product in `f64`, added up in order.
pub fn inner(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}
