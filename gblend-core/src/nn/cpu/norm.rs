//! Batch normalization with an optional ReLU over channels that are contiguous runs of memory.

use pulp::Arch;
use rayon::prelude::*;

use super::raw::map_runs;

/// Lanes of a partial sum: a few vectors of the widest instruction set.
const LANES: usize = 64;

/// Elements that are summed in `f32` before the sum goes on in `f64`.
const BLOCK: usize = 4096;

/// Mean, biased variance and reciprocal deviation of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::nn) struct Moments {
    pub(in crate::nn) mean: f32,
    pub(in crate::nn) variance: f32,
    pub(in crate::nn) inverse_deviation: f32,
}

impl Moments {
    pub(in crate::nn) fn new(mean: f32, variance: f32, epsilon: f32) -> Self {
        Self {
            mean,
            variance,
            inverse_deviation: 1.0 / (variance + epsilon).sqrt(),
        }
    }
}

/// Sums `term` over the elements: 64 lanes of `f32` inside a block, `f64` from block to block, so that the
/// error does not grow with the number of elements.
#[inline(always)]
fn blocked_sum(values: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    let mut total = 0.0;
    for block in values.chunks(BLOCK) {
        let mut lanes = [0.0_f32; LANES];
        let rows = block.chunks_exact(LANES);
        for &value in rows.remainder() {
            total += f64::from(term(value));
        }
        for row in rows {
            for (lane, &value) in lanes.iter_mut().zip(row) {
                *lane += term(value);
            }
        }
        total += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
    }
    total
}

/// The moments of every channel; `channel` is the number of elements of one.
pub(in crate::nn) fn moments(values: &[f32], channel: usize, epsilon: f32) -> Vec<Moments> {
    let arch = Arch::new();
    values
        .par_chunks_exact(channel.max(1))
        .map(|values| {
            arch.dispatch(|| {
                let count = values.len() as f64;
                let mean = (blocked_sum(values, |value| value) / count) as f32;
                let squares = blocked_sum(values, |value| (value - mean) * (value - mean));
                Moments::new(mean, (squares / count) as f32, epsilon)
            })
        })
        .collect()
}

/// `γ (x − μ) / σ + β`, then `max(…, 0)` if `relu`.
pub(in crate::nn) fn normalize(
    values: &[f32],
    moments: &[Moments],
    gamma: &[f32],
    beta: &[f32],
    relu: bool,
) -> Vec<f32> {
    let least = if relu { 0.0 } else { f32::NEG_INFINITY };
    map_runs(values, values.len() / moments.len().max(1), |c| {
        let (scale, shift) = affine(&moments[c], gamma[c], beta[c]);
        move |value| {
            let normalized = value * scale + shift;
            // Written so that a NaN stays one: `f32::max` would hide it.
            if normalized < least { least } else { normalized }
        }
    })
}

/// Normalization as one multiplication and one addition.
#[inline(always)]
fn affine(moments: &Moments, gamma: f32, beta: f32) -> (f32, f32) {
    let scale = gamma * moments.inverse_deviation;
    (scale, beta - moments.mean * scale)
}

/// Gradients of one channel's γ and β.
pub(in crate::nn) type AffineGradient = (f32, f32);

/// Turns the gradient of the output into that of the input in place; the mask of the ReLU is recomputed.
///
/// With `from_batch` the moments were those of `values`, and the gradient flows through them too.
pub(in crate::nn) fn backward(
    gradient: &mut [f32],
    values: &[f32],
    moments: &[Moments],
    gamma: &[f32],
    beta: &[f32],
    relu: bool,
    from_batch: bool,
) -> Vec<AffineGradient> {
    let arch = Arch::new();
    let channel = (values.len() / moments.len().max(1)).max(1);
    gradient
        .par_chunks_exact_mut(channel)
        .zip(values.par_chunks_exact(channel))
        .enumerate()
        .map(|(c, (gradient, values))| {
            let moments = &moments[c];
            let (scale, shift) = affine(moments, gamma[c], beta[c]);
            let mean = moments.mean;
            arch.dispatch(|| {
                let (sum, product) = if relu {
                    sums(gradient, values, mean, |value| value * scale + shift > 0.0)
                } else {
                    sums(gradient, values, mean, |_| true)
                };
                if from_batch {
                    let count = values.len() as f32;
                    let inverse = moments.inverse_deviation;
                    let offset = sum as f32 / count;
                    let slope = product as f32 * inverse * inverse / count;
                    for (gradient, &value) in gradient.iter_mut().zip(values) {
                        *gradient = scale * (*gradient - offset - (value - mean) * slope);
                    }
                } else {
                    gradient.iter_mut().for_each(|gradient| *gradient *= scale);
                }
                (product as f32 * moments.inverse_deviation, sum as f32)
            })
        })
        .collect()
}

/// Zeroes the gradient where the ReLU was flat, which is where `passes` is false of the value, and gives Σ g
/// and Σ g (x − μ), blocked as in [`blocked_sum`].
#[inline(always)]
fn sums(gradient: &mut [f32], values: &[f32], mean: f32, passes: impl Fn(f32) -> bool) -> (f64, f64) {
    let masked = |gradient: f32, value: f32| if passes(value) { gradient } else { 0.0 };
    let (mut sum, mut product) = (0.0, 0.0);
    for (gradient, values) in gradient.chunks_mut(BLOCK).zip(values.chunks(BLOCK)) {
        let (mut lanes, mut products) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        let (gradient, gradient_rest) = gradient.as_chunks_mut::<LANES>();
        let (values, values_rest) = values.as_chunks::<LANES>();
        for (gradient, values) in gradient.iter_mut().zip(values) {
            for lane in 0..LANES {
                gradient[lane] = masked(gradient[lane], values[lane]);
                lanes[lane] += gradient[lane];
                products[lane] += gradient[lane] * (values[lane] - mean);
            }
        }
        for (gradient, &value) in gradient_rest.iter_mut().zip(values_rest) {
            *gradient = masked(*gradient, value);
            sum += f64::from(*gradient);
            product += f64::from(*gradient * (value - mean));
        }
        sum += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
        product += products.iter().map(|&lane| f64::from(lane)).sum::<f64>();
    }
    (sum, product)
}
