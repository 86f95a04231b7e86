//! Convolution over time.
//!
//! Frames and samples share the innermost axis of feature maps, frames outside. Seen as
//! `[channels, height × width, frames, batch]`, the same memory is a picture whose columns are the frames,
//! and a convolution over time is one along its rows.

use super::conv_norm::ConvNorm;
use super::frames::samples;
use crate::engine::Window;
use crate::error::{Error, Result};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Maps, reshape};

/// A convolution over time, normalized, with a ReLU.
#[derive(Clone, Debug)]
pub struct TemporalConvNorm {
    conv: ConvNorm,
}

impl TemporalConvNorm {
    /// A convolution over `kernel` frames that moves `stride` frames at a time, padded so that a stride of
    /// 1 keeps the number of frames.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no channel or the kernel is even, [`Error::Device`].
    pub fn new(
        device: &AutoDevice,
        in_channels: usize,
        out_channels: usize,
        kernel: usize,
        stride: usize,
        seed: Seed,
    ) -> Result<Self> {
        if kernel.is_multiple_of(2) {
            return Err(Error::argument(
                "temporal convolution",
                "frames of its window",
                kernel,
                "an odd number",
            ));
        }
        let window = Window {
            kernel: (1, kernel),
            stride: (1, stride),
            padding: (0, kernel / 2),
        };
        Ok(Self {
            conv: ConvNorm::new(device, in_channels, out_channels, window, true, seed)?,
        })
    }

    /// Convolves `[in_channels, height, width, frames × batch]` and says how many frames are left.
    ///
    /// # Errors
    /// [`Error::Shape`] if the maps do not divide into so many frames, [`Error::Device`].
    pub fn forward(&mut self, input: Maps, frames: usize, pass: &Pass) -> Result<(Maps, usize)> {
        let &(_, height, width, _) = input.shape();
        let output = self.conv.forward(split_frames(input, frames)?, pass)?;
        let &(channels, _, frames, batch) = output.shape();
        Ok((
            reshape(output, (channels, height, width, frames * batch))?,
            frames,
        ))
    }
}

/// `[channels, height, width, frames × batch]` as `[channels, height × width, frames, batch]`.
pub(super) fn split_frames(input: Maps, frames: usize) -> Result<Maps> {
    let &(channels, height, width, _) = input.shape();
    let batch = samples("temporal convolution", *input.shape(), frames)?;
    reshape(input, (channels, height * width, frames, batch))
}

impl Module for TemporalConvNorm {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.conv.visit_params(path, visitor)
    }
}

/// A 3 × 3 convolution within frames, then one over 3 frames: "(2+1)D" (Tran et al., CVPR 2018).
#[derive(Clone, Debug)]
pub struct FactorizedBlock {
    spatial: ConvNorm,
    temporal: TemporalConvNorm,
}

impl FactorizedBlock {
    /// A block whose channels between the two convolutions are as many as give it the parameters of a full
    /// 3 × 3 × 3 convolution (Tran et al., section 3.5).
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no channel, [`Error::Device`].
    pub fn new(
        device: &AutoDevice,
        in_channels: usize,
        out_channels: usize,
        strides: FactorizedStrides,
        seed: Seed,
    ) -> Result<Self> {
        let window = Window::square(3, strides.spatial, 1);
        let channels = [
            in_channels,
            Self::between(in_channels, out_channels),
            out_channels,
        ];
        Self::through(device, channels, window, strides.temporal, seed)
    }

    /// A block with as many channels before, between and after its convolutions, and this window within frames.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn through(
        device: &AutoDevice,
        [before, between, after]: [usize; 3],
        window: Window,
        temporal_stride: usize,
        seed: Seed,
    ) -> Result<Self> {
        let spatial = seed.derive("spatial");
        let temporal = seed.derive("temporal");
        Ok(Self {
            spatial: ConvNorm::new(device, before, between, window, true, spatial)?,
            temporal: TemporalConvNorm::new(device, between, after, 3, temporal_stride, temporal)?,
        })
    }

    /// The channels between the two convolutions that give both the parameters of a full 3 × 3 × 3 convolution.
    pub fn between(in_channels: usize, out_channels: usize) -> usize {
        // Of more channels than there can be, some number: the convolutions refuse theirs.
        let full = 27_usize.saturating_mul(in_channels).saturating_mul(out_channels);
        let both = in_channels
            .saturating_mul(9)
            .saturating_add(out_channels.saturating_mul(3));
        (full / both.max(1)).max(1)
    }

    /// As [`visit_params`](Module::visit_params), under names of PyTorch's layers: convolution and batch normalization within
    /// frames, then those over time; see [`ConvNorm::visit_layers`].
    ///
    /// # Errors
    /// The visitor's.
    pub fn visit_layers(
        &mut self,
        [conv, norm, conv_over_time, norm_over_time]: &[ParamPath; 4],
        visitor: &mut dyn ParamVisitor,
    ) -> Result<()> {
        self.spatial.visit_layers(conv, norm, visitor)?;
        self.temporal
            .conv
            .visit_layers(conv_over_time, norm_over_time, visitor)
    }

    /// The same without the last ReLU.
    #[must_use]
    pub fn without_relu(self) -> Self {
        Self {
            temporal: TemporalConvNorm {
                conv: self.temporal.conv.without_relu(),
            },
            ..self
        }
    }

    /// Convolves `[in_channels, height, width, frames × batch]` and says how many frames are left.
    ///
    /// # Errors
    /// [`Error::Shape`] if the maps do not divide into so many frames, [`Error::Device`].
    pub fn forward(&mut self, input: Maps, frames: usize, pass: &Pass) -> Result<(Maps, usize)> {
        let maps = self.spatial.forward(input, pass)?;
        self.temporal.forward(maps, frames, pass)
    }
}

impl Module for FactorizedBlock {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.spatial.visit_params(&path.join("spatial"), visitor)?;
        self.temporal.visit_params(&path.join("temporal"), visitor)
    }
}

/// Steps of a [`FactorizedBlock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactorizedStrides {
    /// Pixels from one window to the next.
    pub spatial: usize,
    /// Frames from one window to the next.
    pub temporal: usize,
}

impl FactorizedStrides {
    /// Every window.
    pub const NONE: Self = Self {
        spatial: 1,
        temporal: 1,
    };
}
