//! What is stored of large answers: parameters by a formula of their names, and of gradients a few values.

use gblend_core::Array;
use serde::Deserialize;

/// The largest relative error.
const TOLERANCE: f64 = 1e-4;

/// Numbers from -1 to below 1: the formula of `xtask/peers`.
pub(crate) fn draw(name: &str, count: usize) -> Vec<f32> {
    let fold = |seed: u32, byte: u8| (seed ^ u32::from(byte)).wrapping_mul(16_777_619);
    let seed = name.bytes().fold(2_166_136_261, fold);
    let number = |position: usize| {
        let mut x = (position as u32).wrapping_add(seed).wrapping_mul(0x9E37_79B1);
        x ^= x >> 15;
        x = x.wrapping_mul(0x85EB_CA77);
        x ^= x >> 13;
        (x >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(number).collect()
}

/// What an array of the state dict is filled with.
pub(crate) fn array_of(name: &str, shape: &[usize]) -> Array {
    let mut values = draw(name, shape.iter().product());
    let last = name.rsplit('.').next().unwrap();
    let taps: usize = shape[1..].iter().product();
    for value in &mut values {
        *value = match (shape.len(), last) {
            (4.., _) => *value * (6.0 / taps as f64).sqrt() as f32,
            (1, "weight" | "running_var") => 1.0 + *value * 0.5,
            _ => *value * 0.125,
        };
    }
    Array::new(shape, values).unwrap()
}

/// The norm of an array, and values that are spread over it.
#[derive(Deserialize)]
pub(crate) struct Digest {
    pub(crate) norm: f64,
    values: Vec<f64>,
}

pub(crate) fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

pub(crate) fn check(what: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let difference = norm(found.iter().zip(expected).map(|(&a, b)| f64::from(a) - b));
    let error = difference / norm(expected.iter().copied());
    assert!(error < TOLERANCE, "{what}: {error:e}");
}

impl Digest {
    /// Holds an array against it. A value's error is measured by the mean size of all values.
    pub(crate) fn check(&self, what: &str, found: &[f32]) {
        let of_found = norm(found.iter().map(|&value| f64::from(value)));
        let error = (of_found / self.norm - 1.0).abs();
        assert!(error < TOLERANCE, "norm of {what}: {error:e}");
        let (last, size) = (self.values.len() - 1, self.norm / (found.len() as f64).sqrt());
        for (position, expected) in self.values.iter().enumerate() {
            let value = found[position * (found.len() - 1) / last];
            let error = (f64::from(value) - expected).abs() / size.max(expected.abs());
            assert!(error < TOLERANCE, "{what}, value {position}: {error:e}");
        }
    }
}
