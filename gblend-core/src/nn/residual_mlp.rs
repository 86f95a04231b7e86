//! Residual blocks of fully connected layers.

use super::activation::Activation;
use super::arithmetic::add;
use super::dropout::Dropout;
use super::fork::fork;
use super::linear::Linear;
use super::row_norm::{Normalization, RowNorm};
use crate::error::Result;
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Features};

/// What a [`ResidualMlpBlock`] is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ResidualMlpOptions {
    /// What follows the layer.
    pub normalization: Normalization,
    /// What follows the normalization.
    pub activation: Activation,
    /// Probability of dropout on what is added.
    pub dropout: f32,
}

/// `x + dropout(activation(norm(W x + b)))`, the block of He et al., CVPR 2016, equation 1, on vectors. Where the block
/// changes the number of features, `x` comes by a matrix of its own. Where features are normalized over the batch there is
/// no bias, which would do nothing.
#[derive(Clone, Debug)]
pub struct ResidualMlpBlock {
    linear: Linear,
    norm: RowNorm,
    activation: Activation,
    dropout: Dropout,
    shortcut: Option<Linear>,
}

impl ResidualMlpBlock {
    /// A block from `inputs` to `outputs` features.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if an extent is 0 or the dropout is not in `0..1`, [`Error::Device`](crate::Error::Device).
    pub fn new(
        device: &AutoDevice,
        inputs: usize,
        outputs: usize,
        options: &ResidualMlpOptions,
        seed: Seed,
    ) -> Result<Self> {
        let own = seed.derive("linear");
        let shortcut = || Linear::without_bias(device, inputs, outputs, seed.derive("shortcut"));
        Ok(Self {
            linear: match options.normalization {
                Normalization::Batch => Linear::without_bias(device, inputs, outputs, own)?,
                Normalization::Layer | Normalization::None => Linear::new(device, inputs, outputs, own)?,
            },
            norm: RowNorm::new(device, options.normalization, outputs)?,
            activation: options.activation,
            dropout: Dropout::new(options.dropout, seed.derive("dropout"))?,
            shortcut: (inputs != outputs).then(shortcut).transpose()?,
        })
    }

    /// `[batch, inputs]` to `[batch, outputs]`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the rows have another length, [`Error::Device`](crate::Error::Device).
    pub fn forward(&mut self, input: Features, pass: &Pass) -> Result<Features> {
        let (input, around) = fork(input);
        let inner = self.norm.forward(self.linear.forward(input)?, pass)?;
        let inner = self.dropout.forward(self.activation.forward(inner)?, pass)?;
        let around = match &self.shortcut {
            Some(shortcut) => shortcut.forward(around)?,
            None => around,
        };
        add(inner, around)
    }
}

impl Module for ResidualMlpBlock {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.linear.visit_params(&path.join("linear"), visitor)?;
        self.norm.visit_params(&path.join("norm"), visitor)?;
        match &mut self.shortcut {
            Some(shortcut) => shortcut.visit_params(&path.join("shortcut"), visitor),
            None => Ok(()),
        }
    }
}
