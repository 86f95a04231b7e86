//! Fully connected layers on rows `[batch, features]`.
//!
//! More rows than a batch of vectors has, such as the steps of sequences, are divided into tasks by their number alone.

use rayon::prelude::*;

use super::raw::{Matrix, MatrixMut};

/// Rows of one task.
const ROWS: usize = 256;

/// Rows whose sums in `f32` are exact to the last digits.
const FEWER_ROWS: usize = 64;

/// Outputs whose weights one task computes the gradients of, where there are more rows than that.
const OUTPUTS: usize = 32;

/// Sizes of a fully connected layer.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct DenseSize {
    pub(in crate::engine) batch: usize,
    pub(in crate::engine) inputs: usize,
    pub(in crate::engine) outputs: usize,
}

/// `output[n, o] = bias[o] + Σ input[n, i] · weight[o, i]`.
pub(in crate::engine) fn forward(
    size: &DenseSize,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let mut output = vec![0.0; size.batch * size.outputs];
    if let Some(bias) = bias {
        for row in output.chunks_exact_mut(size.outputs.max(1)) {
            row.copy_from_slice(bias);
        }
    }
    let weight = Matrix::rows(weight, size.outputs, size.inputs, size.inputs).transposed();
    let blocks = output.par_chunks_mut((ROWS * size.outputs).max(1));
    let blocks = blocks.zip(input.par_chunks((ROWS * size.inputs).max(1)));
    blocks.for_each(|(output, input)| {
        let rows = output.len() / size.outputs;
        let input = Matrix::rows(input, rows, size.inputs, size.inputs);
        MatrixMut::new(output, rows, size.outputs).product(input, weight, true);
    });
    output
}

/// `gradient[o, i] += Σ output_gradient[n, o] · input[n, i]`.
pub(in crate::engine) fn weight_gradient(
    size: &DenseSize,
    output_gradient: &[f32],
    input: &[f32],
    gradient: &mut [f32],
) {
    let right = Matrix::rows(input, size.batch, size.inputs, size.inputs);
    let outputs = if size.batch > ROWS { OUTPUTS } else { size.outputs };
    let blocks = gradient.par_chunks_mut((outputs * size.inputs).max(1));
    blocks.enumerate().for_each(|(number, gradient)| {
        let first = (number * outputs).min(output_gradient.len());
        let count = gradient.len() / size.inputs;
        let left = Matrix::rows(&output_gradient[first..], size.batch, count, size.outputs);
        MatrixMut::new(gradient, count, size.inputs).product(left.transposed(), right, true);
    });
}

/// `gradient[o] += Σ output_gradient[n, o]`.
pub(in crate::engine) fn bias_gradient(size: &DenseSize, output_gradient: &[f32], gradient: &mut [f32]) {
    let blocks = output_gradient.par_chunks((FEWER_ROWS * size.outputs).max(1));
    let sums: Vec<Vec<f32>> = blocks.map(|block| sum_rows(block, size.outputs)).collect();
    let mut all = vec![0.0_f64; size.outputs];
    for sums in sums {
        let pairs = all.iter_mut().zip(sums);
        pairs.for_each(|(all, sum)| *all += f64::from(sum));
    }
    for (gradient, sum) in gradient.iter_mut().zip(all) {
        *gradient += sum as f32;
    }
}

vectorized! {
    fn sum_rows<'a>(rows: &'a [f32], width: usize) -> Vec<f32> {
        let mut sums = vec![0.0; width];
        for row in rows.chunks_exact(width.max(1)) {
            let pairs = sums.iter_mut().zip(row);
            pairs.for_each(|(sum, &value)| *sum += value);
        }
        sums
    }
}

/// `Σ output_gradient[n, o] · weight[o, i]` at `[n, i]`.
pub(in crate::engine) fn input_gradient(
    size: &DenseSize,
    output_gradient: &[f32],
    weight: &[f32],
) -> Vec<f32> {
    let mut gradient = vec![0.0; size.batch * size.inputs];
    let right = Matrix::rows(weight, size.outputs, size.inputs, size.inputs);
    let blocks = gradient.par_chunks_mut((ROWS * size.inputs).max(1));
    let blocks = blocks.zip(output_gradient.par_chunks((ROWS * size.outputs).max(1)));
    blocks.for_each(|(gradient, output_gradient)| {
        let rows = gradient.len() / size.inputs;
        let left = Matrix::rows(output_gradient, rows, size.outputs, size.outputs);
        MatrixMut::new(gradient, rows, size.inputs).product(left, right, false);
    });
    gradient
}
