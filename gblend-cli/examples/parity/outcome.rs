//! What a case computes: an output, and the gradients of a random projection of it.

use dfdx::prelude::{HasShape, PutTape, Shape, SplitTape, SumTo, Tensor, TensorFromVec, TryMul};
use gblend_core::nn::backward;
use gblend_core::params::{Module, ParamMut, ParamPath, ParamVisitor, State};
use gblend_core::recorder::Recorder;
use gblend_core::tensor::{Gradients, Loss, Plain, Taped};
use gblend_core::{Array, AutoDevice, Error, Result, Seed};
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
    let values = draw(name, shape.num_elements(), low, high);
    device.try_tensor_from_vec(values, shape).map_err(Error::device)
}

/// The output, and what is differentiated.
pub(crate) struct Outcome {
    state: State,
    gradients: Gradients,
}

impl Outcome {
    /// Of the sum of `output` times random values.
    pub(crate) fn of<S: Shape>(output: Taped<S>) -> Result<Self> {
        let (output, recorder) = output.split_tape();
        let shape = *output.shape();
        let values = output.as_vec();
        let projection = tensor(output.device(), "projection", shape, (-1.0, 1.0))?;
        let projection = projection.put_tape(Recorder::for_data());
        let loss = output.put_tape(recorder).try_mul(projection);
        let loss = loss.and_then(SumTo::try_sum).map_err(Error::device)?;
        Self::new(loss, shape.concrete().into_iter().collect(), values)
    }

    /// Of a loss.
    pub(crate) fn of_loss(loss: Loss) -> Result<Self> {
        let values = loss.as_vec();
        Self::new(loss, vec![1], values)
    }

    fn new(loss: Loss, shape: Vec<usize>, values: Vec<f32>) -> Result<Self> {
        let output = Array::new(shape, values)?;
        Ok(Self {
            state: State::from([("output".to_owned(), output)]),
            gradients: backward(loss)?,
        })
    }

    /// Adds the gradient of a tensor.
    pub(crate) fn gradient<'a>(mut self, name: &str, of: impl Into<ParamMut<'a>>) -> Result<Self> {
        let gradient = of.into().gradient(&mut self.gradients)?;
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

/// A tensor that enters an operation and whose gradient is wanted.
pub(crate) fn taped<S: Shape>(tensor: &Plain<S>) -> Taped<S> {
    Tensor::retaped(tensor)
}
