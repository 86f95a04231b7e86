//! Stochastic gradient descent.

use dfdx::tensor_ops::{Momentum, SgdConfig, WeightDecay};
use gblend_core::tensor::Gradients;
use gblend_core::{Error, Optimizer, OptimizerState, ParamMut, ParamPath, Result, with_param};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::moments::{Moments, keep_moments, shared_decay};
use super::{below_one, not_negative};

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
            return Err(Error::setting(
                "optimizer.nesterov",
                true,
                "a momentum above 0 with it",
            ));
        }
        let momentum = if self.nesterov {
            Momentum::Nesterov(self.momentum)
        } else {
            Momentum::Classic(self.momentum)
        };
        Ok(Box::new(State {
            rule: SgdConfig {
                lr: self.learning_rate,
                momentum: (self.momentum > 0.0).then_some(momentum),
                weight_decay: (self.weight_decay > 0.0).then_some(WeightDecay::L2(self.weight_decay)),
            },
            steps: 0,
            moments: Moments::new(["velocity"]),
        }))
    }
}

gblend_core::register!(Optimizer, "sgd" => Sgd);

#[derive(Debug)]
struct State {
    rule: SgdConfig,
    steps: u64,
    moments: Moments<1>,
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
        let rule = SgdConfig {
            lr: share * self.rule.lr,
            weight_decay: shared_decay(self.rule.weight_decay, share),
            ..self.rule
        };
        let [velocity] = &mut self.moments.stores;
        with_param!(param, tensor => {
            let velocity = velocity.get_or_alloc_mut(&*tensor).map_err(Error::device)?;
            let gradient = gradients.get_or_alloc_mut(&*tensor).map_err(Error::device)?;
            rule.try_update(tensor, velocity, gradient).map_err(Error::device)
        })
    }
}
