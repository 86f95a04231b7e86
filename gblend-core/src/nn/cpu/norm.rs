//! Batch normalization with an optional ReLU over channels that are contiguous runs of memory.

use pulp::Arch;
use rayon::prelude::*;

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

/// `y = γ (x − μ) / σ + β` in place, then `max(y, 0)` if `relu`.
pub(in crate::nn) fn normalize(
    values: &[f32],
    moments: &[Moments],
    gamma: &[f32],
    beta: &[f32],
    relu: bool,
    output: &mut [f32],
) {
    let arch = Arch::new();
    let channel = values.len() / moments.len().max(1);
    let work = values
        .par_chunks_exact(channel.max(1))
        .zip(output.par_chunks_exact_mut(channel.max(1)));
    work.enumerate().for_each(|(c, (values, output))| {
        let (scale, shift) = affine(&moments[c], gamma[c], beta[c]);
        arch.dispatch(|| {
            let least = if relu { 0.0 } else { f32::NEG_INFINITY };
            for (output, &value) in output.iter_mut().zip(values) {
                let normalized = value * scale + shift;
                // Written so that a NaN stays one: `f32::max` would hide it.
                *output = if normalized < least { least } else { normalized };
            }
        });
    });
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
                if relu {
                    mask(gradient, values, scale, shift);
                }
                let (sum, product) = sums(gradient, values, mean);
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

/// Zeroes the gradient where the ReLU was flat.
#[inline(always)]
fn mask(gradient: &mut [f32], values: &[f32], scale: f32, shift: f32) {
    for (gradient, &value) in gradient.iter_mut().zip(values) {
        *gradient = if value * scale + shift > 0.0 {
            *gradient
        } else {
            0.0
        };
    }
}

/// Σ g and Σ g (x − μ), blocked as in [`blocked_sum`].
#[inline(always)]
fn sums(gradient: &[f32], values: &[f32], mean: f32) -> (f64, f64) {
    let (mut sum, mut product) = (0.0, 0.0);
    for (gradient, values) in gradient.chunks(BLOCK).zip(values.chunks(BLOCK)) {
        let (mut lanes, mut products) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        let rows = gradient.chunks_exact(LANES).zip(values.chunks_exact(LANES));
        for (gradient, values) in rows {
            for lane in 0..LANES {
                lanes[lane] += gradient[lane];
                products[lane] += gradient[lane] * (values[lane] - mean);
            }
        }
        let whole = gradient.len() / LANES * LANES;
        for (&gradient, &value) in gradient[whole..].iter().zip(&values[whole..]) {
            sum += f64::from(gradient);
            product += f64::from(gradient * (value - mean));
        }
        sum += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
        product += products.iter().map(|&lane| f64::from(lane)).sum::<f64>();
    }
    (sum, product)
}
