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
    /// Counted from 0 over the whole run, also where it was resumed.
    pub step: u64,
    /// The strategy's own random stream of this step: what is drawn from it alone is drawn again where a run is resumed.
    pub seed: Seed,
}

/// What a step's forward pass showed of its batch, in training mode and before the step is taken.
///
/// A list that was not asked for is empty; one that was has its whole length. There is no observation of a step in which a head
/// saw no sample, because all that it sees lack its modality or a label: heads could not be compared.
/// [`Blend::observe`](crate::Blend::observe) is then not called, and the weights of that step are those that there were.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// With [`Evidence::losses`], the loss of each head, K+1 in the order of [`Heads`](crate::Heads), the joint one last. Each is the
    /// mean over the samples of the batch that the head sees and that have a label, in the unit of the head's objective: nats
    /// for classes, with weights of classes if it has some. It is not yet multiplied by the blend's weight, and finite.
    pub losses: Vec<f64>,
    /// With [`Evidence::scores`], how sure each head is of what is right, K+1 in the same order, from 0 to 1: the mean over
    /// the same samples of [`Criterion::confidence`](crate::Criterion::confidence), which is the probability of the right
    /// class.
    pub scores: Vec<f64>,
    /// With [`Evidence::coalitions`], what the joint head makes of every subset of the K modalities, `2^K` numbers: its negative
    /// loss, for classes the mean log-probability of the right one in nats, over all samples of the batch that have a label.
    /// At position `Σ 2^k` over the modalities k that it sees, so that position 0 is none of them and the last all; of the
    /// others it reads zeros. In evaluation mode, unlike the rest.
    pub coalitions: Vec<f64>,
}

/// The gradient of the blended loss in one encoder, of losses that are multiplied by their weights.
///
/// There is one for each modality, in their order; that of an encoder which no loss reaches in a step is zeros.
#[derive(Clone, Debug, PartialEq)]
pub struct BlendedGradient {
    /// Every parameter of the encoder, one after another, in the order in which it shows them. To be changed in place; their
    /// number stays.
    pub values: Vec<f32>,
    /// The number of values of each parameter, which add up to the length of `values`.
    pub parameters: Vec<usize>,
}

/// What the two losses that reach an encoder ask of it: that of its own head, and the joint one.
///
/// Encoders are all that the heads share, and each has these two alone. Neither is multiplied by a weight yet. There is one
/// for each modality, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct ContestedGradient {
    /// The gradient of the own head's loss, every parameter of the encoder one after another; zeros where the loss reaches
    /// none.
    pub own: Vec<f32>,
    /// The gradient of the joint loss, of the same parameters in the same order, so of the same length.
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
