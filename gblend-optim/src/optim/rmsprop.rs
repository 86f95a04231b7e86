//! RMSprop.

use dfdx::tensor_ops::{RMSpropConfig, WeightDecay};
use gblend_core::tensor::Gradients;
use gblend_core::{Error, Optimizer, OptimizerState, ParamMut, ParamPath, Result, with_param};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::moments::{Moments, keep_moments, shared_decay};
use super::{below_one, not_negative};

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
        Ok(Box::new(State {
            rule: RMSpropConfig {
                lr: self.learning_rate,
                alpha: self.alpha,
                eps: self.epsilon,
                momentum: (self.momentum > 0.0).then_some(self.momentum),
                centered: self.centered,
                weight_decay: (self.weight_decay > 0.0).then_some(WeightDecay::L2(self.weight_decay)),
            },
            steps: 0,
            moments: Moments::new(["velocity", "square", "mean"]),
        }))
    }
}

gblend_core::register!(Optimizer, "rmsprop" => RmsProp);

#[derive(Debug)]
struct State {
    rule: RMSpropConfig,
    steps: u64,
    moments: Moments<3>,
}

impl OptimizerState for State {
    keep_moments!();

    fn update(
        &mut self,
        _: &ParamPath,
        param: ParamMut<'_>,
        gradients: &mut Gradients,
        share: f64,
    ) -> Result<()> {
        let rule = RMSpropConfig {
            lr: share * self.rule.lr,
            weight_decay: shared_decay(self.rule.weight_decay, share),
            ..self.rule
        };
        let [velocity, square, mean] = &mut self.moments.stores;
        with_param!(param, tensor => {
            let velocity = velocity.get_or_alloc_mut(&*tensor).map_err(Error::device)?;
            let square = square.get_or_alloc_mut(&*tensor).map_err(Error::device)?;
            let mean = mean.get_or_alloc_mut(&*tensor).map_err(Error::device)?;
            let gradient = gradients.get_or_alloc_mut(&*tensor).map_err(Error::device)?;
            rule.try_update(tensor, velocity, square, mean, gradient).map_err(Error::device)
        })
    }
}
