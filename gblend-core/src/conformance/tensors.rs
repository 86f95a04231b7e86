//! Arrays of the kit on the device, and back.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::nn::{backward, square, sum};
use crate::params::ParamMut;
use crate::tensor::{AutoDevice, Dims1, Dims2, Dims3, Dims4, Features, Gradients, Plain};

/// A parameter of any rank.
#[derive(Debug)]
pub(super) enum Owned {
    Rank1(Plain<Dims1>),
    Rank2(Plain<Dims2>),
    Rank3(Plain<Dims3>),
    Rank4(Plain<Dims4>),
}

impl Owned {
    pub(super) fn new(device: &AutoDevice, array: &Array) -> Result<Self> {
        Ok(match array.shape().len() {
            1 => Self::Rank1(Plain::from_array(device, array)?),
            2 => Self::Rank2(Plain::from_array(device, array)?),
            3 => Self::Rank3(Plain::from_array(device, array)?),
            4 => Self::Rank4(Plain::from_array(device, array)?),
            _ => return Err(Error::shape("a parameter", "1 to 4 axes", array.shape())),
        })
    }

    pub(super) fn param(&mut self) -> ParamMut<'_> {
        match self {
            Self::Rank1(tensor) => tensor.into(),
            Self::Rank2(tensor) => tensor.into(),
            Self::Rank3(tensor) => tensor.into(),
            Self::Rank4(tensor) => tensor.into(),
        }
    }

    pub(super) fn array(&mut self) -> Array {
        self.param().to_array()
    }
}

/// The gradients of the sum of squares.
pub(super) fn gradients_of_squares(features: Features) -> Result<Gradients> {
    backward(sum(square(features)?)?)
}

/// The bits, which tell two NaNs alike and 0 from −0.
pub(super) fn bits(array: &Array) -> Vec<u32> {
    array.values().iter().map(|value| value.to_bits()).collect()
}

/// Whether every value is finite.
pub(super) fn finite(values: &[f32]) -> bool {
    values.iter().all(|value| value.is_finite())
}
