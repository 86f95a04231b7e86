//! Convolution over the steps of sequences.

use super::init::{extents, he_normal};
use crate::device::Chosen;
use crate::engine::{SequenceEngine, Steps};
use crate::error::Result;
use crate::graph::{self, Operation};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Dims1, Dims3, Features, Plain, Taped};

/// How a convolution goes over steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepWindow {
    /// Steps under the window, an odd number of them.
    pub kernel: usize,
    /// From one step under the window to the next.
    pub dilation: usize,
    /// From one window to the next.
    pub stride: usize,
}

impl StepWindow {
    /// Every step alone.
    pub const ALONE: Self = Self {
        kernel: 1,
        dilation: 1,
        stride: 1,
    };
}

/// Cross-correlation of sequences with learned windows. What is not there, before the beginning, after the end or in the
/// padding, counts as zeros, and a window is taken around each step that is there and that the stride divides.
#[derive(Clone, Debug)]
pub struct StepConv {
    /// `[outputs, kernel, inputs]`.
    weight: Plain<Dims3>,
    bias: Option<Plain<Dims1>>,
    window: StepWindow,
}

impl StepConv {
    /// A convolution from `inputs` to `outputs` features.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if an extent is 0 or the kernel even,
    /// [`Error::Device`](crate::Error::Device).
    pub fn new(
        device: &AutoDevice,
        inputs: usize,
        outputs: usize,
        window: StepWindow,
        seed: Seed,
    ) -> Result<Self> {
        let mut conv = Self::without_bias(device, inputs, outputs, window, seed)?;
        conv.bias = Some(Plain::filled(device, (outputs,), 0.0)?);
        Ok(conv)
    }

    /// As [`new`](Self::new), for where a normalization follows.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn without_bias(
        device: &AutoDevice,
        inputs: usize,
        outputs: usize,
        window: StepWindow,
        seed: Seed,
    ) -> Result<Self> {
        let sizes = [
            ("inputs", inputs),
            ("outputs", outputs),
            ("kernel", window.kernel),
        ];
        let [inputs, outputs, _] = extents("convolution over steps", sizes)?;
        // Whatever is wrong with the window is so for any steps.
        Steps::of_lengths(&[]).windows(window.kernel, window.dilation, window.stride)?;
        let shape = (outputs, window.kernel, inputs);
        Ok(Self {
            weight: he_normal(device, shape, window.kernel * inputs, seed)?,
            bias: None,
            window,
        })
    }

    /// `[steps, inputs]` to `[steps that the stride divides, outputs]`, and these steps.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are other steps or features,
    /// [`Error::Device`](crate::Error::Device).
    pub fn forward(&self, rows: Features, steps: &Steps) -> Result<(Features, Steps)> {
        steps.check("convolution over steps", *rows.shape(), self.weight.shape().2)?;
        let StepWindow {
            kernel,
            dilation,
            stride,
        } = self.window;
        let (kept, windows) = steps.windows(kernel, dilation, stride)?;
        let mask = graph::operand_of_steps(steps);
        let operands = [
            rows.operand(),
            self.weight.operand(),
            mask,
            self.bias.as_ref().map(Plain::operand).unwrap_or_default(),
        ];
        let bias = self.bias.as_ref().map(|bias| &bias.0);
        let output = Taped::from(Chosen::step_conv(
            rows.into_engine(),
            &self.weight.0,
            bias,
            &windows,
        )?);
        graph::note_steps(Operation::StridedMask { stride }, mask, &kept);
        let operation = || Operation::StepConvolution { dilation, stride };
        Ok((output.traced(&operands, operation), kept))
    }
}

impl Module for StepConv {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.param(&path.join("weight"), (&mut self.weight).into())?;
        match &mut self.bias {
            Some(bias) => visitor.param(&path.join("bias"), bias.into()),
            None => Ok(()),
        }
    }
}
