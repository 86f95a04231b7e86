//! Convolution of rows over windows of rows.
//!
//! Rows that are long enough are read as they lie, see [`whole_steps`]. Short ones under some windows are copied side by side, so
//! that a product with the weights, `[outputs, taps × inputs]`, is the convolution there. As many windows are taken at once as the
//! second-level cache holds.

use rayon::prelude::*;

use super::gather::copy;
use super::raw::{Matrix, MatrixMut};
use super::step_conv_size::{StepConvSize, add_parts, windows_of_part};
use super::whole_steps;
use crate::engine::row_sources::RowSources;

/// `output[n, o] = bias[o] + Σ weight[o, tap, i] · input[row under tap of window n, i]`.
pub(in crate::engine) fn forward(
    size: &StepConvSize,
    windows: &RowSources,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    if whole_steps::fits(size) {
        return whole_steps::forward(size, windows, input, weight, bias);
    }
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
    if whole_steps::fits(size) {
        return whole_steps::weight_gradient(size, windows, output_gradient, input, gradient);
    }
    let count = windows.len() / size.taps;
    let part = windows_of_part(count);
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
    add_parts(sums, gradient);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::whole_numbers::values;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn all_passes_are_sums_over_windows(
            sequences in 1_usize..4, steps in 1_usize..80, taps in 1_usize..5, stride in 1_usize..4, dilation in 1_usize..3,
            padding in 0_usize..4, inputs in prop_oneof![1_usize..9, Just(32_usize), Just(48), Just(80)],
            outputs in prop_oneof![1_usize..40, Just(64_usize)], bias: bool,
        ) {
            let reach = (taps - 1) * dilation + 1;
            prop_assume!(steps + 2 * padding >= reach);
            let per_sequence = (steps + 2 * padding - reach) / stride + 1;
            let row = |place: usize| {
                let (window, tap) = (place / taps, place % taps);
                let (sequence, window) = (window / per_sequence, window % per_sequence);
                let step = (window * stride + tap * dilation).checked_sub(padding).filter(|step| *step < steps)?;
                Some(sequence * steps + step)
            };
            let (count, rows) = (sequences * per_sequence, sequences * steps);
            let windows = RowSources::new((0..count * taps).map(row), rows).unwrap();
            let size = StepConvSize { taps, inputs, outputs };
            let (input, weight) = (values(rows * inputs, 1), values(outputs * size.depth(), 2));
            let (gradient, biases) = (values(count * outputs, 3), values(outputs, 4));
            let bias = bias.then_some(&biases[..]);
            let mut output: Vec<f32> = (0..count * outputs).map(|at| bias.map_or(0.0, |bias| bias[at % outputs])).collect();
            let mut weights = values(weight.len(), 5);
            let mut added_weights = weights.clone();
            let mut inputs_gradient = vec![0.0; input.len()];
            for (window, tap) in (0..count).flat_map(|window| (0..taps).map(move |tap| (window, tap))) {
                let Some(row) = row(window * taps + tap) else { continue };
                for (o, i) in (0..outputs).flat_map(|o| (0..inputs).map(move |i| (o, i))) {
                    let w = o * size.depth() + tap * inputs + i;
                    output[window * outputs + o] += weight[w] * input[row * inputs + i];
                    weights[w] += gradient[window * outputs + o] * input[row * inputs + i];
                    inputs_gradient[row * inputs + i] += gradient[window * outputs + o] * weight[w];
                }
            }
            prop_assert_eq!(forward(&size, &windows, &input, &weight, bias), output);
            weight_gradient(&size, &windows, &gradient, &input, &mut added_weights);
            prop_assert_eq!(added_weights, weights);
            prop_assert_eq!(input_gradient(&size, &windows, &gradient, &weight), inputs_gradient);
        }
    }
}
