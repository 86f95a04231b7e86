//! Means and maxima over the steps of each sequence, of rows `[steps, features]`.

use std::ops::Range;

use rayon::prelude::*;

/// Mean over the rows of each sequence, `[batch, width]`; zeros of a sequence without any.
pub(in crate::engine) fn mean(sequences: &[Range<usize>], input: &[f32], width: usize) -> Vec<f32> {
    let mut output = vec![0.0; sequences.len() * width];
    let targets = output.par_chunks_exact_mut(width.max(1)).zip(sequences);
    targets.for_each(|(target, rows)| {
        let mut sums = vec![0.0_f64; width];
        for row in input[rows.start * width..rows.end * width].chunks_exact(width) {
            sums.iter_mut()
                .zip(row)
                .for_each(|(sum, &value)| *sum += f64::from(value));
        }
        let count = rows.len().max(1) as f64;
        target
            .iter_mut()
            .zip(sums)
            .for_each(|(target, sum)| *target = (sum / count) as f32);
    });
    output
}

/// The gradient of [`mean`], spread over the rows.
pub(in crate::engine) fn mean_backward(
    sequences: &[Range<usize>],
    gradient: &[f32],
    rows: usize,
    width: usize,
) -> Vec<f32> {
    let mut output = vec![0.0; rows * width];
    for (rows, gradient) in sequences.iter().zip(gradient.chunks_exact(width.max(1))) {
        let share = 1.0 / rows.len().max(1) as f32;
        for target in output[rows.start * width..rows.end * width].chunks_exact_mut(width) {
            let pairs = target.iter_mut().zip(gradient);
            pairs.for_each(|(target, value)| *target = value * share);
        }
    }
    output
}

/// Maximum over the rows of each sequence, `[batch, width]`, and the row that it is from, the first of equal ones. A
/// sequence without rows has zeros, and no row.
pub(in crate::engine) fn max(
    sequences: &[Range<usize>],
    input: &[f32],
    width: usize,
) -> (Vec<f32>, Vec<Option<usize>>) {
    let (mut output, mut from) = (
        vec![0.0; sequences.len() * width],
        vec![None; sequences.len() * width],
    );
    let targets = output.par_chunks_exact_mut(width.max(1));
    let targets = targets
        .zip(from.par_chunks_exact_mut(width.max(1)))
        .zip(sequences);
    targets.for_each(|((target, from), rows)| {
        for row in rows.clone() {
            for (column, &value) in input[row * width..][..width].iter().enumerate() {
                // A NaN is taken, and then stays.
                if from[column].is_none() || value > target[column] || value.is_nan() {
                    (target[column], from[column]) = (value, Some(row));
                }
            }
        }
    });
    (output, from)
}

/// The gradient of [`max`], each at the row that its maximum is from.
pub(in crate::engine) fn max_backward(
    from: &[Option<usize>],
    gradient: &[f32],
    rows: usize,
    width: usize,
) -> Vec<f32> {
    let mut output = vec![0.0; rows * width];
    for (place, (from, gradient)) in from.iter().zip(gradient).enumerate() {
        if let Some(row) = from {
            output[row * width + place % width] += gradient;
        }
    }
    output
}
