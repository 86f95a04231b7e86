//! Batch normalization.

use dfdx::shapes::HasShape;

use super::engine::{BatchMoments, Engine, NormOptions, NormStatistics};
use super::init::{filled, positive};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::tensor::{AutoDevice, Dims1, Maps, Plain};

/// Added to the variance.
pub(super) const EPSILON: f32 = 1e-5;

/// Share of a batch's moments in the running ones.
const MOMENTUM: f32 = 0.1;

/// Running mean and variance of each channel, which normalization uses in evaluation.
#[derive(Clone, Debug)]
pub(super) struct RunningStatistics {
    mean: Array,
    variance: Array,
}

impl RunningStatistics {
    pub(super) fn new(channels: usize) -> Self {
        let mut variance = Array::zeros([channels]);
        variance.values_mut().fill(1.0);
        Self {
            mean: Array::zeros([channels]),
            variance,
        }
    }

    pub(super) fn options(&self, pass: &Pass, relu: bool) -> NormOptions<'_> {
        NormOptions {
            statistics: if pass.is_training() {
                NormStatistics::Batch
            } else {
                NormStatistics::Fixed {
                    mean: self.mean.values(),
                    variance: self.variance.values(),
                }
            },
            epsilon: EPSILON,
            relu,
        }
    }

    /// Moves towards the moments of a batch of `count` values per channel. The running variance is the
    /// unbiased one, as in PyTorch.
    pub(super) fn update(&mut self, moments: &BatchMoments, count: usize) {
        let unbiased = count as f32 / (count.saturating_sub(1)).max(1) as f32;
        let step = |running: &mut [f32], batch: &[f32], scale: f32| {
            for (running, &batch) in running.iter_mut().zip(batch) {
                *running += MOMENTUM * (batch * scale - *running);
            }
        };
        step(self.mean.values_mut(), &moments.mean, 1.0);
        step(self.variance.values_mut(), &moments.variance, unbiased);
    }

    pub(super) fn visit(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.buffer(&path.join("running_mean"), &mut self.mean)?;
        visitor.buffer(&path.join("running_variance"), &mut self.variance)
    }
}

/// Normalization of each channel over pixels, frames and samples (Ioffe and Szegedy, ICML 2015), and a ReLU
/// in the same operation if asked for.
///
/// Normalizes by the batch in training and by running statistics otherwise.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    gamma: Plain<Dims1>,
    beta: Plain<Dims1>,
    running: RunningStatistics,
    relu: bool,
}

impl BatchNorm {
    /// Normalization of `channels` channels.
    ///
    /// # Errors
    /// [`Error::Setting`] if there is no channel, [`Error::Device`].
    pub fn new(device: &AutoDevice, channels: usize, relu: bool) -> Result<Self> {
        let channels = positive("channels", channels)?;
        Ok(Self {
            gamma: filled(device, (channels,), 1.0)?,
            beta: filled(device, (channels,), 0.0)?,
            running: RunningStatistics::new(channels),
            relu,
        })
    }

    /// Normalizes `[channels, height, width, frames × batch]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are other channels, [`Error::Device`].
    pub fn forward(&mut self, input: Maps, pass: &Pass) -> Result<Maps> {
        let shape = *input.shape();
        if shape.0 != self.gamma.shape().0 {
            return Err(Error::shape(
                "batch normalization",
                format!("[{}, height, width, frames x batch]", self.gamma.shape().0),
                [shape.0, shape.1, shape.2, shape.3],
            ));
        }
        let options = self.running.options(pass, self.relu);
        let (output, moments) = AutoDevice::batch_norm(input, &self.gamma, &self.beta, options)?;
        if pass.is_training() {
            self.running.update(&moments, shape.1 * shape.2 * shape.3);
        }
        Ok(output)
    }
}

impl Module for BatchNorm {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.param(&path.join("gamma"), (&mut self.gamma).into())?;
        visitor.param(&path.join("beta"), (&mut self.beta).into())?;
        self.running.visit(path, visitor)
    }
}
