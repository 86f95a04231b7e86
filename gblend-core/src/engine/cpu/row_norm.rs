//! Normalization of rows `[rows, features]`: of each feature over the rows, or of each row over its features.
//!
//! Sums over rows are taken of blocks of them, in `f64`, and added in the order of the blocks.

use std::ops::Range;

use rayon::prelude::*;

use super::lanes;
use super::norm::{AffineGradient, Moments, Source};

/// Rows of a block.
const ROWS: usize = 512;

/// Rows of a block that is not added up in `f64`: few enough that sums of gradients in `f32` are exact to the last digits.
const FEWER_ROWS: usize = 64;

/// γ and β.
pub(in crate::engine) type Affine<'a> = (&'a [f32], &'a [f32]);

/// The sums over all rows of the sums of each block, two for each feature.
fn column_sums(
    count: usize,
    width: usize,
    of_block: impl Fn(Range<usize>) -> [Vec<f64>; 2] + Send + Sync,
) -> [Vec<f64>; 2] {
    let blocks = (0..count.div_ceil(ROWS)).into_par_iter();
    let blocks = blocks.map(|block| of_block(block * ROWS * width..((block + 1) * ROWS).min(count) * width));
    let blocks: Vec<_> = blocks.collect();
    let mut all = [(); 2].map(|()| vec![0.0; width]);
    for sums in blocks {
        for (all, sums) in all.iter_mut().zip(sums) {
            let pairs = all.iter_mut().zip(sums);
            pairs.for_each(|(all, sum)| *all += sum);
        }
    }
    all
}

/// The moments of each feature over the rows, of which there is at least one.
pub(in crate::engine) fn column_moments(rows: &[f32], width: usize, epsilon: f32) -> Vec<Moments> {
    let count = rows.len() / width.max(1);
    let [sums, _] = column_sums(count, width, |block| power_sums(&rows[block], width));
    let mean: Vec<f32> = sums.iter().map(|sum| (sum / count as f64) as f32).collect();
    let [squares, _] = column_sums(count, width, |block| centered_squares(&rows[block], &mean));
    let variance = squares.iter().map(|square| (square / count as f64) as f32);
    let moments = mean.iter().zip(variance);
    moments
        .map(|(&mean, variance)| Moments::new(mean, variance, epsilon))
        .collect()
}

/// Σ x and Σ x² of each feature over the rows.
pub(in crate::engine) fn column_power_sums(rows: &[f32], width: usize) -> Vec<(f64, f64)> {
    let count = rows.len() / width.max(1);
    let [sums, squares] = column_sums(count, width, |block| power_sums(&rows[block], width));
    sums.into_iter().zip(squares).collect()
}

vectorized! {
    /// Σ x and Σ x² of each feature.
    fn power_sums<'a>(rows: &'a [f32], width: usize) -> [Vec<f64>; 2] {
        let (mut sums, mut squares) = (vec![0.0; width], vec![0.0; width]);
        for row in rows.chunks_exact(width.max(1)) {
            for ((sum, square), &value) in sums.iter_mut().zip(&mut squares).zip(row) {
                *sum += f64::from(value);
                *square += f64::from(value) * f64::from(value);
            }
        }
        [sums, squares]
    }
}

vectorized! {
    /// The squares of the distances from the mean of each feature, and nothing beside them.
    fn centered_squares<'a>(rows: &'a [f32], mean: &'a [f32]) -> [Vec<f64>; 2] {
        let mut squares = vec![0.0; mean.len()];
        for row in rows.chunks_exact(mean.len().max(1)) {
            for ((square, &value), &mean) in squares.iter_mut().zip(row).zip(mean) {
                let centered = f64::from(value - mean);
                *square += centered * centered;
            }
        }
        [squares, Vec::new()]
    }
}

vectorized! {
    /// Σ g and Σ g (x − μ) of each feature, of gradients and rows.
    fn gradient_sums<'a>(gradient: &'a [f32], rows: &'a [f32], moments: &'a [Moments]) -> [Vec<f64>; 2] {
        let width = moments.len().max(1);
        let (mut sums, mut products) = (vec![0.0; width], vec![0.0; width]);
        for (gradient, row) in gradient.chunks_exact(width).zip(rows.chunks_exact(width)) {
            let values = gradient.iter().zip(row).zip(moments);
            let targets = sums.iter_mut().zip(&mut products);
            for ((sum, product), ((&gradient, &value), moments)) in targets.zip(values) {
                *sum += f64::from(gradient);
                *product += f64::from(gradient * (value - moments.mean));
            }
        }
        [sums, products]
    }
}

