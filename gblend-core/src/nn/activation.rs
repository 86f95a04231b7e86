//! Which function follows a layer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pointwise::{gelu, relu};
use crate::error::Result;
use crate::tensor::{Shape, Taped};

/// A function of each value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`.
    #[default]
    Relu,
    /// The Gaussian error linear unit, see [`gelu`].
    Gelu,
}

impl Activation {
    /// The function of each value of `input`.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    pub fn forward<S: Shape>(self, input: Taped<S>) -> Result<Taped<S>> {
        match self {
            Self::Relu => relu(input),
            Self::Gelu => gelu(input),
        }
    }
}
