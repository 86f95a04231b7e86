//! Stochastic gradient descent.

use gblend_core::update::{Elementwise, ElementwiseState, Rule, Step, Value};
use gblend_core::{Error, Optimizer, OptimizerState, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared_decay;
use crate::range::{below_one, not_negative};

/// Stochastic gradient descent with momentum, Nesterov's variant if asked for, and L2 weight decay.
///
/// `v ← g + λp + μv; p ← p − ηv` (with Nesterov: `p ← p − η(g + λp + μv)`), as PyTorch does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sgd {
    /// The learning rate η, before the schedule.
    pub learning_rate: f64,
    /// The momentum μ; 0 for none.
    pub momentum: f64,
    /// Whether to look ahead (Sutskever et al., ICML 2013).
    pub nesterov: bool,
    /// The weight decay λ.
    pub weight_decay: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Self {
            learning_rate: 0.01,
            momentum: 0.9,
            nesterov: false,
            weight_decay: 0.0,
        }
    }
}

#[typetag::serde(name = "sgd")]
impl Optimizer for Sgd {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn start(&self) -> Result<Box<dyn OptimizerState>> {
        not_negative("learning_rate", self.learning_rate)?;
        not_negative("weight_decay", self.weight_decay)?;
        below_one("momentum", self.momentum)?;
        if self.nesterov && self.momentum == 0.0 {
            return Err(Error::setting("nesterov", true, "a momentum above 0 with it"));
        }
        Ok(Box::new(ElementwiseState::new(self.clone())))
    }
}

gblend_core::register!(Optimizer, "sgd" => Sgd);

impl Elementwise<1> for Sgd {
    const MOMENTS: [&'static str; 1] = ["velocity"];
    type Rule = Momentum;

    fn rule(&self, step: Step) -> Momentum {
        Momentum {
            rate: (step.share * step.learning_rate) as f32,
            momentum: (self.momentum > 0.0).then_some(self.momentum as f32),
            nesterov: self.nesterov,
            decay: shared_decay(self.weight_decay, step.share).map(|decay| decay as f32),
        }
    }
}

/// One step of [`Sgd`].
#[derive(Debug)]
pub struct Momentum {
    rate: f32,
    momentum: Option<f32>,
    nesterov: bool,
    decay: Option<f32>,
}

impl Rule<1> for Momentum {
    #[inline]
    fn apply<V: Value>(&self, parameter: V, gradient: V, [velocity]: [V; 1]) -> (V, [V; 1]) {
        let gradient = match self.decay {
            Some(decay) => gradient + parameter.clone() * decay,
            None => gradient,
        };
        let (direction, velocity) = match self.momentum {
            None => (gradient, velocity),
            Some(momentum) => {
                let velocity = gradient.clone() + velocity * momentum;
                let direction = if self.nesterov {
                    gradient + velocity.clone() * momentum
                } else {
                    velocity.clone()
                };
                (direction, velocity)
            }
        };
        (parameter - direction * self.rate, [velocity])
    }
}
