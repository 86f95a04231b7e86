//! Fully connected layers.

use super::init::{extents, lecun_uniform};
use crate::device::Chosen;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::graph::Operation;
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Dims1, Dims2, Features, Plain, Taped};

/// `x · Wᵀ + b`, or `x · Wᵀ`.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Plain<Dims2>,
    bias: Option<Plain<Dims1>>,
}

impl Linear {
    /// A layer from `inputs` to `outputs` features.
    ///
    /// # Errors
    /// [`Error::Argument`] if a side is empty or there are too many weights, [`Error::Device`].
    pub fn new(device: &AutoDevice, inputs: usize, outputs: usize, seed: Seed) -> Result<Self> {
        let mut layer = Self::without_bias(device, inputs, outputs, seed)?;
        layer.bias = Some(lecun_uniform(device, (outputs,), inputs, seed.derive("bias"))?);
        Ok(layer)
    }

    /// As [`new`](Self::new), for places where a bias would do nothing, such as the keys of an attention.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn without_bias(device: &AutoDevice, inputs: usize, outputs: usize, seed: Seed) -> Result<Self> {
        let [inputs, outputs] = extents("linear layer", [("inputs", inputs), ("outputs", outputs)])?;
        Ok(Self {
            weight: lecun_uniform(device, (outputs, inputs), inputs, seed.derive("weight"))?,
            bias: None,
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
        let operands = [
            input.operand(),
            self.weight.operand(),
            self.bias.as_ref().map(Plain::operand).unwrap_or_default(),
        ];
        let bias = self.bias.as_ref().map(|bias| &bias.0);
        let output = Chosen::linear(input.into_engine(), &self.weight.0, bias).map(Taped::from)?;
        Ok(output.traced(&operands, || Operation::Linear))
    }
}

impl Module for Linear {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.param(&path.join("weight"), (&mut self.weight).into())?;
        match &mut self.bias {
            Some(bias) => visitor.param(&path.join("bias"), bias.into()),
            None => Ok(()),
        }
    }
}
