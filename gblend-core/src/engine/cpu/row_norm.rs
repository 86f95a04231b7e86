//! Normalization of rows `[rows, features]`: of each feature over the rows, or of each row over its features.
//!
//! Sums over rows are taken of blocks of them, in `f64`, and added in the order of the blocks.

use pulp::Arch;
use rayon::prelude::*;

use super::lanes;
use super::norm::{AffineGradient, Moments, Source};

/// Rows of a block.
const ROWS: usize = 512;

/// γ and β.
pub(in crate::engine) type Affine<'a> = (&'a [f32], &'a [f32]);

/// The sums over all rows of what `add` adds of each block to one pair of sums per feature.
fn column_sums(
    count: usize,
    width: usize,
    add: impl Fn(usize, &mut [f64], &mut [f64]) + Send + Sync,
) -> (Vec<f64>, Vec<f64>) {
    let arch = Arch::new();
    let blocks: Vec<_> = (0..count.div_ceil(ROWS))
        .into_par_iter()
        .map(|block| {
            let (mut first, mut second) = (vec![0.0; width], vec![0.0; width]);
            arch.dispatch(|| {
                for row in block * ROWS..((block + 1) * ROWS).min(count) {
                    add(row, &mut first, &mut second);
                }
            });
            (first, second)
        })
        .collect();
    let mut sums = (vec![0.0; width], vec![0.0; width]);
    for (first, second) in blocks {
        sums.0
            .iter_mut()
            .zip(first)
            .for_each(|(sum, value)| *sum += value);
        sums.1
            .iter_mut()
            .zip(second)
            .for_each(|(sum, value)| *sum += value);
    }
    sums
}

/// The moments of each feature over the rows, of which there is at least one.
pub(in crate::engine) fn column_moments(rows: &[f32], width: usize, epsilon: f32) -> Vec<Moments> {
    let count = rows.len() / width.max(1);
    let row = |row: usize| &rows[row * width..][..width];
    let (sums, _) = column_sums(count, width, |number, sums, _| {
        sums.iter_mut()
            .zip(row(number))
            .for_each(|(sum, &value)| *sum += f64::from(value));
    });
    let mean: Vec<f32> = sums.iter().map(|sum| (sum / count as f64) as f32).collect();
    let (squares, _) = column_sums(count, width, |number, squares, _| {
        for ((square, &value), &mean) in squares.iter_mut().zip(row(number)).zip(&mean) {
            let centered = f64::from(value - mean);
            *square += centered * centered;
        }
    });
    let variance = squares.iter().map(|square| (square / count as f64) as f32);
    let moments = mean.iter().zip(variance);
    moments
        .map(|(&mean, variance)| Moments::new(mean, variance, epsilon))
        .collect()
}

/// Σ x and Σ x² of each feature over the rows.
pub(in crate::engine) fn column_power_sums(rows: &[f32], width: usize) -> Vec<(f64, f64)> {
    let count = rows.len() / width.max(1);
    let (sums, squares) = column_sums(count, width, |number, sums, squares| {
        let row = &rows[number * width..][..width];
        for ((sum, square), &value) in sums.iter_mut().zip(squares).zip(row) {
            *sum += f64::from(value);
            *square += f64::from(value) * f64::from(value);
        }
    });
    sums.into_iter().zip(squares).collect()
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
    let arch = Arch::new();
    output.par_chunks_mut(ROWS * width).for_each(|block| {
        arch.dispatch(|| {
            for row in block.chunks_exact_mut(width) {
                for (value, &(scale, shift)) in row.iter_mut().zip(&scales) {
                    let normalized = *value * scale + shift;
                    // Written so that a NaN stays one: `f32::max` would hide it.
                    *value = if normalized < least { least } else { normalized };
                }
            }
        });
    });
    output
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
    let arch = Arch::new();
    if relu {
        let blocks = gradient
            .par_chunks_mut(ROWS * width)
            .zip(rows.par_chunks(ROWS * width));
        blocks.for_each(|(gradient, rows)| {
            arch.dispatch(|| {
                for (gradient, row) in gradient.chunks_exact_mut(width).zip(rows.chunks_exact(width)) {
                    for ((gradient, &value), &(scale, shift)) in gradient.iter_mut().zip(row).zip(&scales) {
                        *gradient = if value * scale + shift > 0.0 {
                            *gradient
                        } else {
                            0.0
                        };
                    }
                }
            });
        });
    }
    let seen = &*gradient;
    let (sums, products) = column_sums(count, width, |row, sums, products| {
        let place = row * width..(row + 1) * width;
        let pairs = seen[place.clone()].iter().zip(&rows[place]);
        let targets = sums.iter_mut().zip(products).zip(moments);
        for (((sum, product), moments), (&gradient, &value)) in targets.zip(pairs) {
            *sum += f64::from(gradient);
            *product += f64::from(gradient * (value - moments.mean));
        }
    });
    let mut all: Vec<(f64, f64)> = sums.iter().copied().zip(products.iter().copied()).collect();
    let count = source.of_all(&mut all, count);
    /// What is taken off a gradient: an offset, and a slope times the distance from the mean.
    struct Correction {
        scale: f32,
        mean: f32,
        offset: f32,
        slope: f32,
    }
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
        .par_chunks_mut(ROWS * width)
        .zip(rows.par_chunks(ROWS * width));
    blocks.for_each(|(gradient, rows)| {
        arch.dispatch(|| {
            for (gradient, row) in gradient.chunks_exact_mut(width).zip(rows.chunks_exact(width)) {
                for ((gradient, &value), by) in gradient.iter_mut().zip(row).zip(&corrections) {
                    *gradient = by.scale * (*gradient - by.offset - (value - by.mean) * by.slope);
                }
            }
        });
    });
    let sums = sums.iter().zip(products).zip(moments);
    sums.map(|((&sum, product), moments)| (product as f32 * moments.inverse_deviation, sum as f32))
        .collect()
}

