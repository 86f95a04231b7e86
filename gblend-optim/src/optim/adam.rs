//! Adam.

use dfdx::tensor_ops::{AdamConfig, WeightDecay};
use gblend_core::tensor::Gradients;
use gblend_core::{Error, Optimizer, OptimizerState, ParamMut, ParamPath, Result, with_param};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::moments::{Moments, keep_moments, shared_decay};
use super::{below_one, not_negative};

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
        start(
            self,
            (self.weight_decay > 0.0).then_some(WeightDecay::L2(self.weight_decay)),
        )
    }
}

gblend_core::register!(Optimizer, "adam" => Adam);

/// Adam with this kind of weight decay.
pub(super) fn start(settings: &Adam, decay: Option<WeightDecay>) -> Result<Box<dyn OptimizerState>> {
    not_negative("learning_rate", settings.learning_rate)?;
    not_negative("weight_decay", settings.weight_decay)?;
    below_one("betas", settings.betas[0])?;
    below_one("betas", settings.betas[1])?;
    not_negative("epsilon", settings.epsilon)?;
    Ok(Box::new(State {
        rule: AdamConfig {
            lr: settings.learning_rate,
            betas: settings.betas,
            eps: settings.epsilon,
            weight_decay: decay,
        },
        steps: 0,
        moments: Moments::new(["mean", "square"]),
    }))
}

#[derive(Debug)]
struct State {
    rule: AdamConfig,
    steps: u64,
    moments: Moments<2>,
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
        let rule = AdamConfig {
            lr: share * self.rule.lr,
            weight_decay: shared_decay(self.rule.weight_decay, share),
            ..self.rule
        };
        let [mean, square] = &mut self.moments.stores;
        let step = i32::try_from(self.steps).unwrap_or(i32::MAX);
        with_param!(param, tensor => {
            let mean = mean.get_or_alloc_mut(&*tensor).map_err(Error::device)?;
            let square = square.get_or_alloc_mut(&*tensor).map_err(Error::device)?;
            let gradient = gradients.get_or_alloc_mut(&*tensor).map_err(Error::device)?;
            rule.try_update(step, tensor, mean, square, gradient).map_err(Error::device)
        })
    }
}
