//! Residual blocks.

use super::conv_norm::ConvNorm;
use super::fork::fork;
use crate::device::Chosen;
use crate::engine::Engine;
use crate::engine::Window;
use crate::error::Result;
use crate::graph::Operation;
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Maps, Taped};

/// Two 3 × 3 convolutions and a way around them (He et al., CVPR 2016, figure 2). The way around is a
/// 1 × 1 convolution where the block changes the size or the channels.
#[derive(Clone, Debug)]
pub struct ResidualBlock {
    first: ConvNorm,
    second: ConvNorm,
    shortcut: Option<ConvNorm>,
}

impl ResidualBlock {
    /// A block from `in_channels` to `out_channels` channels whose first convolution has this stride.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if there is no channel,
    /// [`Error::Device`](crate::Error::Device).
    pub fn new(
        device: &AutoDevice,
        in_channels: usize,
        out_channels: usize,
        stride: usize,
        seed: Seed,
    ) -> Result<Self> {
        let conv = |name, inputs, window, relu| {
            ConvNorm::new(device, inputs, out_channels, window, relu, seed.derive(name))
        };
        let around = Window::square(1, stride, 0);
        let shortcut = stride != 1 || in_channels != out_channels;
        Ok(Self {
            first: conv("first", in_channels, Window::square(3, stride, 1), true)?,
            second: conv("second", out_channels, Window::square(3, 1, 1), false)?,
            shortcut: shortcut
                .then(|| conv("shortcut", in_channels, around, false))
                .transpose()?,
        })
    }

    /// `[in_channels, height, width, frames × batch]` to `[out_channels, …]`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are other channels,
    /// [`Error::Device`](crate::Error::Device).
    pub fn forward(&mut self, input: Maps, pass: &Pass) -> Result<Maps> {
        let (input, around) = fork(input);
        let inner = self.first.forward(input, pass)?;
        let inner = self.second.forward(inner, pass)?;
        let around = match &mut self.shortcut {
            Some(shortcut) => shortcut.forward(around, pass)?,
            None => around,
        };
        add_relu(inner, around)
    }

    /// As [`visit_params`](Module::visit_params), under the names of torchvision's `BasicBlock`: `conv1`, `bn1`, `conv2`,
    /// `bn2`, and `downsample.0` and `downsample.1` for the way around.
    ///
    /// # Errors
    /// The visitor's.
    pub fn visit_layers(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        let layer = |name: &str| path.join(name);
        self.first.visit_layers(&layer("conv1"), &layer("bn1"), visitor)?;
        self.second
            .visit_layers(&layer("conv2"), &layer("bn2"), visitor)?;
        match &mut self.shortcut {
            Some(shortcut) => shortcut.visit_layers(&layer("downsample.0"), &layer("downsample.1"), visitor),
            None => Ok(()),
        }
    }
}

/// `max(left + right, 0)`, the end of a block.
pub(super) fn add_relu(left: Maps, right: Maps) -> Result<Maps> {
    let operands = [left.operand(), right.operand()];
    let sum = Chosen::relu_add(left.into_engine(), right.into_engine()).map(Taped::from)?;
    Ok(sum.traced(&operands, || Operation::AddRelu))
}

impl Module for ResidualBlock {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.first.visit_params(&path.join("first"), visitor)?;
        self.second.visit_params(&path.join("second"), visitor)?;
        match &mut self.shortcut {
            Some(shortcut) => shortcut.visit_params(&path.join("shortcut"), visitor),
            None => Ok(()),
        }
    }
}
