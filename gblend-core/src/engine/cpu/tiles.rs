//! Products of matrices a few rows at a time in registers, of operands as they lie in memory.
//!
//! A general product copies its operands first, which is lost where one of them is read only a few times.

use pulp::Simd;

use super::raw::{Matrix, MatrixMut};

/// Rows of a tile of sums.
const ROWS: usize = 8;

/// What is multiplied from the left.
#[derive(Clone, Copy)]
pub(super) enum Left<'a> {
    /// The rows of a matrix.
    Rows(Matrix<'a>),
    /// The columns of some rows.
    Columns(Whole<'a>),
}

/// Rows of whole vectors, so many elements from each other.
#[derive(Clone, Copy)]
pub(super) struct Whole<'a> {
    pub(super) values: &'a [f32],
    pub(super) stride: usize,
}

/// `target = left · right`, or `target += left · right`, where so many columns of the left are multiplied with as many rows of
/// the right.
#[inline(always)]
pub(super) fn product<S: Simd>(
    simd: S,
    left: Left<'_>,
    right: Whole<'_>,
    (depth, accumulate): (usize, bool),
    target: &mut MatrixMut<'_>,
) {
    let (width, lanes) = (target.columns(), S::F32_LANES);
    let mut column = 0;
    while column < width {
        let place = (depth, column, accumulate);
        if S::REGISTER_COUNT > 16 && width - column > lanes {
            tiles::<S, 2>(simd, left, right, place, target);
            column += 2 * lanes;
        } else {
            tiles::<S, 1>(simd, left, right, place, target);
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
    (depth, column, accumulate): (usize, usize, bool),
    target: &mut MatrixMut<'_>,
) {
    let width = V * S::F32_LANES;
    let rows = target.rows();
    for first in (0..rows).step_by(ROWS) {
        let mut sums = [[simd.splat_f32s(0.0); V]; ROWS];
        let lines = right.values[column..].chunks(right.stride).take(depth);
        match left {
            Left::Rows(matrix) => {
                let Some(left) = matrix.rows_at::<ROWS>(first) else {
                    return;
                };
                // All as long as there are places, so that none is checked at each.
                let left = left.map(|row| &row[..depth]);
                for (place, values) in (0..depth).zip(lines) {
                    let (values, _) = S::as_simd_f32s(&values[..width]);
                    for (sums, row) in sums.iter_mut().zip(&left) {
                        add(simd, sums, row[place], values);
                    }
                }
            }
            Left::Columns(whole) if first + ROWS <= rows => {
                for (row, values) in whole.values[first..].chunks(whole.stride).zip(lines) {
                    let (values, _) = S::as_simd_f32s(&values[..width]);
                    let factors = row[..ROWS].iter();
                    for (sums, &factor) in sums.iter_mut().zip(factors) {
                        add(simd, sums, factor, values);
                    }
                }
            }
            Left::Columns(whole) => {
                for (row, values) in whole.values[first..].chunks(whole.stride).zip(lines) {
                    let (values, _) = S::as_simd_f32s(&values[..width]);
                    let factors = &row[..row.len().min(rows - first)];
                    for (sums, &factor) in sums.iter_mut().zip(factors) {
                        add(simd, sums, factor, values);
                    }
                }
            }
        }
        if first + ROWS <= rows {
            // Without a count, so that sums stay in registers.
            for (row, sums) in sums.into_iter().enumerate() {
                store(simd, &mut target.row(first + row)[column..], sums, accumulate);
            }
        } else {
            for (row, sums) in (first..rows).zip(sums) {
                store(simd, &mut target.row(row)[column..], sums, accumulate);
            }
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
fn store<S: Simd, const V: usize>(simd: S, target: &mut [f32], sums: [S::f32s; V], accumulate: bool) {
    if target.len() >= V * S::F32_LANES {
        let (target, _) = S::as_mut_simd_f32s(target);
        for (target, sum) in target.iter_mut().zip(sums) {
            *target = if accumulate {
                simd.add_f32s(*target, sum)
            } else {
                sum
            };
        }
        return;
    }
    for (target, sum) in target.chunks_mut(S::F32_LANES).zip(sums) {
        let before = if accumulate {
            simd.partial_load_f32s(target)
        } else {
            simd.splat_f32s(0.0)
        };
        simd.partial_store_f32s(target, simd.add_f32s(before, sum));
    }
}

/// `target[n, o] = bias[o] + Σ left[n, i] · right[o, i]`, of matrices whose rows follow each other, for rows of any length.
#[inline(always)]
pub(super) fn inner_products<S: Simd>(
    simd: S,
    left: Matrix<'_>,
    right: Matrix<'_>,
    bias: Option<&[f32]>,
    target: &mut MatrixMut<'_>,
) {
    if S::REGISTER_COUNT > 16 {
        blocks_of_products::<S, 4>(simd, left, right, bias, target);
    } else {
        blocks_of_products::<S, 2>(simd, left, right, bias, target);
    }
}

/// Four rows of the left with `C` of the right at a time.
#[inline(always)]
fn blocks_of_products<S: Simd, const C: usize>(
    simd: S,
    left: Matrix<'_>,
    right: Matrix<'_>,
    bias: Option<&[f32]>,
    target: &mut MatrixMut<'_>,
) {
    const R: usize = 4;
    let whole = left.width() / S::F32_LANES * S::F32_LANES;
    for column in (0..right.height()).step_by(C) {
        let Some(rights) = right.rows_at::<C>(column) else {
            return;
        };
        let columns = right.height().min(column + C) - column;
        for first in (0..left.height()).step_by(R) {
            let Some(lefts) = left.rows_at::<R>(first) else {
                return;
            };
            let mut sums = [[simd.splat_f32s(0.0); C]; R];
            for place in (0..whole).step_by(S::F32_LANES) {
                let mut values = [simd.splat_f32s(0.0); C];
                for (value, row) in values.iter_mut().zip(&rights) {
                    *value = vector::<S>(row, place);
                }
                for (sums, row) in sums.iter_mut().zip(&lefts) {
                    let left = vector::<S>(row, place);
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum = simd.mul_add_e_f32s(left, value, *sum);
                    }
                }
            }
            for ((row, sums), left) in (first..left.height()).zip(sums).zip(&lefts) {
                let target = &mut target.row(row)[column..column + columns];
                for ((target, sum), (place, right)) in
                    target.iter_mut().zip(sums).zip(rights.iter().enumerate())
                {
                    let rest = left[whole..].iter().zip(&right[whole..]);
                    let rest: f32 = rest.map(|(left, right)| left * right).sum();
                    let bias = bias.map_or(0.0, |bias| bias[column + place]);
                    *target = simd.reduce_sum_f32s(sum) + rest + bias;
                }
            }
        }
    }
}

/// The vector that begins at a place of a row.
#[inline(always)]
fn vector<S: Simd>(row: &[f32], place: usize) -> S::f32s {
    S::as_simd_f32s(&row[place..place + S::F32_LANES]).0[0]
}
