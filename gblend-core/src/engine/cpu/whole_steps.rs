//! Convolution of rows over windows of rows that lie at one distance from each other, without copies of them.
//!
//! The rows under windows that follow each other are a matrix as they lie, whose rows may overlap, and so are the outputs. Its
//! product with the weights of their taps is added: of all taps at once, but at the edges and where the stride tears them apart.

use rayon::prelude::*;

use super::lanes::LANES;
use super::raw::{Matrix, MatrixMut};
use super::step_conv_size::{StepConvSize, add_parts, windows_of_part};
use super::tiles::{self, Left, Whole};
use super::transpose::transpose;
use super::window_runs::{WindowRun, window_runs};
use crate::engine::row_sources::RowSources;

/// Windows of one task.
const WINDOWS: usize = 256;

/// Outputs that are computed together: two vectors of the widest instruction set, whose weights under a tap a first-level cache holds.
const OUTPUTS: usize = 2 * LANES;

/// Windows of a run whose products are added at once to the gradient of weights: of their rows a tile reads 32 kilobytes, a first-level
/// cache.
const SHORT: usize = 256;

/// Whether rows are long enough that sums over one tap at a time fill registers for a while, and whole vectors.
pub(super) fn fits(size: &StepConvSize) -> bool {
    size.inputs >= OUTPUTS && size.inputs.is_multiple_of(LANES)
}

/// Weights `[outputs, taps, inputs]` as `[outputs / OUTPUTS, taps × inputs, OUTPUTS]`, with what repeats the last output behind it.
fn turned(size: &StepConvSize, weight: &[f32]) -> Vec<f32> {
    let (depth, blocks) = (size.depth(), size.outputs.div_ceil(OUTPUTS));
    let mut turned = vec![0.0; blocks * depth * OUTPUTS];
    let targets = turned.par_chunks_mut((depth * OUTPUTS).max(1));
    let weights = weight.par_chunks((depth * OUTPUTS).max(1));
    targets.zip(weights).for_each(|(target, weight)| {
        let lines: Vec<&[f32]> = weight.chunks_exact(depth).collect();
        transpose(&lines, OUTPUTS, target);
    });
    turned
}

/// As [`step_conv::forward`](super::step_conv::forward).
pub(super) fn forward(
    size: &StepConvSize,
    windows: &RowSources,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let (count, outputs) = (windows.len() / size.taps, size.outputs);
    let weights = turned(size, weight);
    let mut output = vec![0.0; count * outputs];
    let blocks = output.par_chunks_mut((WINDOWS * outputs).max(1)).enumerate();
    blocks.for_each(|(number, block)| {
        if let Some(bias) = bias {
            let targets = block.chunks_exact_mut(outputs);
            targets.for_each(|target| target.copy_from_slice(bias));
        }
        let first = number * WINDOWS;
        let range = first..first + block.len() / outputs;
        let runs = window_runs(windows, size.taps, range, WINDOWS);
        for (column, weights) in (0..outputs)
            .step_by(OUTPUTS)
            .zip(weights.chunks_exact(size.depth() * OUTPUTS))
        {
            for run in &runs {
                let target = &mut block[(run.window - first) * outputs + column..];
                let width = OUTPUTS.min(outputs - column);
                let mut target = MatrixMut::strided(target, run.length, width, run.window_step * outputs);
                let left = Left::Rows(size.rows_of(run, input));
                let right = Whole {
                    values: &weights[run.tap * size.inputs * OUTPUTS..],
                    stride: OUTPUTS,
                };
                tiles::dispatched(left, right, (run.taps * size.inputs, true), &mut target);
            }
        }
    });
    output
}

impl StepConvSize {
    /// The rows under the windows of a run, `[windows, taps × inputs]`.
    fn rows_of<'a>(&self, run: &WindowRun, input: &'a [f32]) -> Matrix<'a> {
        let (rows, width) = (&input[run.row * self.inputs..], run.taps * self.inputs);
        Matrix::rows(rows, run.length, width, run.row_step * self.inputs)
    }
}

/// As [`step_conv::weight_gradient`](super::step_conv::weight_gradient).
pub(super) fn weight_gradient(
    size: &StepConvSize,
    windows: &RowSources,
    output_gradient: &[f32],
    input: &[f32],
    gradient: &mut [f32],
) {
    let count = windows.len() / size.taps;
    let part = windows_of_part(count);
    let starts: Vec<usize> = (0..count).step_by(part).collect();
    let sums: Vec<Vec<f32>> = starts
        .into_par_iter()
        .map(|first| {
            let mut sum = vec![0.0; size.outputs * size.depth()];
            let range = first..count.min(first + part);
            for run in window_runs(windows, size.taps, range, SHORT) {
                let target = &mut sum[run.tap * size.inputs..];
                let width = run.taps * size.inputs;
                let mut target = MatrixMut::strided(target, size.outputs, width, size.depth());
                let left = Left::Columns(Whole {
                    values: &output_gradient[run.window * size.outputs..],
                    stride: run.window_step * size.outputs,
                });
                let right = Whole {
                    values: &input[run.row * size.inputs..],
                    stride: run.row_step * size.inputs,
                };
                tiles::dispatched(left, right, (run.length, true), &mut target);
            }
            sum
        })
        .collect();
    add_parts(sums, gradient);
}
