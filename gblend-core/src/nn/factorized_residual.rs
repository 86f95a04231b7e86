//! Residual blocks of convolutions that are factorized into space and time.

use super::conv_norm::ConvNorm;
use super::fork::fork;
use super::pool::average_pool;
use super::temporal::{FactorizedBlock, FactorizedStrides, split_frames};
use crate::device::Chosen;
use crate::engine::Engine;
use crate::engine::Window;
use crate::error::Result;
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Maps, reshape};

/// Two (2+1)D convolutions and a way around them: the block of an R(2+1)D network (Tran et al., CVPR 2018). The way around
/// is a 1 × 1 × 1 convolution where the block changes the size or the channels.
#[derive(Clone, Debug)]
pub struct FactorizedResidualBlock {
    first: FactorizedBlock,
    second: FactorizedBlock,
    shortcut: Option<Shortcut>,
}

impl FactorizedResidualBlock {
    /// A block from `in_channels` to `out_channels` channels whose first convolution has these strides.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if there is no channel,
    /// [`Error::Device`](crate::Error::Device).
    pub fn new(
        device: &AutoDevice,
        in_channels: usize,
        out_channels: usize,
        strides: FactorizedStrides,
        seed: Seed,
    ) -> Result<Self> {
        let conv = |name, inputs, strides| {
            FactorizedBlock::new(device, inputs, out_channels, strides, seed.derive(name))
        };
        let shortcut = strides != FactorizedStrides::NONE || in_channels != out_channels;
        let around = Window::square(1, strides.spatial, 0);
        let project = || {
            let seed = seed.derive("shortcut");
            ConvNorm::new(device, in_channels, out_channels, around, false, seed).map(|conv| Shortcut {
                stride: strides.temporal,
                conv,
            })
        };
        Ok(Self {
            first: conv("first", in_channels, strides)?,
            second: conv("second", out_channels, FactorizedStrides::NONE)?.without_relu(),
            shortcut: shortcut.then(project).transpose()?,
        })
    }

    /// `[in_channels, height, width, frames × batch]` to `[out_channels, …]`, and how many frames are left.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are other channels or the maps do not divide into so many frames,
    /// [`Error::Device`](crate::Error::Device).
    pub fn forward(&mut self, input: Maps, frames: usize, pass: &Pass) -> Result<(Maps, usize)> {
        let (input, around) = fork(input);
        let (inner, left) = self.first.forward(input, frames, pass)?;
        let (inner, left) = self.second.forward(inner, left, pass)?;
        let around = match &mut self.shortcut {
            Some(shortcut) => shortcut.forward(around, frames, pass)?,
            None => around,
        };
        let sum = Chosen::relu_add(inner.into_engine(), around.into_engine())?;
        Ok((sum.into(), left))
    }
}

impl Module for FactorizedResidualBlock {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.first.visit_params(&path.join("first"), visitor)?;
        self.second.visit_params(&path.join("second"), visitor)?;
        match &mut self.shortcut {
            Some(shortcut) => shortcut.conv.visit_params(&path.join("shortcut"), visitor),
            None => Ok(()),
        }
    }
}

/// A 1 × 1 × 1 convolution, normalized.
#[derive(Clone, Debug)]
struct Shortcut {
    /// Frames from one to the next that it keeps.
    stride: usize,
    conv: ConvNorm,
}

impl Shortcut {
    fn forward(&mut self, input: Maps, frames: usize, pass: &Pass) -> Result<Maps> {
        let kept = if self.stride == 1 {
            input
        } else {
            self.thin_out(input, frames)?
        };
        self.conv.forward(kept, pass)
    }

    /// Every `stride`-th frame.
    fn thin_out(&self, input: Maps, frames: usize) -> Result<Maps> {
        let &(channels, height, width, columns) = input.shape();
        let window = Window {
            kernel: (1, 1),
            stride: (1, self.stride),
            padding: (0, 0),
        };
        let kept = average_pool(split_frames(input, frames)?, window, false)?;
        let columns = columns / frames * kept.shape().2;
        reshape(kept, (channels, height, width, columns))
    }
}
