//! Layer normalization.

use super::init::extents;
use crate::device::Chosen;
use crate::engine::SequenceEngine;
use crate::error::{Error, Result};
use crate::graph::Operation;
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::tensor::{AutoDevice, Dims1, Features, Plain, Taped};

/// Added to the variance.
const EPSILON: f32 = 1e-5;

/// Normalization of each sample over its features (Ba, Kiros and Hinton, 2016).
#[derive(Clone, Debug)]
pub struct LayerNorm {
    gamma: Plain<Dims1>,
    beta: Plain<Dims1>,
    epsilon: f32,
}

impl LayerNorm {
    /// Normalization of vectors of `features` features.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no feature, [`Error::Device`].
    pub fn new(device: &AutoDevice, features: usize) -> Result<Self> {
        Self::with_epsilon(device, features, EPSILON)
    }

    /// As [`new`](Self::new), with another number that is added to the variance, for parameters that were trained with it.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::Argument`] if the number is not above 0.
    pub fn with_epsilon(device: &AutoDevice, features: usize, epsilon: f32) -> Result<Self> {
        let [features] = extents("layer normalization", [("features", features)])?;
        if !(epsilon > 0.0 && epsilon.is_finite()) {
            return Err(Error::argument(
                "layer normalization",
                "epsilon",
                epsilon,
                "a number above 0",
            ));
        }
        Ok(Self {
            gamma: Plain::filled(device, (features,), 1.0)?,
            beta: Plain::filled(device, (features,), 0.0)?,
            epsilon,
        })
    }

    /// Normalizes `[batch, features]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are other features, [`Error::Device`].
    pub fn forward(&self, input: Features) -> Result<Features> {
        let &(batch, features) = input.shape();
        if features != self.gamma.shape().0 {
            return Err(Error::shape(
                "layer normalization",
                format!("[batch, {}]", self.gamma.shape().0),
                [batch, features],
            ));
        }
        let operands = [input.operand(), self.gamma.operand(), self.beta.operand()];
        let (gamma, beta) = (&self.gamma.0, &self.beta.0);
        let epsilon = self.epsilon;
        let normalized = Chosen::layer_norm(input.into_engine(), gamma, beta, epsilon).map(Taped::from)?;
        Ok(normalized.traced(&operands, || Operation::LayerNorm { epsilon }))
    }
}

impl Module for LayerNorm {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.param(&path.join("gamma"), (&mut self.gamma).into())?;
        visitor.param(&path.join("beta"), (&mut self.beta).into())
    }
}
