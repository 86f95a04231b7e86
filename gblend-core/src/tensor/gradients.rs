//! Gradients: what a backward pass leaves for each parameter.

use super::values::Plain;
use crate::array::Array;
use crate::device::Store;
use crate::error::{Error, Result};
use crate::shape::Shape;

/// The gradient of each parameter that a backward pass reached. Of one that it did not reach, the gradient is zeros.
///
/// Which entry is whose, the parameter knows: see [`ParamMut::gradient`](crate::ParamMut::gradient) and
/// [`GradientMut`](crate::gradients::GradientMut).
#[derive(Debug)]
pub struct Gradients(pub(crate) Store);

impl Default for Gradients {
    /// Zeros for every parameter.
    fn default() -> Self {
        Self(Store::leaky())
    }
}

impl Gradients {
    /// A copy of the gradient of `tensor` on the host.
    ///
    /// # Errors
    /// [`Error::Device`] if the device has no memory for it.
    pub fn get<S: Shape>(&mut self, tensor: &Plain<S>) -> Result<Array> {
        let mut array = Array::zeros(tensor.shape().extents());
        self.0.try_alloc_for(&tensor.0).map_err(Error::device)?;
        self.0.get(&tensor.0).copy_into(array.values_mut());
        Ok(array)
    }
}
