//! Attention in sequences that are so short that a general product of matrices takes longer to begin than to compute.
//!
//! A head of a sequence is computed in one go, its products a few rows at a time in registers.

use pulp::{Arch, Simd, WithSimd};

use super::lanes::{self, LANES};
use super::raw::{Matrix, MatrixMut};
use super::softmax::{Peak, exp_of_differences, shares_backward};
use super::tiles::{Left, Whole, product};
use super::transpose::columns_as_rows;

/// Steps of the longest sequence that is computed so.
pub(super) const LONGEST: usize = 64;

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

/// The rows of a matrix, as they are or filled up.
#[inline(always)]
fn whole<'a>(matrix: Matrix<'a>, filled: &'a mut Vec<f32>) -> Whole<'a> {
    if let Some((values, stride)) = matrix.whole_rows(LANES) {
        return Whole { values, stride };
    }
    let stride = matrix.width().next_multiple_of(LANES);
    filled.clear();
    filled.resize(matrix.height() * stride, 0.0);
    if let Some(rows) = matrix.as_rows() {
        for (target, row) in filled.chunks_exact_mut(stride).zip(rows) {
            target[..row.len()].copy_from_slice(row);
        }
    }
    Whole {
        values: filled,
        stride,
    }
}

/// The columns of a matrix as rows.
#[inline(always)]
fn turned_rows<'a>(matrix: Matrix<'_>, turned: &'a mut Vec<f32>) -> Whole<'a> {
    let stride = columns_as_rows::<LONGEST>(matrix, turned);
    Whole {
        values: turned,
        stride,
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
    product(simd, Left::Rows(rows), turned, (rows.width(), false), &mut target);
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
        let turned = turned_rows(key, turned);
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
        product(
            simd,
            Left::Rows(shares),
            whole(value, filled),
            (length, false),
            &mut target,
        );
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
        let (turned_key, turned_value) = (turned_rows(key, turned_key), turned_rows(value, turned_value));
        let stride = turned_key.stride;
        let beyond = f32::NEG_INFINITY;
        scores(simd, query, turned_key, (length, beyond), &mut scratch.scores);
        scores(
            simd,
            gradient,
            turned_value,
            (length, 0.0),
            &mut scratch.of_scores,
        );
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
        let padded = |values| Whole { values, stride };
        let (shares, of_scores) = (padded(&scratch.scores), padded(&scratch.of_scores));
        let all = (length, false);
        let gradient = whole(gradient, filled_gradient);
        product(simd, Left::Columns(shares), gradient, all, &mut of_value);
        let query = whole(query, filled_query);
        product(simd, Left::Columns(of_scores), query, all, &mut of_key);
        let rows = Matrix::rows(&scratch.of_scores, length, length, stride);
        product(simd, Left::Rows(rows), whole(key, filled_key), all, &mut of_query);
    }
}
