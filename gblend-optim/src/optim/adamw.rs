//! AdamW.

use dfdx::tensor_ops::WeightDecay;
use gblend_core::{Optimizer, OptimizerState, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adam::{self, Adam};

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
        let settings = Adam {
            learning_rate: self.learning_rate,
            betas: self.betas,
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
        };
        adam::start(&settings, Some(WeightDecay::Decoupled(self.weight_decay)))
    }
}

gblend_core::register!(Optimizer, "adamw" => AdamW);
