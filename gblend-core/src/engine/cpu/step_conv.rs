//! Convolution of rows over windows of rows.
//!
//! The rows under some windows are copied side by side, so that a product with the weights, `[outputs, taps × inputs]`,
//! is the convolution there. As many windows are taken at once as the second-level cache holds.

use rayon::prelude::*;

use super::gather::copy;
use super::raw::{Matrix, MatrixMut};
use crate::engine::row_sources::RowSources;

/// Elements of the windows that are copied at once: half a megabyte.
const CHUNK: usize = 131_072;

/// Parts that the gradient of the weights is computed in, at most, and windows of the smallest one. Fixed, so that the
/// sums are the same at any number of threads.
const PARTS: (usize, usize) = (8, 256);

/// A convolution over windows of `taps` rows.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct StepConvSize {
    pub(in crate::engine) taps: usize,
    pub(in crate::engine) inputs: usize,
    pub(in crate::engine) outputs: usize,
}

impl StepConvSize {
    /// Columns of the weight matrix.
    fn depth(&self) -> usize {
        self.taps * self.inputs
    }

    /// Windows that are taken at once.
    fn rows(&self) -> usize {
        (CHUNK / self.depth().max(1)).clamp(16, 1024)
    }
}

/// `output[n, o] = bias[o] + Σ weight[o, tap, i] · input[row under tap of window n, i]`.
pub(in crate::engine) fn forward(
    size: &StepConvSize,
    windows: &RowSources,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let count = windows.len() / size.taps;
    let mut output = vec![0.0; count * size.outputs];
    let rows = size.rows();
    let blocks = output.par_chunks_mut((rows * size.outputs).max(1)).enumerate();
    blocks.for_each_init(Vec::new, |scratch, (number, block)| {
        let length = block.len() / size.outputs;
        let columns = columns(size, windows, number * rows, length, input, scratch);
        if let Some(bias) = bias {
            let targets = block.chunks_exact_mut(size.outputs);
            targets.for_each(|target| target.copy_from_slice(bias));
        }
        let weight = Matrix::rows(weight, size.outputs, size.depth(), size.depth());
        MatrixMut::new(block, length, size.outputs).product(columns, weight.transposed(), bias.is_some());
    });
    output
}

/// The rows under `length` windows, `[length, taps × inputs]`.
fn columns<'a>(
    size: &StepConvSize,
    windows: &RowSources,
    first: usize,
    length: usize,
    input: &[f32],
    scratch: &'a mut Vec<f32>,
) -> Matrix<'a> {
    scratch.resize(size.rows() * size.depth(), 0.0);
    let sources = windows.slice(first * size.taps..(first + length) * size.taps);
    copy(sources, input, size.inputs, &mut scratch[..length * size.depth()]);
    Matrix::rows(scratch, length, size.depth(), size.depth())
}

/// `gradient[o, tap, i] += Σ output_gradient[n, o] · input[row under tap of window n, i]`.
pub(in crate::engine) fn weight_gradient(
    size: &StepConvSize,
    windows: &RowSources,
    output_gradient: &[f32],
    input: &[f32],
    gradient: &mut [f32],
) {
    let count = windows.len() / size.taps;
    let part = count.div_ceil(PARTS.0).max(PARTS.1);
    let sums: Vec<Vec<f32>> = output_gradient
        .par_chunks((part * size.outputs).max(1))
        .enumerate()
        .map(|(number, part_gradient)| {
            let mut sum = vec![0.0; size.outputs * size.depth()];
            let mut scratch = Vec::new();
            for (block, gradient) in part_gradient.chunks(size.rows() * size.outputs).enumerate() {
                let length = gradient.len() / size.outputs;
                let first = number * part + block * size.rows();
                let columns = columns(size, windows, first, length, input, &mut scratch);
                let left = Matrix::rows(gradient, length, size.outputs, size.outputs).transposed();
                MatrixMut::new(&mut sum, size.outputs, size.depth()).product(left, columns, true);
            }
            sum
        })
        .collect();
    for sum in sums {
        gradient
            .iter_mut()
            .zip(sum)
            .for_each(|(gradient, value)| *gradient += value);
    }
}

/// The gradient of the input: a convolution of the output's, over the windows that each row is read in.
pub(in crate::engine) fn input_gradient(
    size: &StepConvSize,
    windows: &RowSources,
    output_gradient: &[f32],
    weight: &[f32],
) -> Vec<f32> {
    let count = windows.len() / size.taps;
    // Under one tap no two windows have the same row.
    let mut readers = vec![None; windows.rows() * size.taps];
    for (place, source) in windows.sources().enumerate() {
        if let Some(row) = source {
            readers[row * size.taps + place % size.taps] = Some(place / size.taps);
        }
    }
    let readers = RowSources::counted(readers, count);
    let turned = StepConvSize {
        taps: size.taps,
        inputs: size.outputs,
        outputs: size.inputs,
    };
    let mut weights = vec![0.0; weight.len()];
    for (o, of_output) in weight.chunks_exact(size.depth().max(1)).enumerate() {
        for (tap, of_tap) in of_output.chunks_exact(size.inputs.max(1)).enumerate() {
            for (i, &value) in of_tap.iter().enumerate() {
                weights[i * turned.depth() + tap * size.outputs + o] = value;
            }
        }
    }
    forward(&turned, &readers, output_gradient, &weights, None)
}
