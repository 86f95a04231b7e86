//! Operations on one element, or on two at the same place.

use rayon::prelude::*;

use super::activation;
use super::raw::{map_pairs, map_runs};

/// Elements that one task computes.
const RUN: usize = 16_384;

/// Written so that a NaN stays one: `f32::max` would hide it.
#[inline(always)]
fn rectified(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}

/// `max(value, 0)`.
pub(in crate::engine) fn relu(values: &[f32]) -> Vec<f32> {
    map_runs(values, RUN, |_, _| ((), rectified)).0
}

/// `max(left + right, 0)`.
pub(in crate::engine) fn relu_sum(left: &[f32], right: &[f32]) -> Vec<f32> {
    map_pairs(left, right, RUN, |left, right| rectified(left + right))
}

/// `left + right`.
pub(in crate::engine) fn sum(left: &[f32], right: &[f32]) -> Vec<f32> {
    map_pairs(left, right, RUN, |left, right| left + right)
}

/// The gradient of [`relu`]'s input from that of its output, where `output` is not 0.
pub(in crate::engine) fn relu_backward(mut gradient: Vec<f32>, output: &[f32]) -> Vec<f32> {
    let runs = gradient.par_chunks_mut(RUN).zip(output.par_chunks(RUN));
    runs.for_each(|(gradient, output)| {
        for (gradient, &value) in gradient.iter_mut().zip(output) {
            *gradient = if value > 0.0 { *gradient } else { 0.0 };
        }
    });
    gradient
}

/// `left · right`.
pub(in crate::engine) fn product(left: &[f32], right: &[f32]) -> Vec<f32> {
    map_pairs(left, right, RUN, |left, right| left * right)
}

/// `values · factors`, in the memory of the values.
pub(in crate::engine) fn scaled(mut values: Vec<f32>, factors: &[f32]) -> Vec<f32> {
    let runs = values.par_chunks_mut(RUN).zip(factors.par_chunks(RUN));
    runs.for_each(|(values, factors)| {
        for (value, factor) in values.iter_mut().zip(factors) {
            *value *= factor;
        }
    });
    values
}

/// `½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
pub(in crate::engine) fn gelu(values: &[f32]) -> Vec<f32> {
    map_runs(values, RUN, |_, _| ((), activation::gelu)).0
}

/// The gradient of [`gelu`]'s input from that of its output.
pub(in crate::engine) fn gelu_backward(gradient: &[f32], values: &[f32]) -> Vec<f32> {
    map_pairs(gradient, values, RUN, |gradient, value| {
        gradient * activation::gelu_slope(value)
    })
}

/// `x Φ(x)`, where `Φ` is the normal distribution.
pub(in crate::engine) fn gelu_erf(values: &[f32]) -> Vec<f32> {
    map_runs(values, RUN, |_, _| ((), activation::gelu_erf)).0
}

/// The gradient of [`gelu_erf`]'s input from that of its output.
pub(in crate::engine) fn gelu_erf_backward(gradient: &[f32], values: &[f32]) -> Vec<f32> {
    map_pairs(gradient, values, RUN, |gradient, value| {
        gradient * activation::gelu_erf_slope(value)
    })
}
