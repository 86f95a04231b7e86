//! Fully connected layers.

use dfdx::shapes::HasShape;

use super::engine::Engine;
use super::init::{lecun_uniform, positive};
use crate::error::{Error, Result};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Dims1, Dims2, Features, Plain};

/// `x · Wᵀ + b`.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Plain<Dims2>,
    bias: Plain<Dims1>,
}

impl Linear {
    /// A layer from `inputs` to `outputs` features.
    ///
    /// # Errors
    /// [`Error::Setting`] if a side is empty, [`Error::Device`].
    pub fn new(device: &AutoDevice, inputs: usize, outputs: usize, seed: Seed) -> Result<Self> {
        let (inputs, outputs) = (positive("inputs", inputs)?, positive("outputs", outputs)?);
        Ok(Self {
            weight: lecun_uniform(device, (outputs, inputs), inputs, seed.derive("weight"))?,
            bias: lecun_uniform(device, (outputs,), inputs, seed.derive("bias"))?,
        })
    }

    /// `[batch, inputs]` to `[batch, outputs]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the rows have another length, [`Error::Device`].
    pub fn forward(&self, input: Features) -> Result<Features> {
        let &(batch, features) = input.shape();
        let inputs = self.weight.shape().1;
        if features != inputs {
            return Err(Error::shape(
                "linear layer",
                format!("[batch, {inputs}]"),
                [batch, features],
            ));
        }
        AutoDevice::linear(input, &self.weight, Some(&self.bias))
    }
}

impl Module for Linear {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.param(&path.join("weight"), (&mut self.weight).into())?;
        visitor.param(&path.join("bias"), (&mut self.bias).into())
    }
}
