//! Attention between the rows of each sequence.
//!
//! A sequence is one task, and its shares, `[length, length]` of each head, are computed again in the backward pass: of
//! all sequences and heads they would be the largest thing in memory.

use std::ops::Range;

use pulp::Arch;
use rayon::prelude::*;

use super::activation::exp;
use super::lanes;
use super::raw::{Matrix, MatrixMut};

/// Rows of `width` features in heads of equal size.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct AttentionSize {
    pub(in crate::engine) width: usize,
    pub(in crate::engine) heads: usize,
}

impl AttentionSize {
    /// Features of a head.
    fn share(&self) -> usize {
        self.width / self.heads
    }

    /// By how much a head's scores are divided, so that they do not grow with its features.
    fn scale(&self) -> f32 {
        1.0 / (self.share() as f32).sqrt()
    }

    /// One head of some rows.
    fn head<'a>(&self, rows: &'a [f32], head: usize) -> Matrix<'a> {
        let first = (head * self.share()).min(rows.len());
        Matrix::rows(&rows[first..], rows.len() / self.width, self.share(), self.width)
    }

    /// All heads of some rows, to be written.
    fn heads_mut<'a>(&self, rows: &'a mut [f32]) -> Vec<MatrixMut<'a>> {
        let length = rows.len() / self.width;
        MatrixMut::new(rows, length, self.width).split_columns(self.share())
    }
}

/// Divides rows into those of each sequence, of which some may have none.
pub(super) fn split<'a>(
    sequences: &[Range<usize>],
    mut rows: &'a mut [f32],
    width: usize,
) -> Vec<&'a mut [f32]> {
    let parts = sequences.iter().map(|sequence| {
        let (part, rest) = std::mem::take(&mut rows).split_at_mut(sequence.len() * width);
        rows = rest;
        part
    });
    parts.collect()
}

/// What each row takes from each, `softmax(Q Kᵀ · scale)`.
fn shares(size: &AttentionSize, query: Matrix<'_>, key: Matrix<'_>, length: usize, shares: &mut Vec<f32>) {
    shares.clear();
    shares.resize(length * length, 0.0);
    MatrixMut::new(shares, length, length).product(query, key.transposed(), false);
    let scale = size.scale();
    Arch::new().dispatch(|| {
        for row in shares.chunks_exact_mut(length) {
            let largest = lanes::max(row);
            for value in row.iter_mut() {
                *value = exp((*value - largest) * scale);
            }
            let share = 1.0 / lanes::sum(length, |i| row[i]);
            row.iter_mut().for_each(|value| *value *= share);
        }
    });
}

/// `softmax(Q Kᵀ / √share) V` of each head, between the rows of each sequence.
pub(in crate::engine) fn forward(
    size: &AttentionSize,
    sequences: &[Range<usize>],
    [query, key, value]: [&[f32]; 3],
) -> Vec<f32> {
    let mut output = vec![0.0; query.len()];
    let tasks = split(sequences, &mut output, size.width)
        .into_par_iter()
        .zip(sequences);
    tasks.for_each_init(Vec::new, |scratch, (output, rows)| {
        if rows.is_empty() {
            return;
        }
        let place = rows.start * size.width..rows.end * size.width;
        let [query, key, value] = [query, key, value].map(|values| &values[place.clone()]);
        for (head, mut output) in size.heads_mut(output).into_iter().enumerate() {
            shares(
                size,
                size.head(query, head),
                size.head(key, head),
                rows.len(),
                scratch,
            );
            let shares = Matrix::rows(scratch, rows.len(), rows.len(), rows.len());
            output.product(shares, size.head(value, head), false);
        }
    });
    output
}

/// The gradients of query, key and value.
pub(in crate::engine) fn backward(
    size: &AttentionSize,
    sequences: &[Range<usize>],
    [query, key, value]: [&[f32]; 3],
    gradient: &[f32],
) -> [Vec<f32>; 3] {
    let mut outputs: [Vec<f32>; 3] = std::array::from_fn(|_| vec![0.0; query.len()]);
    let [of_query, of_key, of_value] = &mut outputs;
    let parts = [of_query, of_key, of_value].map(|rows| split(sequences, rows, size.width));
    let [of_query, of_key, of_value] = parts;
    let tasks = of_query.into_par_iter().zip(of_key).zip(of_value).zip(sequences);
    tasks.for_each_init(
        <(Vec<f32>, Vec<f32>)>::default,
        |scratch, (((of_query, of_key), of_value), rows)| {
            let length = rows.len();
            if length == 0 {
                return;
            }
            let place = rows.start * size.width..rows.end * size.width;
            let [query, key, value, gradient] =
                [query, key, value, gradient].map(|values| &values[place.clone()]);
            let targets = size.heads_mut(of_query).into_iter().zip(size.heads_mut(of_key));
            let targets = targets.zip(size.heads_mut(of_value)).enumerate();
            for (head, ((mut of_query, mut of_key), mut of_value)) in targets {
                let [query, key, value, gradient] =
                    [query, key, value, gradient].map(|values| size.head(values, head));
                let (taken, of_scores) = &mut *scratch;
                shares(size, query, key, length, taken);
                of_value.product(
                    Matrix::rows(taken, length, length, length).transposed(),
                    gradient,
                    false,
                );
                of_scores.clear();
                of_scores.resize(length * length, 0.0);
                MatrixMut::new(of_scores, length, length).product(gradient, value.transposed(), false);
                softmax_backward(taken, of_scores, length, size.scale());
                let of_scores = Matrix::rows(of_scores, length, length, length);
                of_query.product(of_scores, key, false);
                of_key.product(of_scores.transposed(), query, false);
            }
        },
    );
    outputs
}

/// Turns the gradient of each row of shares into that of its scores.
fn softmax_backward(shares: &[f32], gradient: &mut [f32], length: usize, scale: f32) {
    Arch::new().dispatch(|| {
        for (gradient, shares) in gradient.chunks_exact_mut(length).zip(shares.chunks_exact(length)) {
            let mean = lanes::sum(length, |i| gradient[i] * shares[i]);
            for (gradient, &share) in gradient.iter_mut().zip(shares) {
                *gradient = share * (*gradient - mean) * scale;
            }
        }
    });
}
