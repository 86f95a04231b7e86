//! Batch normalization.

use dfdx::tensor::TensorFromVec;
use dfdx::tensor_ops::{TryAdd, TryMul};

use super::init::extents;
use crate::array::Array;
use crate::device::Chosen;
use crate::engine::{BatchMoments, Engine, NormOptions, NormStatistics, ParamOn};
use crate::error::{Error, Result};
use crate::graph::{self, ColumnNorm, Operation};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::tensor::{AutoDevice, Dims1, Maps, Plain, Taped};

/// Added to the variance.
pub(super) const EPSILON: f32 = 1e-5;

/// Share of a batch's moments in the running ones.
const MOMENTUM: f32 = 0.1;

/// Running mean and variance of each channel, which normalization uses in evaluation.
#[derive(Clone, Debug)]
pub(super) struct RunningStatistics {
    mean: Array,
    variance: Array,
    /// Newer values, on a device from which they are read only when somebody wants to see them.
    ahead: Option<[ParamOn<Dims1, Chosen>; 2]>,
}

impl RunningStatistics {
    pub(super) fn new(channels: usize) -> Self {
        let mut variance = Array::zeros([channels]);
        variance.values_mut().fill(1.0);
        Self {
            mean: Array::zeros([channels]),
            variance,
            ahead: None,
        }
    }

    pub(super) fn options(&mut self, pass: &Pass, relu: bool) -> NormOptions<'_> {
        if !pass.is_training() {
            self.catch_up();
        }
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

    /// The normalization, as traces are told it.
    pub(super) fn column_norm(&self, pass: &Pass, relu: bool) -> ColumnNorm {
        if pass.is_training() {
            graph::not_traceable("normalizes by the batch, as in training");
        }
        ColumnNorm {
            mean: self.mean.values().to_vec(),
            variance: self.variance.values().to_vec(),
            epsilon: EPSILON,
            relu,
        }
    }

    /// Moves towards the moments of a batch of `count` values per channel. The running variance is the
    /// unbiased one, as in PyTorch.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub(super) fn update(&mut self, moments: &BatchMoments<Chosen>, count: usize) -> Result<()> {
        let unbiased = |count: usize| count as f32 / (count.saturating_sub(1)).max(1) as f32;
        match moments {
            BatchMoments::Unused => {}
            BatchMoments::Host {
                mean,
                variance,
                count,
            } => {
                self.catch_up();
                let step = |running: &mut [f32], batch: &[f32], scale: f32| {
                    for (running, &batch) in running.iter_mut().zip(batch) {
                        *running += MOMENTUM * (batch * scale - *running);
                    }
                };
                step(self.mean.values_mut(), mean, 1.0);
                step(self.variance.values_mut(), variance, unbiased(*count));
            }
            BatchMoments::Device { mean, variance } => {
                let [running_mean, running_variance] = match self.ahead.take() {
                    Some(ahead) => ahead,
                    None => [
                        to_device(mean.device(), &self.mean)?,
                        to_device(mean.device(), &self.variance)?,
                    ],
                };
                let step = |running: ParamOn<Dims1, Chosen>, batch: &ParamOn<Dims1, Chosen>, scale: f32| {
                    let rest = running.try_mul(1.0 - MOMENTUM)?;
                    rest.try_add(batch.clone().try_mul(MOMENTUM * scale)?)
                };
                self.ahead = Some([
                    step(running_mean, mean, 1.0).map_err(Error::device)?,
                    step(running_variance, variance, unbiased(count)).map_err(Error::device)?,
                ]);
            }
        }
        Ok(())
    }

    /// Reads what the device is ahead.
    fn catch_up(&mut self) {
        if let Some([mean, variance]) = self.ahead.take() {
            mean.copy_into(self.mean.values_mut());
            variance.copy_into(self.variance.values_mut());
        }
    }

    pub(super) fn visit(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.visit_as(["running_mean", "running_variance"], path, visitor)
    }

    /// As [`visit`](Self::visit), with other names for mean and variance.
    pub(super) fn visit_as(
        &mut self,
        [mean, variance]: [&str; 2],
        path: &ParamPath,
        visitor: &mut dyn ParamVisitor,
    ) -> Result<()> {
        self.catch_up();
        visitor.buffer(&path.join(mean), &mut self.mean)?;
        visitor.buffer(&path.join(variance), &mut self.variance)
    }
}

