//! Residual blocks of convolutions that are factorized into space and time.

use super::conv_norm::ConvNorm;
use super::fork::fork;
use super::pool::average_pool;
use super::residual::add_relu;
use super::temporal::{FactorizedBlock, FactorizedStrides, split_frames};
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
        let between = FactorizedBlock::between;
        let channels = [
            [in_channels, between(in_channels, out_channels), out_channels],
            [out_channels, between(out_channels, out_channels), out_channels],
        ];
        Self::through(device, channels, strides, seed)
    }

    /// As [`new`](Self::new), with as many channels between the two halves of the second convolution as of the first: the block
    /// of torchvision's `r2plus1d_18`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_one_width(
        device: &AutoDevice,
        in_channels: usize,
        out_channels: usize,
        strides: FactorizedStrides,
        seed: Seed,
    ) -> Result<Self> {
        let between = FactorizedBlock::between(in_channels, out_channels);
        let channels = [
            [in_channels, between, out_channels],
            [out_channels, between, out_channels],
        ];
        Self::through(device, channels, strides, seed)
    }

    /// A block whose convolutions have so many channels before, between and after their halves.
    fn through(
        device: &AutoDevice,
        [first, second]: [[usize; 3]; 2],
        strides: FactorizedStrides,
        seed: Seed,
    ) -> Result<Self> {
        let conv = |name, channels, strides: FactorizedStrides| {
            let window = Window::square(3, strides.spatial, 1);
            FactorizedBlock::through(device, channels, window, strides.temporal, seed.derive(name))
        };
        let [in_channels, _, out_channels] = first;
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
            first: conv("first", first, strides)?,
            second: conv("second", second, FactorizedStrides::NONE)?.without_relu(),
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
        Ok((add_relu(inner, around)?, left))
    }

    /// As [`visit_params`](Module::visit_params), under the names of torchvision's `r2plus1d_18`.
    ///
    /// # Errors
    /// The visitor's.
    pub fn visit_layers(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        let layers = |conv: &str| ["0.0", "0.1", "0.3", "1"].map(|layer| path.join(conv).join(layer));
        self.first.visit_layers(&layers("conv1"), visitor)?;
        self.second.visit_layers(&layers("conv2"), visitor)?;
        match &mut self.shortcut {
            Some(Shortcut { conv, .. }) => {
                let [projection, norm] = ["0", "1"].map(|layer| path.join("downsample").join(layer));
                conv.visit_layers(&projection, &norm, visitor)
            }
            None => Ok(()),
        }
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
