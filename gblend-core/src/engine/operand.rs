//! What the operations behind the layers take and return.

use dfdx::tensor::Tensor;
use dfdx::tensor_ops::Device;

use super::tape::RecorderOn;
use crate::shape::Dims1;

/// A tensor on its way through a network on device `D`.
pub type TapedOn<S, D> = Tensor<S, f32, D, RecorderOn<D>>;

/// A parameter on device `D`.
pub type ParamOn<S, D> = Tensor<S, f32, D>;

/// Where a normalization takes its mean and variance from.
#[derive(Clone, Copy, Debug)]
pub enum NormStatistics<'a> {
    /// From the batch itself.
    Batch,
    /// From these means and variances, one per channel.
    Fixed {
        /// One mean per channel.
        mean: &'a [f32],
        /// One biased variance per channel.
        variance: &'a [f32],
    },
}

/// Mean and biased variance of each channel of a batch, where the normalization computed them.
#[derive(Clone, Debug)]
pub enum BatchMoments<D: Device<f32>> {
    /// Nowhere: the normalization did not use the batch's.
    Unused,
    /// In the host's memory.
    Host {
        /// One mean per channel.
        mean: Vec<f32>,
        /// One biased variance per channel.
        variance: Vec<f32>,
        /// The values of a channel that they are of: of a batch in parts, those of all parts.
        count: usize,
    },
    /// On a device from which reading would make the host wait.
    Device {
        /// One mean per channel.
        mean: ParamOn<Dims1, D>,
        /// One biased variance per channel.
        variance: ParamOn<Dims1, D>,
    },
}

/// The constants of a normalization.
#[derive(Clone, Copy, Debug)]
pub struct NormOptions<'a> {
    /// Where mean and variance come from.
    pub statistics: NormStatistics<'a>,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether a ReLU follows.
    pub relu: bool,
}