/// Normalization of each feature as one multiplication and one addition.
fn scales(moments: &[Moments], (gamma, beta): Affine<'_>) -> Vec<(f32, f32)> {
    let affine = moments.iter().zip(gamma).zip(beta);
    affine
        .map(|((moments, gamma), beta)| {
            let scale = gamma * moments.inverse_deviation;
            (scale, beta - moments.mean * scale)
        })
        .collect()
}

/// `γ (x − μ) / σ + β` of each feature, then `max(…, 0)` if `relu`.
pub(in crate::engine) fn normalize_columns(
    rows: &[f32],
    moments: &[Moments],
    affine: Affine<'_>,
    relu: bool,
) -> Vec<f32> {
    let scales = scales(moments, affine);
    let width = scales.len().max(1);
    let least = if relu { 0.0 } else { f32::NEG_INFINITY };
    let mut output = rows.to_vec();
    let blocks = output.par_chunks_mut(FEWER_ROWS * width);
    blocks.for_each(|block| scale_block(block, &scales, least));
    output
}

vectorized! {
    fn scale_block<'a>(block: &'a mut [f32], scales: &'a [(f32, f32)], least: f32) {
        for row in block.chunks_exact_mut(scales.len().max(1)) {
            for (value, &(scale, shift)) in row.iter_mut().zip(scales) {
                let normalized = *value * scale + shift;
                // Written so that a NaN stays one: `f32::max` would hide it.
                *value = if normalized < least { least } else { normalized };
            }
        }
    }
}

/// Turns the gradient of [`normalize_columns`]'s output into that of its input in place, and gives those of γ and β.
///
/// What the moments are of says whether the gradient flows through them, too.
pub(in crate::engine) fn columns_backward(
    gradient: &mut [f32],
    rows: &[f32],
    moments: &[Moments],
    affine: Affine<'_>,
    (relu, source): (bool, &Source),
) -> Vec<AffineGradient> {
    let scales = scales(moments, affine);
    let width = scales.len().max(1);
    let count = rows.len() / width;
    if relu {
        let blocks = gradient
            .par_chunks_mut(FEWER_ROWS * width)
            .zip(rows.par_chunks(FEWER_ROWS * width));
        blocks.for_each(|(gradient, rows)| mask_block(gradient, rows, &scales));
    }
    let seen = &*gradient;
    let [sums, products] = column_sums(count, width, |block| {
        gradient_sums(&seen[block.clone()], &rows[block], moments)
    });
    let mut all: Vec<(f64, f64)> = sums.iter().copied().zip(products.iter().copied()).collect();
    let count = source.of_all(&mut all, count);
    let share = if source.is_batch() {
        1.0 / count.max(1.0) as f32
    } else {
        0.0
    };
    let corrections = moments.iter().zip(&scales).zip(&all);
    let corrections: Vec<Correction> = corrections
        .map(|((moments, &(scale, _)), &(sum, product))| {
            let inverse = moments.inverse_deviation;
            Correction {
                scale,
                mean: moments.mean,
                offset: sum as f32 * share,
                slope: product as f32 * inverse * inverse * share,
            }
        })
        .collect();
    let blocks = gradient
        .par_chunks_mut(FEWER_ROWS * width)
        .zip(rows.par_chunks(FEWER_ROWS * width));
    blocks.for_each(|(gradient, rows)| correct_block(gradient, rows, &corrections));
    let sums = sums.iter().zip(products).zip(moments);
    sums.map(|((&sum, product), moments)| (product as f32 * moments.inverse_deviation, sum as f32))
        .collect()
}

/// What is taken off a gradient: an offset, and a slope times the distance from the mean.
#[derive(Clone, Copy)]
struct Correction {
    scale: f32,
    mean: f32,
    offset: f32,
    slope: f32,
}

vectorized! {
    fn correct_block<'a>(gradient: &'a mut [f32], rows: &'a [f32], corrections: &'a [Correction]) {
        let width = corrections.len().max(1);
        for (gradient, row) in gradient.chunks_exact_mut(width).zip(rows.chunks_exact(width)) {
            for ((gradient, &value), by) in gradient.iter_mut().zip(row).zip(corrections) {
                *gradient = by.scale * (*gradient - by.offset - (value - by.mean) * by.slope);
            }
        }
    }
}

