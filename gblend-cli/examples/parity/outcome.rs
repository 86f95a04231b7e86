//! What a case computes: an output, and the gradients of a random projection of it.

use gblend_core::nn::{backward, multiply, sum};
use gblend_core::params::{Module, ParamMut, ParamPath, ParamVisitor, State};
use gblend_core::recorder::Recorder;
use gblend_core::tensor::{Gradients, Loss, Plain, Shape, Taped};
use gblend_core::{Array, AutoDevice, Result, Seed};
use rand::RngExt;

/// Random values between two bounds; the same on every machine.
pub(crate) fn draw(name: &str, count: usize, low: f32, high: f32) -> Vec<f32> {
    let mut rng = Seed::new(5).derive(name).rng();
    (0..count).map(|_| rng.random_range(low..high)).collect()
}

/// A tensor of [`draw`].
pub(crate) fn tensor<S: Shape>(
    device: &AutoDevice,
    name: &str,
    shape: S,
    (low, high): (f32, f32),
) -> Result<Plain<S>> {
    Plain::new(device, shape, draw(name, shape.elements(), low, high))
}

/// The output, and what is differentiated.
pub(crate) struct Outcome {
    state: State,
    gradients: Gradients,
}

impl Outcome {
    /// Of the sum of `output` times random values.
    pub(crate) fn of<S: Shape>(output: Taped<S>) -> Result<Self> {
        let array = output.to_array()?;
        let projection = tensor(&output.device(), "projection", *output.shape(), (-1.0, 1.0))?;
        let loss = sum(multiply(output, projection.enter(Recorder::for_data()))?)?;
        Self::new(loss, array)
    }

    /// Of a loss.
    pub(crate) fn of_loss(loss: Loss) -> Result<Self> {
        let array = Array::new([1], loss.to_vec())?;
        Self::new(loss, array)
    }

    fn new(loss: Loss, output: Array) -> Result<Self> {
        Ok(Self {
            state: State::from([("output".to_owned(), output)]),
            gradients: backward(loss)?,
        })
    }

    /// Adds the gradient of a tensor.
    pub(crate) fn gradient<S: Shape>(mut self, name: &str, of: &Plain<S>) -> Result<Self> {
        let gradient = self.gradients.get(of)?;
        self.state.insert(format!("gradient of {name}"), gradient);
        Ok(self)
    }

    /// Adds the gradient of each parameter of a module, and its buffers.
    pub(crate) fn module(mut self, module: &mut dyn Module) -> Result<Self> {
        module.visit_params(&ParamPath::root(), &mut self)?;
        Ok(self)
    }

    pub(crate) fn state(self) -> State {
        self.state
    }
}

impl ParamVisitor for Outcome {
    fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
        let gradient = param.gradient(&mut self.gradients)?;
        self.state.insert(format!("gradient of {path}"), gradient);
        Ok(())
    }

    fn buffer(&mut self, path: &ParamPath, buffer: &mut Array) -> Result<()> {
        self.state.insert(path.to_string(), buffer.clone());
        Ok(())
    }
}
