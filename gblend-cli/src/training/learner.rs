//! What learns: the live network, or a probe's copy of it.

use gblend_core::params::{Module, ParamPath, ParamVisitor};
use gblend_core::{Blend, OptimizerState, Result};
use gblend_optim::BlendedOptimizer;

use super::momentum::Momentum;
use crate::network::Multimodal;

/// A network with all that changes in its training.
pub struct Learner<'a> {
    /// The network.
    pub model: &'a mut Multimodal,
    /// What moves its parameters.
    pub optimizer: &'a mut BlendedOptimizer,
    /// What weighs its losses.
    pub blend: &'a mut dyn Blend,
    /// What follows the network, where the joint head has a queue of keys; in estimates nothing does.
    pub momentum: Option<Momentum>,
}

impl Learner<'_> {
    /// What a checkpoint keeps: the network without what never changes of it, and what follows it; and the optimizer's state.
    pub fn kept(&mut self) -> (impl Module + '_, &mut dyn OptimizerState) {
        let kept = Kept {
            model: self.model,
            momentum: self.momentum.as_mut(),
        };
        (kept, self.optimizer.state())
    }
}

struct Kept<'k> {
    model: &'k mut Multimodal,
    momentum: Option<&'k mut Momentum>,
}

impl Module for Kept<'_> {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.model.changing().visit_params(path, visitor)?;
        match &mut self.momentum {
            Some(momentum) => momentum.visit_params(path, visitor),
            None => Ok(()),
        }
    }
}
