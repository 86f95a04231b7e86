//! Generators of what plugins are given, for proptest.
//!
//! They make what is finite and can occur, with a liking for what goes wrong: zeros, and numbers of very different
//! sizes.

mod estimates;
mod evidence;
mod media;

use proptest::prelude::*;

use crate::array::Array;
use crate::error::Result;
use crate::seed::Seed;
use crate::strategy::Heads;
use crate::weights::BlendWeights;

pub use estimates::{estimate, movements};
pub use evidence::{Epoch, Step, epoch, loss, step};
pub use media::{MediaSize, media, sample, samples};

/// Heads of modalities `m0`, `m1`, …, and the joint one.
///
/// # Errors
/// [`Error::Setting`](crate::Error::Setting) if there is no modality.
pub fn heads(modalities: usize) -> Result<Heads> {
    Heads::new((0..modalities).map(|index| format!("m{index}")))
}

/// The seed of a run.
pub fn seed() -> impl Strategy<Value = Seed> {
    any::<u64>().prop_map(Seed::new)
}

/// A point of the simplex, with some weights that are 0.
pub fn weights(heads: usize) -> impl Strategy<Value = BlendWeights> {
    let weight = prop_oneof![4 => 0.0..1.0_f64, 1 => Just(0.0)];
    prop::collection::vec(weight, heads).prop_filter_map("every weight is 0", |weights| {
        BlendWeights::normalized(weights).ok()
    })
}

/// A component of a gradient: most of a usual size, some 0, tiny or huge; squares of all are finite in `f32`.
pub fn component() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => -1.0..1.0_f32,
        1 => Just(0.0_f32),
        1 => -1e-18..1e-18_f32,
        1 => -1e15..1e15_f32,
    ]
}

/// A gradient of up to `longest` components; some are zeros throughout.
pub fn gradient(longest: usize) -> impl Strategy<Value = Vec<f32>> {
    prop_oneof![
        5 => prop::collection::vec(component(), 0..=longest),
        1 => (0..=longest).prop_map(|length| vec![0.0; length]),
    ]
}

/// An array of this shape, of values between −2 and 2 but not around 0.
pub fn array(shape: Vec<usize>) -> impl Strategy<Value = Array> {
    let value = prop_oneof![-2.0..-0.1_f32, 0.1..2.0_f32];
    prop::collection::vec(value, shape.iter().product::<usize>())
        .prop_filter_map("a shape whose size overflows", move |values| {
            Array::new(shape.clone(), values).ok()
        })
}

/// A shape of one to four axes of up to three.
pub fn shape() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1_usize..=3, 1..=4)
}
