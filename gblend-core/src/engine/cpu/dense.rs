//! Fully connected layers on rows `[batch, features]`.

use super::raw::{Matrix, MatrixMut};

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
    let input = Matrix::rows(input, size.batch, size.inputs, size.inputs);
    let weight = Matrix::rows(weight, size.outputs, size.inputs, size.inputs);
    MatrixMut::new(&mut output, size.batch, size.outputs).product(input, weight.transposed(), true);
    output
}

/// `gradient[o, i] += Σ output_gradient[n, o] · input[n, i]`.
pub(in crate::engine) fn weight_gradient(
    size: &DenseSize,
    output_gradient: &[f32],
    input: &[f32],
    gradient: &mut [f32],
) {
    let left = Matrix::rows(output_gradient, size.batch, size.outputs, size.outputs).transposed();
    let right = Matrix::rows(input, size.batch, size.inputs, size.inputs);
    MatrixMut::new(gradient, size.outputs, size.inputs).product(left, right, true);
}

/// `gradient[o] += Σ output_gradient[n, o]`.
pub(in crate::engine) fn bias_gradient(size: &DenseSize, output_gradient: &[f32], gradient: &mut [f32]) {
    let mut sums = vec![0.0_f64; size.outputs];
    for row in output_gradient.chunks_exact(size.outputs.max(1)) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
    for (gradient, sum) in gradient.iter_mut().zip(sums) {
        *gradient += sum as f32;
    }
}

/// `Σ output_gradient[n, o] · weight[o, i]` at `[n, i]`.
pub(in crate::engine) fn input_gradient(
    size: &DenseSize,
    output_gradient: &[f32],
    weight: &[f32],
) -> Vec<f32> {
    let mut gradient = vec![0.0; size.batch * size.inputs];
    let left = Matrix::rows(output_gradient, size.batch, size.outputs, size.outputs);
    let right = Matrix::rows(weight, size.outputs, size.inputs, size.inputs);
    MatrixMut::new(&mut gradient, size.batch, size.inputs).product(left, right, false);
    gradient
}
