//! Gradients in hand: between the backward pass and the update.

use crate::device::chosen;
use crate::error::Result;
use crate::params::{ParamMut, with_param};
use crate::tensor::Gradients;

/// The gradient of one parameter, between the backward pass and the update.
#[derive(Debug)]
pub struct GradientMut<'a> {
    param: ParamMut<'a>,
    gradients: &'a mut Gradients,
}

impl<'a> GradientMut<'a> {
    /// That of `param` in `gradients`.
    pub fn new(param: ParamMut<'a>, gradients: &'a mut Gradients) -> Self {
        Self { param, gradients }
    }

    /// The extents, outermost first: the parameter's.
    pub fn shape(&self) -> Vec<usize> {
        self.param.shape()
    }

    /// Shows its values to `read`, in row-major order: in place on the processor, on a GPU a copy on the host.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device has no memory for it.
    pub fn read(&mut self, read: impl FnOnce(&[f32])) -> Result<()> {
        with_param!(&self.param.0, tensor => {
            chosen::read_gradient(&tensor.0, &mut self.gradients.0, read)
        })
    }

    /// Lets `edit` change its values, in row-major order: in place on the processor; on a GPU a copy on the host, which
    /// then takes their place.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device has no memory for it.
    pub fn edit(&mut self, edit: impl FnOnce(&mut [f32])) -> Result<()> {
        with_param!(&self.param.0, tensor => {
            chosen::edit_gradient(&tensor.0, &mut self.gradients.0, edit)
        })
    }

    /// Overwrites its values, in row-major order.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are not as many, [`Error::Device`](crate::Error::Device) if the device has no memory for it.
    pub fn set(&mut self, values: &[f32]) -> Result<()> {
        self.param.set_gradient_values(self.gradients, values)
    }

    /// Multiplies it, where it is.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device has no memory for it.
    pub fn scale(&mut self, factor: f64) -> Result<()> {
        self.param.scale_gradient(self.gradients, factor)
    }
}

/// A sum of squares over the gradients of several parameters: on the processor in float64, on a GPU in float32 where they
/// are.
#[derive(Debug, Default)]
pub struct SquareSum(chosen::Squares);

impl SquareSum {
    /// Adds those of one parameter's gradient.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device has no memory for it.
    pub fn add(&mut self, param: &ParamMut<'_>, gradients: &mut Gradients) -> Result<()> {
        with_param!(&param.0, tensor => self.0.add(&tensor.0, &mut gradients.0))
    }

    /// The sum, the one number that is read.
    pub fn value(&self) -> f64 {
        self.0.value()
    }
}
