//! Convolution.

use super::init::{extents, he_normal};
use crate::device::Chosen;
use crate::engine::Engine;
use crate::engine::{Window, WindowPlan};
use crate::error::{Error, Result};
use crate::graph::Operation;
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Dims1, Dims4, Maps, Plain, Taped};

/// Cross-correlation of feature maps with learned windows, and a bias per output channel.
#[derive(Clone, Debug)]
pub struct Conv2d {
    weight: Plain<Dims4>,
    bias: Plain<Dims1>,
    window: Window,
}

impl Conv2d {
    /// A convolution from `in_channels` to `out_channels` channels.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no channel, [`Error::Device`].
    pub fn new(
        device: &AutoDevice,
        in_channels: usize,
        out_channels: usize,
        window: Window,
        seed: Seed,
    ) -> Result<Self> {
        Ok(Self {
            weight: kernel(device, in_channels, out_channels, window, seed)?,
            bias: Plain::filled(device, (out_channels,), 0.0)?,
            window,
        })
    }

    /// Convolves `[in_channels, height, width, frames × batch]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are other channels or the window does not fit, [`Error::Device`].
    pub fn forward(&self, input: Maps) -> Result<Maps> {
        let plan = plan(&input, &self.weight, self.window)?;
        let operands = [input.operand(), self.weight.operand(), self.bias.operand()];
        let bias = Some(&self.bias.0);
        let maps = Chosen::conv(input.into_engine(), &self.weight.0, bias, &plan).map(Taped::from)?;
        Ok(maps.traced(&operands, || Operation::Convolution(self.window)))
    }
}

impl Module for Conv2d {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.param(&path.join("weight"), (&mut self.weight).into())?;
        visitor.param(&path.join("bias"), (&mut self.bias).into())
    }
}

/// Initial weights of a convolution, `[out_channels, in_channels, kernel height, kernel width]`.
pub(super) fn kernel(
    device: &AutoDevice,
    in_channels: usize,
    out_channels: usize,
    window: Window,
    seed: Seed,
) -> Result<Plain<Dims4>> {
    let (height, width) = window.kernel;
    let [out_channels, in_channels, height, width] = extents(
        "convolution",
        [
            ("output channels", out_channels),
            ("input channels", in_channels),
            ("rows of its window", height),
            ("columns of its window", width),
        ],
    )?;
    let shape = (out_channels, in_channels, height, width);
    he_normal(device, shape, in_channels * height * width, seed)
}

/// Checks the channels and places the window.
pub(super) fn plan(input: &Maps, weight: &Plain<Dims4>, window: Window) -> Result<WindowPlan> {
    let &(channels, height, width, columns) = input.shape();
    if channels != weight.shape().1 {
        return Err(Error::shape(
            "convolution",
            format!("[{}, height, width, frames x batch]", weight.shape().1),
            [channels, height, width, columns],
        ));
    }
    window.over(height, width)
}