/// `γ (x − μ) / σ + β` of each row, with the row's own moments, which are given back.
pub(in crate::engine) fn normalize_rows(
    rows: &[f32],
    (gamma, beta): Affine<'_>,
    epsilon: f32,
) -> (Vec<f32>, Vec<Moments>) {
    let width = gamma.len().max(1);
    let share = 1.0 / width as f32;
    let mut output = rows.to_vec();
    let arch = Arch::new();
    let blocks = output.par_chunks_mut(ROWS * width).map(|block| {
        arch.dispatch(|| {
            let normalized = block.chunks_exact_mut(width).map(|row| {
                let mean = lanes::sum(width, |i| row[i]) * share;
                let squares = lanes::sum(width, |i| (row[i] - mean) * (row[i] - mean));
                let moments = Moments::new(mean, squares * share, epsilon);
                for ((value, gamma), beta) in row.iter_mut().zip(gamma).zip(beta) {
                    *value = (*value - mean) * moments.inverse_deviation * gamma + beta;
                }
                moments
            });
            normalized.collect::<Vec<_>>()
        })
    });
    let moments: Vec<Vec<Moments>> = blocks.collect();
    (output, moments.concat())
}

/// Turns the gradient of [`normalize_rows`]'s output into that of its input in place, and gives those of γ and β.
pub(in crate::engine) fn rows_backward(
    gradient: &mut [f32],
    rows: &[f32],
    moments: &[Moments],
    gamma: &[f32],
) -> Vec<AffineGradient> {
    let width = gamma.len().max(1);
    let share = 1.0 / width as f32;
    let centered = |row: usize, i: usize| {
        let moments = &moments[row];
        (rows[row * width + i] - moments.mean) * moments.inverse_deviation
    };
    let seen = &*gradient;
    let (betas, gammas) = column_sums(rows.len() / width, width, |row, betas, gammas| {
        for (i, &gradient) in seen[row * width..][..width].iter().enumerate() {
            betas[i] += f64::from(gradient);
            gammas[i] += f64::from(gradient * centered(row, i));
        }
    });
    let arch = Arch::new();
    let blocks = gradient.par_chunks_mut(ROWS * width).enumerate();
    blocks.for_each(|(block, gradient)| {
        arch.dispatch(|| {
            for (row, gradient) in gradient.chunks_exact_mut(width).enumerate() {
                let row = block * ROWS + row;
                let mean = lanes::sum(width, |i| gradient[i] * gamma[i]) * share;
                let product = lanes::sum(width, |i| gradient[i] * gamma[i] * centered(row, i)) * share;
                let inverse = moments[row].inverse_deviation;
                for (i, gradient) in gradient.iter_mut().enumerate() {
                    *gradient = inverse * (*gradient * gamma[i] - mean - centered(row, i) * product);
                }
            }
        });
    });
    let pairs = gammas.into_iter().zip(betas);
    pairs.map(|(gamma, beta)| (gamma as f32, beta as f32)).collect()
}
