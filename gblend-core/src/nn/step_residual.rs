//! Residual blocks of convolutions over the steps of sequences.

use super::activation::Activation;
use super::arithmetic::add;
use super::dropout::Dropout;
use super::fork::fork;
use super::row_norm::{Normalization, RowNorm};
use super::step_conv::{StepConv, StepWindow};
use crate::engine::Steps;
use crate::error::{Error, Result};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Features};

/// What a [`StepResidualBlock`] is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepResidualOptions {
    /// Windows of the first convolution. The second has the same, with a stride of 1.
    pub window: StepWindow,
    /// What follows each convolution.
    pub normalization: Normalization,
    /// What follows the first normalization, and the sum at the end.
    pub activation: Activation,
    /// Probability of dropout ahead of the second convolution.
    pub dropout: f32,
}

/// Two convolutions over steps and a way around them: the block of He et al., CVPR 2016, figure 2, over time, with dilated
/// windows as in Bai, Kolter and Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for
/// Sequence Modeling", 2018, <https://arxiv.org/abs/1803.01271>, section 3.
///
/// The way around is a convolution of single steps where the block changes the features or has a stride.
#[derive(Clone, Debug)]
pub struct StepResidualBlock {
    first: NormalizedConv,
    second: NormalizedConv,
    shortcut: Option<NormalizedConv>,
    activation: Activation,
    dropout: Dropout,
}

impl StepResidualBlock {
    /// A block from `inputs` to `outputs` features.
    ///
    /// # Errors
    /// [`Error::Argument`] if an extent is 0, the kernel even, the stride above 2, or the dropout not in `0..1`;
    /// [`Error::Device`].
    pub fn new(
        device: &AutoDevice,
        inputs: usize,
        outputs: usize,
        options: &StepResidualOptions,
        seed: Seed,
    ) -> Result<Self> {
        let StepResidualOptions {
            window,
            normalization,
            activation,
            dropout,
        } = *options;
        if window.stride > 2 {
            return Err(Error::argument(
                "residual block over steps",
                "stride",
                window.stride,
                "1 or 2",
            ));
        }
        let conv = |name: &str, inputs, window| {
            NormalizedConv::new(device, inputs, outputs, window, normalization, seed.derive(name))
        };
        let around = StepWindow {
            stride: window.stride,
            ..StepWindow::ALONE
        };
        let shortcut = window.stride != 1 || inputs != outputs;
        Ok(Self {
            first: conv("first", inputs, window)?,
            second: conv("second", outputs, StepWindow { stride: 1, ..window })?,
            shortcut: shortcut.then(|| conv("shortcut", inputs, around)).transpose()?,
            activation,
            dropout: Dropout::new(dropout, seed.derive("dropout"))?,
        })
    }

    /// `[steps, inputs]` to `[steps that the stride divides, outputs]`, and these steps.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are other steps or features, [`Error::Device`].
    pub fn forward(&mut self, rows: Features, steps: &Steps, pass: &Pass) -> Result<(Features, Steps)> {
        let (rows, around) = fork(rows);
        let (inner, kept) = self.first.forward(rows, steps, pass)?;
        let inner = self.dropout.forward(self.activation.forward(inner)?, pass)?;
        let (inner, _) = self.second.forward(inner, &kept, pass)?;
        let around = match &mut self.shortcut {
            Some(shortcut) => shortcut.forward(around, steps, pass)?.0,
            None => around,
        };
        Ok((self.activation.forward(add(inner, around)?)?, kept))
    }
}

impl Module for StepResidualBlock {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.first.visit_params(&path.join("first"), visitor)?;
        self.second.visit_params(&path.join("second"), visitor)?;
        match &mut self.shortcut {
            Some(shortcut) => shortcut.visit_params(&path.join("shortcut"), visitor),
            None => Ok(()),
        }
    }
}

/// A convolution and what normalizes it; a bias only where nothing does.
#[derive(Clone, Debug)]
struct NormalizedConv {
    conv: StepConv,
    norm: RowNorm,
}

impl NormalizedConv {
    fn new(
        device: &AutoDevice,
        inputs: usize,
        outputs: usize,
        window: StepWindow,
        normalization: Normalization,
        seed: Seed,
    ) -> Result<Self> {
        Ok(Self {
            conv: match normalization {
                Normalization::None => StepConv::new(device, inputs, outputs, window, seed)?,
                _ => StepConv::without_bias(device, inputs, outputs, window, seed)?,
            },
            norm: RowNorm::new(device, normalization, outputs)?,
        })
    }

    fn forward(&mut self, rows: Features, steps: &Steps, pass: &Pass) -> Result<(Features, Steps)> {
        let (rows, kept) = self.conv.forward(rows, steps)?;
        Ok((self.norm.forward_steps(rows, &kept, pass)?, kept))
    }
}

impl Module for NormalizedConv {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.conv.visit_params(path, visitor)?;
        self.norm.visit_params(path, visitor)
    }
}
