//! Weights that never change.

use gblend_core::{Blend, BlendWeights};

/// A blend at work that has nothing to learn.
#[derive(Debug)]
pub(super) struct Constant(pub(super) BlendWeights);

impl Blend for Constant {
    fn weights(&self) -> &BlendWeights {
        &self.0
    }
}
