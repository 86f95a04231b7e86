//! Arrays of the kit on the device, and back.

use dfdx::shapes::HasShape;
use dfdx::tensor::{SplitTape, TensorFromVec};
use dfdx::tensor_ops::SumTo;

use crate::array::Array;
use crate::error::{Error, Result};
use crate::nn::backward;
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
        let values = array.values().to_vec();
        let owned = match *array.shape() {
            [a] => device.try_tensor_from_vec(values, (a,)).map(Self::Rank1),
            [a, b] => device.try_tensor_from_vec(values, (a, b)).map(Self::Rank2),
            [a, b, c] => device.try_tensor_from_vec(values, (a, b, c)).map(Self::Rank3),
            [a, b, c, d] => device.try_tensor_from_vec(values, (a, b, c, d)).map(Self::Rank4),
            _ => return Err(Error::shape("a parameter", "1 to 4 axes", array.shape())),
        };
        owned.map_err(Error::device)
    }

    pub(super) fn param(&mut self) -> ParamMut<'_> {
        match self {
            Self::Rank1(tensor) => ParamMut::Rank1(tensor),
            Self::Rank2(tensor) => ParamMut::Rank2(tensor),
            Self::Rank3(tensor) => ParamMut::Rank3(tensor),
            Self::Rank4(tensor) => ParamMut::Rank4(tensor),
        }
    }

    pub(super) fn array(&mut self) -> Array {
        self.param().to_array()
    }
}

/// `[batch, length]`, on the host.
pub(super) fn to_host(features: Features) -> Result<Array> {
    let &(batch, length) = features.shape();
    let (features, _) = features.split_tape();
    Array::new([batch, length], features.as_vec())
}

/// The gradients of the sum of squares.
pub(super) fn gradients_of_squares(features: Features) -> Result<Gradients> {
    let squares = features.try_square().map_err(Error::device)?;
    backward(squares.try_sum().map_err(Error::device)?)
}

/// The bits, which tell two NaNs alike and 0 from −0.
pub(super) fn bits(array: &Array) -> Vec<u32> {
    array.values().iter().map(|value| value.to_bits()).collect()
}

/// Whether every value is finite.
pub(super) fn finite(values: &[f32]) -> bool {
    values.iter().all(|value| value.is_finite())
}
