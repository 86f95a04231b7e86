//! Attention in sequences that are so short that a general product of matrices takes longer to begin than to compute.
//!
//! A head of a sequence is computed in one go, its products a few rows at a time in registers.

use pulp::{Arch, Simd, WithSimd};

use super::attention::{LANES, Peak, exp_of_differences, shares_backward};
use super::lanes;
use super::raw::{Matrix, MatrixMut};
use super::transpose::transpose;

/// Steps of the longest sequence that is computed so.
pub(super) const LONGEST: usize = 64;

/// Rows of a tile of sums.
const ROWS: usize = 8;

/// What is computed in, which keeps its memory from one head to the next.
#[derive(Default)]
pub(super) struct Scratch {
    scores: Vec<f32>,
    of_scores: Vec<f32>,
    /// Keys and values, with a row for each feature.
    turned: [Vec<f32>; 2],
    /// Rows that are no whole vectors, filled up.
    filled: [Vec<f32>; 3],
}

/// See [`super::attention::forward`], of query, key and value.
pub(super) fn forward(
    scale: f32,
    [query, key, value]: [Matrix<'_>; 3],
    target: MatrixMut<'_>,
    peaks: &mut [Peak],
    scratch: &mut Scratch,
) {
    Arch::new().dispatch(Forward {
        scale,
        inputs: [query, key, value],
        target,
        peaks,
        scratch,
    });
}

/// See [`super::attention::backward`], of query, key, value, output and the gradient of that; writes those of query, key and
/// value.
pub(super) fn backward(
    scale: f32,
    inputs: [Matrix<'_>; 5],
    peaks: &[Peak],
    targets: [MatrixMut<'_>; 3],
    scratch: &mut Scratch,
) {
    Arch::new().dispatch(Backward {
        scale,
        inputs,
        peaks,
        targets,
        scratch,
    });
}

/// What is multiplied from the left.
#[derive(Clone, Copy)]
enum Left<'a> {
    /// The rows of a matrix.
    Rows(Matrix<'a>),
    /// The columns of rows of whole vectors.
    Columns(Whole<'a>),
}

/// Rows of whole vectors.
#[derive(Clone, Copy)]
struct Whole<'a> {
    values: &'a [f32],
    stride: usize,
}

impl<'a> Whole<'a> {
    /// The rows of a matrix, as they are or filled up.
    #[inline(always)]
    fn of(matrix: Matrix<'a>, filled: &'a mut Vec<f32>) -> Self {
        if let Some((values, stride)) = matrix.whole_rows(LANES) {
            return Self { values, stride };
        }
        let stride = matrix.width().next_multiple_of(LANES);
        filled.clear();
        filled.resize(matrix.height() * stride, 0.0);
        if let Some(rows) = matrix.as_rows() {
            for (target, row) in filled.chunks_exact_mut(stride).zip(rows) {
                target[..row.len()].copy_from_slice(row);
            }
        }
        Self {
            values: filled,
            stride,
        }
    }

    /// The columns of a matrix as rows, the last one again up to whole vectors.
    #[inline(always)]
    fn turned(matrix: Matrix<'_>, turned: &'a mut Vec<f32>) -> Self {
        let stride = matrix.height().next_multiple_of(LANES);
        turned.resize(matrix.width() * stride, 0.0);
        let mut lines: [&[f32]; LONGEST] = [&[]; LONGEST];
        let count = matrix.height().min(LONGEST);
        if let Some(rows) = matrix.as_rows() {
            for (line, row) in lines.iter_mut().zip(rows) {
                *line = row;
            }
        }
        transpose(&lines[..count], stride, turned);
        Self {
            values: turned,
            stride,
        }
    }
}

/// `target = left · right`, where so many columns of the left are multiplied with as many rows of the right.
#[inline(always)]
fn product<S: Simd>(simd: S, left: Left<'_>, right: Whole<'_>, depth: usize, target: &mut MatrixMut<'_>) {
    let (width, lanes) = (target.columns(), S::F32_LANES);
    let mut column = 0;
    while column < width {
        if S::REGISTER_COUNT > 16 && width - column > lanes {
            tiles::<S, 2>(simd, left, right, (depth, column), target);
            column += 2 * lanes;
        } else {
            tiles::<S, 1>(simd, left, right, (depth, column), target);
            column += lanes;
        }
    }
}

/// `V` vectors of columns of all rows.
#[inline(always)]
fn tiles<S: Simd, const V: usize>(
    simd: S,
    left: Left<'_>,
    right: Whole<'_>,
    (depth, column): (usize, usize),
    target: &mut MatrixMut<'_>,
) {
    let width = V * S::F32_LANES;
    let rows = target.rows();
    for first in (0..rows).step_by(ROWS) {
        let mut sums = [[simd.splat_f32s(0.0); V]; ROWS];
        let right = right.values.chunks(right.stride).take(depth);
        match left {
            Left::Rows(matrix) => {
                let Some(left) = matrix.rows_at::<ROWS>(first) else { return };
                for (place, values) in right.enumerate() {
                    let (values, _) = S::as_simd_f32s(&values[column..column + width]);
                    for (sums, row) in sums.iter_mut().zip(&left) {
                        add(simd, sums, row[place], values);
                    }
                }
            }
            Left::Columns(whole) => {
                for (row, values) in whole.values.chunks(whole.stride).zip(right) {
                    let (values, _) = S::as_simd_f32s(&values[column..column + width]);
                    for (sums, &factor) in sums.iter_mut().zip(&row[first..first + ROWS]) {
                        add(simd, sums, factor, values);
                    }
                }
            }
        }
        for (row, sums) in (first..rows).zip(sums) {
            store(simd, &mut target.row(row)[column..], sums);
        }
    }
}

#[inline(always)]
fn add<S: Simd, const V: usize>(simd: S, sums: &mut [S::f32s; V], factor: f32, values: &[S::f32s]) {
    let factor = simd.splat_f32s(factor);
    for (sum, &value) in sums.iter_mut().zip(values) {
        *sum = simd.mul_add_e_f32s(factor, value, *sum);
    }
}

/// Writes vectors, of the last of which there may be place for a part alone.
#[inline(always)]
fn store<S: Simd, const V: usize>(simd: S, target: &mut [f32], sums: [S::f32s; V]) {
    if target.len() >= V * S::F32_LANES {
        let (target, _) = S::as_mut_simd_f32s(target);
        for (target, sum) in target.iter_mut().zip(sums) {
            *target = sum;
        }
        return;
    }
    for (target, sum) in target.chunks_mut(S::F32_LANES).zip(sums) {
        simd.partial_store_f32s(target, sum);
    }
}

/// `rows · turned` in rows of whole vectors, with `beyond` in the places after the last of `length`.
#[inline(always)]
fn scores<S: Simd>(
    simd: S,
    rows: Matrix<'_>,
    turned: Whole<'_>,
    (length, beyond): (usize, f32),
    scores: &mut Vec<f32>,
) {
    let stride = turned.stride;
    scores.resize(length * stride, 0.0);
    let mut target = MatrixMut::strided(scores, length, stride, stride);
    product(simd, Left::Rows(rows), turned, rows.width(), &mut target);
    for row in scores.chunks_exact_mut(stride) {
        row[length..].fill(beyond);
    }
}

struct Forward<'a, 'b> {
    scale: f32,
    inputs: [Matrix<'a>; 3],
    target: MatrixMut<'b>,
    peaks: &'a mut [Peak],
    scratch: &'a mut Scratch,
}

impl WithSimd for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            scale,
            inputs: [query, key, value],
            mut target,
            peaks,
            scratch,
        } = self;
        let length = query.height();
        let [turned, _] = &mut scratch.turned;
        let turned = Whole::turned(key, turned);
        let beyond = f32::NEG_INFINITY;
        scores(simd, query, turned, (length, beyond), &mut scratch.scores);
        let rows = scratch.scores.chunks_exact_mut(turned.stride);
        for (row, peak) in rows.zip(peaks) {
            let largest = lanes::max(row);
            exp_of_differences(row, largest, scale);
            let inverse = 1.0 / lanes::total(row);
            row.iter_mut().for_each(|value| *value *= inverse);
            *peak = [largest, inverse];
        }
        let shares = Matrix::rows(&scratch.scores, length, length, turned.stride);
        let [filled, ..] = &mut scratch.filled;
        product(simd, Left::Rows(shares), Whole::of(value, filled), length, &mut target);
    }
}

struct Backward<'a, 'b> {
    scale: f32,
    inputs: [Matrix<'a>; 5],
    peaks: &'a [Peak],
    /// Of query, key and value.
    targets: [MatrixMut<'b>; 3],
    scratch: &'a mut Scratch,
}

impl WithSimd for Backward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            scale,
            inputs: [query, key, value, output, gradient],
            peaks,
            targets: [mut of_query, mut of_key, mut of_value],
            scratch,
        } = self;
        let length = query.height();
        let [turned_key, turned_value] = &mut scratch.turned;
        let (turned_key, turned_value) = (Whole::turned(key, turned_key), Whole::turned(value, turned_value));
        let stride = turned_key.stride;
        let beyond = f32::NEG_INFINITY;
        scores(simd, query, turned_key, (length, beyond), &mut scratch.scores);
        scores(simd, gradient, turned_value, (length, 0.0), &mut scratch.of_scores);
        if let (Some(outputs), Some(gradients)) = (output.as_rows(), gradient.as_rows()) {
            let rows = scratch.scores.chunks_exact_mut(stride);
            let rows = rows.zip(scratch.of_scores.chunks_exact_mut(stride));
            for ((shares, of_scores), (&peak, (output, gradient))) in
                rows.zip(peaks.iter().zip(outputs.zip(gradients)))
            {
                let mean = lanes::inner_product(output, gradient);
                shares_backward(shares, of_scores, peak, mean, scale);
            }
        }
        let [filled_query, filled_key, filled_gradient] = &mut scratch.filled;
        let whole = |values| Whole { values, stride };
        let (shares, of_scores) = (whole(&scratch.scores), whole(&scratch.of_scores));
        let gradient = Whole::of(gradient, filled_gradient);
        product(simd, Left::Columns(shares), gradient, length, &mut of_value);
        let query = Whole::of(query, filled_query);
        product(simd, Left::Columns(of_scores), query, length, &mut of_key);
        let rows = Matrix::rows(&scratch.of_scores, length, length, stride);
        product(simd, Left::Rows(rows), Whole::of(key, filled_key), length, &mut of_query);
    }
}
