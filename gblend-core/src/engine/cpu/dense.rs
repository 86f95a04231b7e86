//! Fully connected layers on rows `[batch, features]`.
//!
//! More rows than a batch of vectors has, such as the steps of sequences, are divided into tasks by their number alone.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::lanes::LANES;
use super::raw::{Matrix, MatrixMut};
use super::tiles::{self, Left, Whole};

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

/// Rows up to which weights are read so few times that a copy of them would not pay.
const THIN: usize = 32;

impl DenseSize {
    fn is_thin(&self) -> bool {
        self.batch <= THIN && self.inputs > 0
    }
}

struct ThinForward<'a, 'b> {
    input: Matrix<'a>,
    weight: Matrix<'a>,
    bias: Option<&'a [f32]>,
    target: &'a mut MatrixMut<'b>,
}

impl WithSimd for ThinForward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        tiles::inner_products(simd, self.input, self.weight, self.bias, self.target);
    }
}

struct Thin<'a, 'b> {
    left: Left<'a>,
    right: Whole<'a>,
    /// Of the sums, and whether they are added to what is there.
    depth: (usize, bool),
    target: &'a mut MatrixMut<'b>,
}

impl WithSimd for Thin<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        tiles::product(simd, self.left, self.right, self.depth, self.target);
    }
}

/// `output[n, o] = bias[o] + Σ input[n, i] · weight[o, i]`.
pub(in crate::engine) fn forward(
    size: &DenseSize,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let mut output = vec![0.0; size.batch * size.outputs];
    if size.is_thin() {
        let blocks = MatrixMut::new(&mut output, size.batch, size.outputs).split_columns(OUTPUTS);
        let blocks = blocks.into_par_iter().enumerate();
        blocks.for_each(|(number, mut target)| {
            let first = number * OUTPUTS;
            let weights = &weight[first * size.inputs..];
            Arch::new().dispatch(ThinForward {
                input: Matrix::rows(input, size.batch, size.inputs, size.inputs),
                weight: Matrix::rows(weights, target.columns(), size.inputs, size.inputs),
                bias: bias.map(|bias| &bias[first..]),
                target: &mut target,
            });
        });
        return output;
    }
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
        MatrixMut::new(output, rows, size.outputs).product(input, weight, bias.is_some());
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
    if size.is_thin() && size.inputs.is_multiple_of(LANES) {
        let blocks = gradient.par_chunks_mut((OUTPUTS * size.inputs).max(1));
        blocks.enumerate().for_each(|(number, gradient)| {
            let (first, count) = (number * OUTPUTS, gradient.len() / size.inputs);
            let left = Whole {
                values: &output_gradient[first..],
                stride: size.outputs,
            };
            let right = Whole {
                values: input,
                stride: size.inputs,
            };
            Arch::new().dispatch(Thin {
                left: Left::Columns(left),
                right,
                depth: (size.batch, true),
                target: &mut MatrixMut::new(gradient, count, size.inputs),
            });
        });
        return;
    }
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
    if size.is_thin() && size.inputs.is_multiple_of(LANES) {
        let blocks = MatrixMut::new(&mut gradient, size.batch, size.inputs).split_columns(2 * OUTPUTS);
        let blocks = blocks.into_par_iter().enumerate();
        blocks.for_each(|(number, mut target)| {
            let left = Matrix::rows(output_gradient, size.batch, size.outputs, size.outputs);
            let right = Whole {
                values: &weight[(number * 2 * OUTPUTS).min(weight.len())..],
                stride: size.inputs,
            };
            Arch::new().dispatch(Thin {
                left: Left::Rows(left),
                right,
                depth: (size.outputs, false),
                target: &mut target,
            });
        });
        return gradient;
    }
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
