//! Initial parameters.

use rand_distr::{Distribution, Normal, Uniform};

use crate::error::{Error, Result};
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Plain, Shape};

/// Normal values of variance `2 / fan_in` (He et al., ICCV 2015, equation 10), which keeps the scale of a
/// signal through ReLUs.
pub(super) fn he_normal<S: Shape>(
    device: &AutoDevice,
    shape: S,
    fan_in: usize,
    seed: Seed,
) -> Result<Plain<S>> {
    normal(device, shape, (2.0 / fan_in.max(1) as f32).sqrt(), seed)
}

/// Uniform values in `±1 / √fan_in`.
pub(super) fn lecun_uniform<S: Shape>(
    device: &AutoDevice,
    shape: S,
    fan_in: usize,
    seed: Seed,
) -> Result<Plain<S>> {
    let bound = 1.0 / (fan_in.max(1) as f32).sqrt();
    let uniform = Uniform::new_inclusive(-bound, bound).map_err(Error::plugin)?;
    sample(device, shape, uniform, seed)
}

/// Normal values around 0.
pub(super) fn normal<S: Shape>(
    device: &AutoDevice,
    shape: S,
    deviation: f32,
    seed: Seed,
) -> Result<Plain<S>> {
    let normal = Normal::new(0.0, deviation).map_err(Error::plugin)?;
    sample(device, shape, normal, seed)
}

fn sample<S: Shape>(
    device: &AutoDevice,
    shape: S,
    distribution: impl Distribution<f32>,
    seed: Seed,
) -> Result<Plain<S>> {
    let mut rng = seed.rng();
    let values = (0..shape.elements())
        .map(|_| distribution.sample(&mut rng))
        .collect();
    Plain::new(device, shape, values)
}

/// An extent that a layer cannot do without.
pub(super) fn positive(key: &str, value: usize) -> Result<usize> {
    if value == 0 {
        return Err(Error::setting(key, value, "at least 1"));
    }
    Ok(value)
}
