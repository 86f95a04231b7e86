//! AdamW.

use gblend_core::update::{Elementwise, ElementwiseState, Step};
use gblend_core::{Optimizer, OptimizerState, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adam::{Adam, AdaptiveMoments, Decay};
use super::shared_decay;

/// Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019, algorithm 2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdamW {
    /// The learning rate, before the schedule.
    pub learning_rate: f64,
    /// Decay of the running averages of the gradient and of its square.
    pub betas: [f64; 2],
    /// Added to the root of the second average.
    pub epsilon: f64,
    /// Share of each parameter, times the learning rate, that a step takes away.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.01,
        }
    }
}

#[typetag::serde(name = "adamw")]
impl Optimizer for AdamW {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn start(&self) -> Result<Box<dyn OptimizerState>> {
        self.as_adam().check()?;
        Ok(Box::new(ElementwiseState::new(self.clone())))
    }
}

gblend_core::register!(Optimizer, "adamw" => AdamW);

impl AdamW {
    fn as_adam(&self) -> Adam {
        Adam {
            learning_rate: self.learning_rate,
            betas: self.betas,
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
        }
    }
}

impl Elementwise<2> for AdamW {
    const MOMENTS: [&'static str; 2] = Adam::MOMENTS;
    type Rule = AdaptiveMoments;

    fn rule(&self, step: Step) -> AdaptiveMoments {
        let decay = shared_decay(self.weight_decay, step.share);
        let of_step = |decay: f64| Decay::InStep((decay * (step.share * step.learning_rate)) as f32);
        self.as_adam().decaying(step, decay.map(of_step))
    }
}
