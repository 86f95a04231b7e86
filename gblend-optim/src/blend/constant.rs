//! Weights that never change.

use gblend_core::{Advice, Blend, BlendWeights, JointReach};

/// A blend at work that has nothing to learn.
#[derive(Debug)]
pub(super) struct Constant {
    pub(super) weights: BlendWeights,
    pub(super) advice: Advice,
    pub(super) joint_reach: JointReach,
}

impl Constant {
    /// One whose joint loss moves everything that it reads.
    pub(super) fn new(weights: BlendWeights, advice: Advice) -> Self {
        Self {
            weights,
            advice,
            joint_reach: JointReach::default(),
        }
    }
}

impl Blend for Constant {
    fn weights(&self) -> &BlendWeights {
        &self.weights
    }

    fn blended_heads(&self) -> usize {
        let weights = self.weights.as_slice().iter();
        weights.filter(|&&weight| weight > 0.0).count()
    }

    fn joint_reach(&self) -> JointReach {
        self.joint_reach
    }

    fn advice(&self) -> Advice {
        self.advice.clone()
    }
}
