//! What blocks of convolutions make of a sample: how many values a step keeps of them, and how many they hand on.

use gblend_core::nn::LayerSize;

use super::convolution::Convolution;
use super::step_values::product;

/// A block, and what it works on.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockSize {
    pub(super) convolution: Convolution,
    /// Channels that it hands on.
    pub(super) outputs: usize,
    /// Channels between the halves of its first and second (2+1)D convolution.
    pub(super) between: [usize; 2],
    /// Extents of the maps that it hands on, and the frames of those that it gets.
    pub(super) sides: (usize, usize),
    pub(super) frames: usize,
    pub(super) frames_before: usize,
    /// Whether the way around a residual block has a convolution.
    pub(super) shortcut: bool,
}

impl BlockSize {
    /// Of the block's maps, those that an operation reads again in the backward pass.
    pub(super) fn values(&self) -> LayerSize {
        let maps = |channels: usize, frames: usize| product(&[channels, self.sides.0, self.sides.1, frames]);
        let output = maps(self.outputs, self.frames);
        let around = if self.shortcut { output } else { 0 };
        let [first, second] = self.between;
        let kept = match self.convolution {
            Convolution::Plain => vec![output],
            // Two convolutions, their sum, and the way around.
            Convolution::Residual => vec![output, output, output, around],
            Convolution::Factorized => vec![maps(first, self.frames_before), output],
            Convolution::FactorizedResidual => vec![
                maps(first, self.frames_before),
                output,
                maps(second, self.frames),
                output,
                output,
                around,
            ],
        };
        LayerSize {
            kept: kept.into_iter().fold(0, u64::saturating_add),
            output,
        }
    }
}