fn to_device(device: &Chosen, array: &Array) -> Result<ParamOn<Dims1, Chosen>> {
    let values = array.values().to_vec();
    let shape = (values.len(),);
    device.try_tensor_from_vec(values, shape).map_err(Error::device)
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
    /// [`Error::Argument`] if there is no channel, [`Error::Device`].
    pub fn new(device: &AutoDevice, channels: usize, relu: bool) -> Result<Self> {
        let [channels] = extents("batch normalization", [("channels", channels)])?;
        Ok(Self {
            gamma: Plain::filled(device, (channels,), 1.0)?,
            beta: Plain::filled(device, (channels,), 0.0)?,
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
        let operands = [input.operand(), self.gamma.operand(), self.beta.operand()];
        let options = self.running.options(pass, self.relu);
        let (output, moments) =
            Chosen::batch_norm(input.into_engine(), &self.gamma.0, &self.beta.0, options)?;
        if pass.is_training() {
            self.running.update(&moments, shape.1 * shape.2 * shape.3)?;
        }
        let norm = || self.running.column_norm(pass, self.relu);
        Ok(Taped::from(output).traced(&operands, || Operation::ChannelNorm(norm())))
    }

    /// As [`visit_params`](Module::visit_params), under the names that PyTorch has: `weight`, `bias`, `running_mean` and
    /// `running_var`.
    ///
    /// # Errors
    /// The visitor's.
    pub fn visit_layer(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.param(&path.join("weight"), (&mut self.gamma).into())?;
        visitor.param(&path.join("bias"), (&mut self.beta).into())?;
        self.running
            .visit_as(["running_mean", "running_var"], path, visitor)
    }
}

impl Module for BatchNorm {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.param(&path.join("gamma"), (&mut self.gamma).into())?;
        visitor.param(&path.join("beta"), (&mut self.beta).into())?;
        self.running.visit(path, visitor)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::params::state_of;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn statistics_that_move_on_the_device_are_those_that_move_on_the_host(
            batches in proptest::collection::vec((-3.0_f32..3.0, 0.1_f32..4.0), 1..6),
        ) {
            let device = Chosen::default();
            let (mut on_host, mut on_device) = (RunningStatistics::new(1), RunningStatistics::new(1));
            for &(mean, variance) in &batches {
                let (mean, variance) = (vec![mean], vec![variance]);
                let moved = BatchMoments::Device {
                    mean: device.tensor_from_vec(mean.clone(), (1,)),
                    variance: device.tensor_from_vec(variance.clone(), (1,)),
                };
                let count = 10;
                on_host.update(&BatchMoments::Host { mean, variance, count }, count).unwrap();
                on_device.update(&moved, 10).unwrap();
            }
            on_device.catch_up();
            for (a, b) in [(&on_host.mean, &on_device.mean), (&on_host.variance, &on_device.variance)] {
                prop_assert!((a.values()[0] - b.values()[0]).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn whoever_looks_at_the_statistics_sees_the_newest() {
        let device = AutoDevice::default();
        let mut norm = BatchNorm::new(&device, 1, false).unwrap();
        let device = device.0;
        let moved = BatchMoments::Device {
            mean: device.tensor_from_vec(vec![2.0], (1,)),
            variance: device.tensor_from_vec(vec![1.0], (1,)),
        };
        norm.running.update(&moved, 10).unwrap();
        assert_eq!(state_of(&mut norm).unwrap()["running_mean"].values(), [0.2]);
        norm.running.update(&moved, 10).unwrap();
        let options = norm.running.options(&Pass::evaluate(), false);
        let NormStatistics::Fixed { mean, .. } = options.statistics else {
            unreachable!("evaluation uses running statistics");
        };
        assert!((mean[0] - 0.38).abs() < 1e-6);
    }
}
