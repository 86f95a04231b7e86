//! Convolution, batch normalization and ReLU in one operation.

use dfdx::shapes::HasShape;

use super::batch_norm::RunningStatistics;
use super::conv::{kernel, plan};
use super::engine::Engine;
use super::init::filled;
use super::window::Window;
use crate::error::Result;
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Dims1, Dims4, Maps, Plain};

/// A convolution without bias, normalized, with a ReLU if asked for.
///
/// The same as [`Conv2d`](super::Conv2d) and [`BatchNorm`](super::BatchNorm) one after the other, with one
/// map in memory in place of three.
#[derive(Clone, Debug)]
pub struct ConvNorm {
    weight: Plain<Dims4>,
    gamma: Plain<Dims1>,
    beta: Plain<Dims1>,
    running: RunningStatistics,
    window: Window,
    relu: bool,
}

impl ConvNorm {
    /// A convolution from `in_channels` to `out_channels` channels.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) if there is no channel,
    /// [`Error::Device`](crate::Error::Device).
    pub fn new(
        device: &AutoDevice,
        in_channels: usize,
        out_channels: usize,
        window: Window,
        relu: bool,
        seed: Seed,
    ) -> Result<Self> {
        Ok(Self {
            weight: kernel(device, in_channels, out_channels, window, seed)?,
            gamma: filled(device, (out_channels,), 1.0)?,
            beta: filled(device, (out_channels,), 0.0)?,
            running: RunningStatistics::new(out_channels),
            window,
            relu,
        })
    }

    /// The same without the ReLU.
    #[must_use]
    pub fn without_relu(self) -> Self {
        Self { relu: false, ..self }
    }

    /// Convolves and normalizes `[in_channels, height, width, frames × batch]`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are other channels or the window does not fit,
    /// [`Error::Device`](crate::Error::Device).
    pub fn forward(&mut self, input: Maps, pass: &Pass) -> Result<Maps> {
        let plan = plan(&input, &self.weight, self.window)?;
        let options = self.running.options(pass, self.relu);
        let count = plan.out_pixels() * input.shape().3;
        let (output, moments) =
            AutoDevice::conv_norm(input, &self.weight, &self.gamma, &self.beta, &plan, options)?;
        if pass.is_training() {
            self.running.update(&moments, count)?;
        }
        Ok(output)
    }
}

impl Module for ConvNorm {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.param(&path.join("weight"), (&mut self.weight).into())?;
        visitor.param(&path.join("gamma"), (&mut self.gamma).into())?;
        visitor.param(&path.join("beta"), (&mut self.beta).into())?;
        self.running.visit(path, visitor)
    }
}