vectorized! {
    /// The gradient where a ReLU let the normalized value pass.
    fn mask_block<'a>(gradient: &'a mut [f32], rows: &'a [f32], scales: &'a [(f32, f32)]) {
        let width = scales.len().max(1);
        for (gradient, row) in gradient.chunks_exact_mut(width).zip(rows.chunks_exact(width)) {
            for ((gradient, &value), &(scale, shift)) in gradient.iter_mut().zip(row).zip(scales) {
                *gradient = if value * scale + shift > 0.0 { *gradient } else { 0.0 };
            }
        }
    }
}

/// `γ (x − μ) / σ + β` of each row, with the row's own moments, which are given back.
pub(in crate::engine) fn normalize_rows(
    rows: &[f32],
    affine: Affine<'_>,
    epsilon: f32,
) -> (Vec<f32>, Vec<Moments>) {
    let width = affine.0.len().max(1);
    let mut output = rows.to_vec();
    let blocks = output.par_chunks_mut(FEWER_ROWS * width);
    let moments: Vec<Vec<Moments>> = blocks
        .map(|block| normalize_block(block, affine, epsilon))
        .collect();
    (output, moments.concat())
}

vectorized! {
    fn normalize_block<'a>(block: &'a mut [f32], affine: Affine<'a>, epsilon: f32) -> Vec<Moments> {
        let (gamma, beta) = affine;
        let width = gamma.len().max(1);
        let share = 1.0 / width as f32;
        let mut all = Vec::with_capacity(block.len() / width);
        for row in block.chunks_exact_mut(width) {
            let mean = lanes::total(row) * share;
            row.iter_mut().for_each(|value| *value -= mean);
            let moments = Moments::new(mean, lanes::inner_product(row, row) * share, epsilon);
            for ((value, gamma), beta) in row.iter_mut().zip(gamma).zip(beta) {
                *value = *value * moments.inverse_deviation * gamma + beta;
            }
            all.push(moments);
        }
        all
    }
}

/// Turns the gradient of [`normalize_rows`]'s output into that of its input in place, and gives those of γ and β.
pub(in crate::engine) fn rows_backward(
    gradient: &mut [f32],
    rows: &[f32],
    moments: &[Moments],
    gamma: &[f32],
) -> Vec<AffineGradient> {
    let width = gamma.len().max(1);
    let blocks = gradient.par_chunks_mut(FEWER_ROWS * width);
    let blocks = blocks.zip(rows.par_chunks(FEWER_ROWS * width));
    let blocks = blocks.zip(moments.par_chunks(FEWER_ROWS));
    let sums: Vec<[Vec<f32>; 2]> = blocks
        .map(|((gradient, rows), moments)| block_backward(gradient, rows, moments, gamma))
        .collect();
    let mut all = vec![[0.0_f64; 2]; gamma.len()];
    for [gammas, betas] in sums {
        for (all, (gamma, beta)) in all.iter_mut().zip(gammas.into_iter().zip(betas)) {
            all[0] += f64::from(gamma);
            all[1] += f64::from(beta);
        }
    }
    all.into_iter()
        .map(|[gamma, beta]| (gamma as f32, beta as f32))
        .collect()
}

vectorized! {
    /// As [`rows_backward`], with the sums of a block for γ and β.
    fn block_backward<'a>(
        gradient: &'a mut [f32],
        rows: &'a [f32],
        moments: &'a [Moments],
        gamma: &'a [f32],
    ) -> [Vec<f32>; 2] {
        let width = gamma.len().max(1);
        let share = 1.0 / width as f32;
        let (mut gammas, mut betas) = (vec![0.0; width], vec![0.0; width]);
        let mut centered = vec![0.0; width];
        let rows = gradient.chunks_exact_mut(width).zip(rows.chunks_exact(width));
        for ((gradient, row), moments) in rows.zip(moments) {
            let inverse = moments.inverse_deviation;
            for (centered, &value) in centered.iter_mut().zip(row) {
                *centered = (value - moments.mean) * inverse;
            }
            let sums = gammas.iter_mut().zip(&mut betas);
            let values = gradient.iter_mut().zip(&centered).zip(gamma);
            for ((of_gamma, of_beta), ((gradient, &centered), &gamma)) in sums.zip(values) {
                *of_gamma += *gradient * centered;
                *of_beta += *gradient;
                *gradient *= gamma;
            }
            let mean = lanes::total(gradient) * share;
            let product = lanes::inner_product(gradient, &centered) * share;
            for (gradient, &centered) in gradient.iter_mut().zip(&centered) {
                *gradient = inverse * (*gradient - mean - centered * product);
            }
        }
        [gammas, betas]
    }
}
