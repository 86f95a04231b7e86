//! Weights that never change.

use gblend_core::{Advice, Blend, BlendWeights};

/// A blend at work that has nothing to learn.
#[derive(Debug)]
pub(super) struct Constant {
    pub(super) weights: BlendWeights,
    pub(super) advice: Advice,
}

impl Blend for Constant {
    fn weights(&self) -> &BlendWeights {
        &self.weights
    }

    fn blended_heads(&self) -> usize {
        let weights = self.weights.as_slice().iter();
        weights.filter(|&&weight| weight > 0.0).count()
    }

    fn advice(&self) -> Advice {
        self.advice.clone()
    }
}
