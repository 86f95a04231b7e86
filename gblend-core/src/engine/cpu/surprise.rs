//! How surprising the right one of a row is, in one pass over the row each way: no matrix of logarithms, shares or masks is written.

use rayon::prelude::*;

use super::{activation, lanes};
use crate::engine::surprise::Candidates;

/// What the backward pass needs of a row beside the row.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct RowScale {
    largest: f32,
    /// One over the sum of the exponentials, the largest taken out.
    share: f32,
}

/// Values of which a sum is taken in 32 bits, before it is added to the sum of the row in 64.
const RUN: usize = 256;

/// A row without what is no candidate in it.
fn copy(row: &[f32], number: usize, candidates: &Candidates, copied: &mut Vec<f32>) {
    copied.clear();
    copied.extend_from_slice(row);
    candidates.each_left_out(number, row.len(), |place| copied[place] = f32::NEG_INFINITY);
}

/// `−log softmax(row)[right]` of each row `[width]`.
pub(in crate::engine) fn forward(
    values: &[f32],
    width: usize,
    candidates: &Candidates,
) -> (Vec<f32>, Vec<RowScale>) {
    let rows = values.par_chunks_exact(width.max(1)).enumerate();
    let each = rows.map_init(Vec::new, |copied, (number, row)| {
        copy(row, number, candidates, copied);
        surprise(copied, candidates.right(number))
    });
    each.unzip()
}

vectorized! {
    /// Of one row, in which what is no candidate is −∞.
    fn surprise<'a>(row: &'a [f32], right: usize) -> (f32, RowScale) {
        let largest = lanes::max(row);
        let mut sum = 0.0_f64;
        for run in row.chunks(RUN) {
            sum += f64::from(lanes::sum(run.len(), |place| {
                let value = run[place];
                // The exponential of what is left out is not quite 0.
                let counts = if value == f32::NEG_INFINITY { 0.0 } else { 1.0 };
                counts * activation::exp(value - largest)
            }));
        }
        let right = row.get(right).copied().unwrap_or(f32::NAN);
        let surprise = sum.ln() - (f64::from(right) - f64::from(largest));
        let share = (1.0 / sum) as f32;
        (surprise as f32, RowScale { largest, share })
    }
}

vectorized! {
    /// `factor · e^(row − largest)`.
    fn slopes_of_row<'a>(slopes: &'a mut [f32], row: &'a [f32], factor: f32, largest: f32) {
        for (slope, &value) in slopes.iter_mut().zip(row) {
            *slope = factor * activation::exp(value - largest);
        }
    }
}

/// The gradient of the rows from that of each one's surprise.
pub(in crate::engine) fn backward(
    gradient: &[f32],
    values: &[f32],
    width: usize,
    scales: &[RowScale],
    candidates: &Candidates,
) -> Vec<f32> {
    let mut slopes = vec![0.0; values.len()];
    let rows = slopes
        .par_chunks_exact_mut(width.max(1))
        .zip(values.par_chunks_exact(width.max(1)));
    rows.zip(gradient)
        .zip(scales)
        .enumerate()
        .for_each(|(number, (((slopes, row), &gradient), scale))| {
            slopes_of_row(slopes, row, gradient * scale.share, scale.largest);
            candidates.each_left_out(number, width, |place| slopes[place] = 0.0);
            if let Some(right) = slopes.get_mut(candidates.right(number)) {
                *right -= gradient;
            }
        });
    slopes
}
