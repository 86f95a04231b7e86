//! Fully connected layers on rows `[batch, features]`.
//!
//! A few rows are multiplied with the weights as they lie. For more of them, up to the steps of sequences, there is a general product, which
//! copies its operands in the order that it needs: weights are turned for it once, since it would turn them value by value, in every task.
//! How a product is divided into tasks depends on its sizes alone.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::lanes::LANES;
use super::raw::{Matrix, MatrixMut};
use super::tiles::{self, Left, Whole};
use super::transpose::transposed;

/// Rows of one task, at most.
const ROWS: usize = 256;

/// Tasks for the threads to share, where there is work for them.
const TASKS: usize = 8;

/// Multiplications that are worth a task.
const WORK: usize = 1 << 18;

/// Columns of a task are a multiple of this: four vectors of the widest instruction set, as many as a tile of the product has.
const COLUMNS: usize = 64;

/// Rows whose sums in `f32` are exact to the last digits.
const FEWER_ROWS: usize = 64;

/// Outputs whose weights one task computes the gradients of.
const OUTPUTS: usize = 32;

/// The same of many rows where there are outputs for several such tasks: each copies all inputs in the order of its product.
const MORE_OUTPUTS: usize = 128;

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
    let weights = transposed(weight, size.outputs, size.inputs);
    let input = Matrix::rows(input, size.batch, size.inputs, size.inputs);
    let weights = Matrix::rows(&weights, size.inputs, size.outputs, size.outputs);
    let target = MatrixMut::new(&mut output, size.batch, size.outputs);
    multiply(input, weights, bias.is_some(), target);
    output
}

/// `target = left · right`, or `target += left · right`, by all threads.
fn multiply(left: Matrix<'_>, right: Matrix<'_>, accumulate: bool, target: MatrixMut<'_>) {
    let (rows, columns) = (target.rows(), target.columns());
    // Tasks of fewer columns where there are few rows.
    let worth = (rows * left.width() * columns).div_ceil(WORK);
    let across = worth.min(TASKS).div_ceil(rows.div_ceil(ROWS).max(1));
    let width = columns.div_ceil(across.max(1)).next_multiple_of(COLUMNS);
    let parts = target.split_columns(width).into_iter().enumerate();
    let blocks = parts.flat_map(|(number, part)| {
        let first = number * width;
        let right = right.columns_part(first..first + part.columns());
        let parts = part.split_into_rows(ROWS).into_iter().enumerate();
        parts.map(move |(block, part)| (block * ROWS, right, part))
    });
    let blocks: Vec<_> = blocks.collect();
    blocks.into_par_iter().for_each(|(row, right, mut target)| {
        let left = left.part(row..row + target.rows());
        target.product(left, right, accumulate);
    });
}

/// `gradient[o, i] += Σ output_gradient[n, o] · input[n, i]`.
pub(in crate::engine) fn weight_gradient(
    size: &DenseSize,
    output_gradient: &[f32],
    input: &[f32],
    gradient: &mut [f32],
) {
    if size.batch == 0 {
        return;
    }
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
            let mut target = MatrixMut::new(gradient, count, size.inputs);
            tiles::dispatched(Left::Columns(left), right, (size.batch, true), &mut target);
        });
        return;
    }
    let right = Matrix::rows(input, size.batch, size.inputs, size.inputs);
    let many = size.batch > ROWS && size.outputs >= 4 * MORE_OUTPUTS;
    let outputs = if many { MORE_OUTPUTS } else { OUTPUTS };
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
            tiles::dispatched(Left::Rows(left), right, (size.outputs, false), &mut target);
        });
        return gradient;
    }
    let left = Matrix::rows(output_gradient, size.batch, size.outputs, size.outputs);
    let right = Matrix::rows(weight, size.outputs, size.inputs, size.inputs);
    let target = MatrixMut::new(&mut gradient, size.batch, size.inputs);
    multiply(left, right, false, target);
    gradient
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::whole_numbers::values;
    use super::*;
    use proptest::prelude::*;

    fn all_passes(
        size: &DenseSize,
        [input, weight, bias, gradient]: [&[f32]; 4],
        with_bias: bool,
    ) -> [Vec<f32>; 4] {
        let output = forward(size, input, weight, with_bias.then_some(bias));
        let (mut of_weight, mut of_bias) = (values(weight.len(), 5), values(bias.len(), 6));
        weight_gradient(size, gradient, input, &mut of_weight);
        bias_gradient(size, gradient, &mut of_bias);
        [output, of_weight, of_bias, input_gradient(size, gradient, weight)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn all_passes_are_sums_over_rows_and_features_at_any_number_of_threads(
            batch in prop_oneof![0_usize..70, 250_usize..530], inputs in prop_oneof![0_usize..70, Just(96_usize)],
            outputs in prop_oneof![1_usize..70, Just(128_usize), 510_usize..515], with_bias: bool,
        ) {
            let size = DenseSize { batch, inputs, outputs };
            let operands = [values(batch * inputs, 1), values(outputs * inputs, 2), values(outputs, 3), values(batch * outputs, 4)];
            let [input, weight, bias, gradient] = &operands;
            let mut output: Vec<f32> = (0..batch * outputs).map(|at| if with_bias { bias[at % outputs] } else { 0.0 }).collect();
            let (mut of_weight, mut of_bias, mut of_input) = (values(weight.len(), 5), values(outputs, 6), vec![0.0; input.len()]);
            for (n, o) in (0..batch).flat_map(|n| (0..outputs).map(move |o| (n, o))) {
                let from = gradient[n * outputs + o];
                of_bias[o] += from;
                for i in 0..inputs {
                    output[n * outputs + o] += input[n * inputs + i] * weight[o * inputs + i];
                    of_weight[o * inputs + i] += from * input[n * inputs + i];
                    of_input[n * inputs + i] += from * weight[o * inputs + i];
                }
            }
            let expected = [output, of_weight, of_bias, of_input];
            for threads in [1, 4] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let found = pool.install(|| all_passes(&size, operands.each_ref().map(Vec::as_slice), with_bias));
                prop_assert_eq!(&found, &expected, "{} threads", threads);
            }
        }
    }
}
