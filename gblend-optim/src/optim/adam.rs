//! Adam.

use gblend_core::update::{Elementwise, ElementwiseState, Rule, Step, Value};
use gblend_core::{Optimizer, OptimizerState, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared_decay;
use crate::range::{below_one, not_negative};

/// Adam (Kingma and Ba, ICLR 2015, algorithm 1) with L2 weight decay.
///
/// Its update does not depend on the scale of a gradient, so blend weights act on it only where two heads
/// share parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Adam {
    /// The learning rate, before the schedule.
    pub learning_rate: f64,
    /// Decay of the running averages of the gradient and of its square.
    pub betas: [f64; 2],
    /// Added to the root of the second average.
    pub epsilon: f64,
    /// Weight decay, added to the gradient.
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }
}

#[typetag::serde(name = "adam")]
impl Optimizer for Adam {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn start(&self) -> Result<Box<dyn OptimizerState>> {
        self.check()?;
        Ok(Box::new(ElementwiseState::new(self.clone())))
    }
}

gblend_core::register!(Optimizer, "adam" => Adam);

impl Adam {
    /// Checks the ranges of the settings.
    pub(super) fn check(&self) -> Result<()> {
        not_negative("learning_rate", self.learning_rate)?;
        not_negative("weight_decay", self.weight_decay)?;
        below_one("betas", self.betas[0])?;
        below_one("betas", self.betas[1])?;
        not_negative("epsilon", self.epsilon)
    }

    /// A step with this weight decay, whatever the settings say.
    pub(super) fn decaying(&self, step: Step, decay: Option<Decay>) -> AdaptiveMoments {
        let number = i32::try_from(step.number).unwrap_or(i32::MAX);
        let betas = self.betas.map(|beta| beta as f32);
        AdaptiveMoments {
            rate: (step.share * step.learning_rate) as f32,
            betas,
            corrections: betas.map(|beta| (1.0 - beta.powi(number)).recip()),
            epsilon: self.epsilon as f32,
            decay,
        }
    }
}

impl Elementwise<2> for Adam {
    const MOMENTS: [&'static str; 2] = ["mean", "square"];
    type Rule = AdaptiveMoments;

    fn rule(&self, step: Step) -> AdaptiveMoments {
        let decay = shared_decay(self.weight_decay, step.share);
        self.decaying(step, decay.map(|decay| Decay::InGradient(decay as f32)))
    }
}

/// One step of [`Adam`] or [`AdamW`](super::AdamW).
#[derive(Debug)]
pub struct AdaptiveMoments {
    rate: f32,
    betas: [f32; 2],
    /// What makes the averages, which start at 0, unbiased.
    corrections: [f32; 2],
    epsilon: f32,
    decay: Option<Decay>,
}

/// What weight decay is added to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decay {
    /// The gradient, this share of the parameter.
    InGradient(f32),
    /// The step, this share of the parameter.
    InStep(f32),
}

impl Rule<2> for AdaptiveMoments {
    #[inline]
    fn apply<V: Value>(&self, parameter: V, gradient: V, [mean, square]: [V; 2]) -> (V, [V; 2]) {
        let gradient = match self.decay {
            Some(Decay::InGradient(decay)) => gradient + parameter.clone() * decay,
            _ => gradient,
        };
        let [first, second] = self.betas;
        let mean = mean * first + gradient.clone() * (1.0 - first);
        let square = square * second + gradient.clone() * gradient * (1.0 - second);
        let [unbiased, of_squares] = self.corrections;
        let root = (square.clone() * of_squares).sqrt();
        let step = mean.clone() * unbiased * self.rate / (root + self.epsilon);
        let step = match self.decay {
            Some(Decay::InStep(decay)) => step + parameter.clone() * decay,
            _ => step,
        };
        (parameter - step, [mean, square])
    }
}
