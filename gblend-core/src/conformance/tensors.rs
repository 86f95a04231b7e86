//! Arrays of the kit on the device, and back.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::nn::{backward, multiply, sum};
use crate::params::ParamMut;
use crate::recorder::Recorder;
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

/// How much of the output at `index` there is in [`weighted_sum`]: between ½ and 1½, of either sign, and no simple
/// function of the index.
fn share(index: usize) -> f32 {
    const GOLDEN: f64 = 0.618_033_988_749_894_8;
    let size = 0.5 + (index as f64 * GOLDEN).fract() as f32;
    if index % 3 == 1 { -size } else { size }
}

/// One number that everything of an output has a share in.
///
/// Not the sum of squares, which the whole of a normalization leaves as it is.
pub(super) fn weighted_sum(output: &[f32]) -> f64 {
    let terms = output.iter().enumerate();
    terms
        .map(|(index, &value)| f64::from(share(index)) * f64::from(value))
        .sum()
}

/// The gradients of [`weighted_sum`].
pub(super) fn gradients_of(features: Features) -> Result<Gradients> {
    let (batch, length) = *features.shape();
    let shares = (0..batch * length).map(share).collect();
    let shares = Plain::new(&features.device(), (batch, length), shares)?;
    backward(sum(multiply(features, shares.enter(Recorder::for_data()))?)?)
}

/// Whether every value is finite.
pub(super) fn finite(values: &[f32]) -> bool {
    values.iter().all(|value| value.is_finite())
}
