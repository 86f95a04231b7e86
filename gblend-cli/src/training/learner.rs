//! What learns: the live network, or a probe's copy of it.

use gblend_core::Blend;
use gblend_optim::BlendedOptimizer;

use crate::network::Multimodal;

/// A network with all that changes in its training.
pub struct Learner<'a> {
    /// The network.
    pub model: &'a mut Multimodal,
    /// What moves its parameters.
    pub optimizer: &'a mut BlendedOptimizer,
    /// What weighs its losses.
    pub blend: &'a mut dyn Blend,
}
