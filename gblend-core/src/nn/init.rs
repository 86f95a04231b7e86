//! Initial parameters.

use rand_distr::{Distribution, Normal, Uniform};

use crate::error::{Error, Result};
use crate::memory;
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

/// Weights that one layer may have: more would not be a slip of the finger that anyone could train.
const MOST: usize = 1 << 30;

/// The extents of a layer's weights, which are as many as their product: none of them 0, and not more weights than a
/// layer may have, or the machine has memory for. So nothing is allocated for a size that nobody means.
///
/// # Errors
/// [`Error::Argument`] naming the one that is 0, or the largest of those that are too many together.
pub(super) fn extents<const N: usize>(layer: &str, extents: [(&str, usize); N]) -> Result<[usize; N]> {
    if let Some((name, _)) = extents.iter().find(|(_, extent)| *extent == 0) {
        return Err(Error::argument(layer, *name, 0_usize, "at least 1"));
    }
    let count = extents
        .iter()
        .try_fold(1_usize, |count, (_, extent)| count.checked_mul(*extent));
    let Some(&(name, extent)) = extents.iter().max_by_key(|(_, extent)| *extent) else {
        return Ok(extents.map(|(_, extent)| extent));
    };
    let all = || {
        let all = extents.iter().map(|(name, extent)| format!("{extent} {name}"));
        all.collect::<Vec<_>>().join(" x ")
    };
    if count.is_none_or(|count| count > MOST) {
        let expected = format!("at most {MOST} weights in one layer, and not {}", all());
        return Err(Error::argument(layer, name, extent, expected));
    }
    let bytes = (count.unwrap_or(MOST) as u64).saturating_mul(size_of::<f32>() as u64);
    if let Some(free) = memory::missing(bytes) {
        let expected = format!(
            "a layer that the machine has memory for, and not {}, {} MiB of weights, of which {} are left",
            all(),
            bytes >> 20,
            free >> 20
        );
        return Err(Error::argument(layer, name, extent, expected));
    }
    Ok(extents.map(|(_, extent)| extent))
}
