//! The Gaussian error linear unit.

use dfdx::shapes::Shape;

use crate::error::{Error, Result};
use crate::tensor::Taped;

/// `x Φ(x)` with `Φ(x) ≈ ½ (1 + tanh(√(2/π) (x + 0.044715 x³)))`: Hendrycks and Gimpel, "Gaussian Error Linear Units
/// (GELUs)", 2016, <https://arxiv.org/abs/1606.08415>, section 2.
///
/// # Errors
/// [`Error::Device`].
pub fn gelu<S: Shape>(input: Taped<S>) -> Result<Taped<S>> {
    // Not `try_accurate_gelu`: in dfdx 0.13 the density in its derivative is too large by √2.
    input.try_fast_gelu().map_err(Error::device)
}
