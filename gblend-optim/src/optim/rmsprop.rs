//! RMSprop.

use gblend_core::update::{Elementwise, ElementwiseState, Rule, Step, Value};
use gblend_core::{Optimizer, OptimizerState, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared_decay;
use crate::range::{below_one, not_negative};

/// RMSprop: gradients divided by the root of the running average of their square (Hinton, 2012, lecture 6e).
///
/// `epsilon` stands under the root, as in TensorFlow; PyTorch adds it to the root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RmsProp {
    /// The learning rate, before the schedule.
    pub learning_rate: f64,
    /// Decay of the running averages.
    pub alpha: f64,
    /// Added to the average under the root.
    pub epsilon: f64,
    /// The momentum; 0 for none.
    pub momentum: f64,
    /// Whether the variance of the gradient takes the place of its mean square.
    pub centered: bool,
    /// Weight decay, added to the gradient.
    pub weight_decay: f64,
}

impl Default for RmsProp {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            alpha: 0.9,
            epsilon: 1e-8,
            momentum: 0.0,
            centered: false,
            weight_decay: 0.0,
        }
    }
}

#[typetag::serde(name = "rmsprop")]
impl Optimizer for RmsProp {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn start(&self) -> Result<Box<dyn OptimizerState>> {
        not_negative("learning_rate", self.learning_rate)?;
        not_negative("weight_decay", self.weight_decay)?;
        not_negative("epsilon", self.epsilon)?;
        below_one("alpha", self.alpha)?;
        below_one("momentum", self.momentum)?;
        Ok(Box::new(ElementwiseState::new(self.clone())))
    }
}

gblend_core::register!(Optimizer, "rmsprop" => RmsProp);

impl Elementwise<3> for RmsProp {
    const MOMENTS: [&'static str; 3] = ["velocity", "square", "mean"];
    type Rule = MeanSquare;

    fn rule(&self, step: Step) -> MeanSquare {
        MeanSquare {
            rate: (step.share * step.learning_rate) as f32,
            rest: 1.0 - self.alpha as f32,
            epsilon: self.epsilon as f32,
            momentum: (self.momentum > 0.0).then_some(self.momentum as f32),
            centered: self.centered,
            decay: shared_decay(self.weight_decay, step.share).map(|decay| decay as f32),
        }
    }
}

/// One step of [`RmsProp`].
#[derive(Debug)]
pub struct MeanSquare {
    rate: f32,
    /// What the running averages take of the newest value.
    rest: f32,
    epsilon: f32,
    momentum: Option<f32>,
    centered: bool,
    decay: Option<f32>,
}

impl Rule<3> for MeanSquare {
    #[inline]
    fn apply<V: Value>(&self, parameter: V, gradient: V, [velocity, square, mean]: [V; 3]) -> (V, [V; 3]) {
        let gradient = match self.decay {
            Some(decay) => gradient + parameter.clone() * decay,
            None => gradient,
        };
        let toward = |average: V, value: V| average.clone() + (value - average) * self.rest;
        let square = toward(square, gradient.clone() * gradient.clone());
        let (spread, mean) = if self.centered {
            let mean = toward(mean, gradient.clone());
            (square.clone() - mean.clone() * mean.clone(), mean)
        } else {
            (square.clone(), mean)
        };
        let scaled = gradient / (spread + self.epsilon).sqrt();
        let (direction, velocity) = match self.momentum {
            None => (scaled, velocity),
            Some(momentum) => {
                let velocity = velocity * momentum + scaled;
                (velocity.clone(), velocity)
            }
        };
        (parameter - direction * self.rate, [velocity, square, mean])
    }
}
