//! Convolution, batch normalization and ReLU in one operation.

use super::batch_norm::RunningStatistics;
use super::conv::{kernel, plan};
use crate::device::Chosen;
use crate::engine::Engine;
use crate::engine::Window;
use crate::error::Result;
use crate::graph::Operation;
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Dims1, Dims4, Maps, Plain, Taped};

/// A convolution without bias, normalized, with a ReLU if asked for.
///
/// The same as [`Conv2d`](super::Conv2d) and [`BatchNorm`](super::BatchNorm) one after the other, with one
/// map in memory in place of three. In a recorded pass that is [keeping](Pass::keeping) maps in 16 bits, the convolution's output is
/// rounded to them and half as large; output with a number that they have not stays as it is. On a GPU it always does.
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
    /// [`Error::Argument`](crate::Error::Argument) if there is no channel,
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
            gamma: Plain::filled(device, (out_channels,), 1.0)?,
            beta: Plain::filled(device, (out_channels,), 0.0)?,
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
        let operands = [
            input.operand(),
            self.weight.operand(),
            self.gamma.operand(),
            self.beta.operand(),
        ];
        let options = self.running.options(pass, self.relu);
        let count = plan.out_pixels() * input.shape().3;
        let (weight, gamma, beta) = (&self.weight.0, &self.gamma.0, &self.beta.0);
        let (output, moments) = Chosen::conv_norm(input.into_engine(), weight, gamma, beta, &plan, options)?;
        if pass.is_training() {
            self.running.update(&moments, count)?;
        }
        let operation = || Operation::NormalizedConvolution {
            window: self.window,
            norm: self.running.column_norm(pass, self.relu),
        };
        Ok(Taped::from(output).traced(&operands, operation))
    }

    /// As [`visit_params`](Module::visit_params), under the names that PyTorch has for a convolution at `conv` and a batch
    /// normalization at `norm`: `weight` of the one, `weight`, `bias`, `running_mean` and `running_var` of the other.
    ///
    /// # Errors
    /// The visitor's.
    pub fn visit_layers(
        &mut self,
        conv: &ParamPath,
        norm: &ParamPath,
        visitor: &mut dyn ParamVisitor,
    ) -> Result<()> {
        visitor.param(&conv.join("weight"), (&mut self.weight).into())?;
        visitor.param(&norm.join("weight"), (&mut self.gamma).into())?;
        visitor.param(&norm.join("bias"), (&mut self.beta).into())?;
        self.running
            .visit_as(["running_mean", "running_var"], norm, visitor)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use dfdx::tensor::{PutTape, SplitTape};

    use super::*;
    use crate::array::Array;
    use crate::nn::{backward, cross_entropy, global_average_pool};
    use crate::tensor::{Batch, Taped};

    #[test]
    fn data_that_enters_a_network_needs_no_gradient_until_it_meets_a_parameter() {
        let device = AutoDevice::default();
        let pass = Pass::train(Seed::new(1));
        let sample = Array::new([2, 6, 6, 1], (0..72).map(|i| (i * 7 % 13) as f32 - 6.0).collect()).unwrap();
        let maps = Batch::stack(&device, &[&sample; 4])
            .unwrap()
            .maps(pass.recorder())
            .unwrap();
        assert!(maps.is_recording() && !maps.requires_grad());
        let (maps, recorder) = maps.into_engine().split_tape();
        let mut conv = ConvNorm::new(&device, 2, 3, Window::square(3, 1, 1), true, Seed::new(2)).unwrap();
        let output = conv
            .forward(Taped::from(maps.clone().put_tape(recorder)), &pass)
            .unwrap();
        assert!(output.requires_grad());
        let features = global_average_pool(output, 1).unwrap();
        let gradients = backward(cross_entropy(features, &[0, 1, 2, 0]).unwrap()).unwrap();
        // Asking for a gradient that was not made panics.
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| gradients.0.get(&maps)));
        assert!(made.is_err(), "a gradient was computed for the network's input");
    }
}
