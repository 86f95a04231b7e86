//! Products of matrices a few rows at a time in registers, of operands as they lie in memory.
//!
//! A general product copies its operands first, which is lost where one of them is read only a few times.

use pulp::{Arch, Simd, WithSimd};

use super::raw::{Matrix, MatrixMut};

/// Rows of a tile of sums, two vectors wide where there are 32 registers, or one.
const ROWS: usize = 8;

/// Rows of a tile two vectors wide where there are 16 registers: twelve sums, two values and a factor.
const FEW_ROWS: usize = 6;

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
        let pair = width - column > lanes;
        match (pair, S::REGISTER_COUNT > 16) {
            (true, true) => tiles::<S, 2, ROWS>(simd, left, right, place, target),
            (true, false) => tiles::<S, 2, FEW_ROWS>(simd, left, right, place, target),
            (false, _) => tiles::<S, 1, ROWS>(simd, left, right, place, target),
        }
        column += if pair { 2 * lanes } else { lanes };
    }
}

/// [`product`] by the widest vectors that the processor has.
pub(super) fn dispatched(left: Left<'_>, right: Whole<'_>, depth: (usize, bool), target: &mut MatrixMut<'_>) {
    Arch::new().dispatch(Product {
        left,
        right,
        depth,
        target,
    });
}

struct Product<'a, 'b, 'c> {
    left: Left<'a>,
    right: Whole<'a>,
    depth: (usize, bool),
    target: &'b mut MatrixMut<'c>,
}

impl WithSimd for Product<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        product(simd, self.left, self.right, self.depth, self.target);
    }
}

/// `V` vectors of columns of all rows, `R` at a time.
///
/// Sums stay in registers only while every one of them is at a place that the compiler knows, so that no loop over them has a length that
/// it does not know, and rows that are missing are computed and not written.
#[inline(always)]
fn tiles<S: Simd, const V: usize, const R: usize>(
    simd: S,
    left: Left<'_>,
    right: Whole<'_>,
    (depth, column, accumulate): (usize, usize, bool),
    target: &mut MatrixMut<'_>,
) {
    let rows = target.rows();
    let values = &right.values[column..];
    let lines = || values.chunks(right.stride).take(depth);
    for first in (0..rows).step_by(R) {
        let sums = match left {
            Left::Rows(matrix) => {
                let Some(left) = matrix.rows_at::<R>(first) else {
                    return;
                };
                // All as long as there are places, so that none is checked at each.
                sums_of_rows::<S, V, R>(simd, left.map(|row| &row[..depth]), lines())
            }
            Left::Columns(whole) => {
                let factors = whole.values[first..].chunks(whole.stride);
                if first + R <= rows {
                    sums_of_columns::<S, V, R>(simd, factors, lines())
                } else {
                    sums_of_few_columns::<S, V, R>(simd, factors, rows - first, lines())
                }
            }
        };
        for (row, sums) in sums.into_iter().enumerate() {
            if first + row < rows {
                store(simd, &mut target.row(first + row)[column..], sums, accumulate);
            }
        }
    }
}

type Sums<S, const V: usize, const R: usize> = [[<S as Simd>::f32s; V]; R];

#[inline(always)]
fn sums_of_rows<'a, S: Simd, const V: usize, const R: usize>(
    simd: S,
    left: [&[f32]; R],
    lines: impl Iterator<Item = &'a [f32]>,
) -> Sums<S, V, R> {
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    for (place, values) in (0..left[0].len()).zip(lines) {
        let mut factors = [0.0; R];
        for (factor, row) in factors.iter_mut().zip(&left) {
            *factor = row[place];
        }
        add(simd, &mut sums, &factors, values);
    }
    sums
}

#[inline(always)]
fn sums_of_columns<'a, S: Simd, const V: usize, const R: usize>(
    simd: S,
    left: impl Iterator<Item = &'a [f32]>,
    lines: impl Iterator<Item = &'a [f32]>,
) -> Sums<S, V, R> {
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    for (row, values) in left.zip(lines) {
        if let Some(factors) = row.first_chunk() {
            add(simd, &mut sums, factors, values);
        }
    }
    sums
}

/// Of so many columns of the left, fewer than a tile has rows.
#[inline(always)]
fn sums_of_few_columns<'a, S: Simd, const V: usize, const R: usize>(
    simd: S,
    left: impl Iterator<Item = &'a [f32]>,
    columns: usize,
    lines: impl Iterator<Item = &'a [f32]>,
) -> Sums<S, V, R> {
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    for (row, values) in left.zip(lines) {
        let mut factors = [0.0; R];
        for (factor, &value) in factors.iter_mut().zip(row.iter().take(columns)) {
            *factor = value;
        }
        add(simd, &mut sums, &factors, values);
    }
    sums
}

#[inline(always)]
fn add<S: Simd, const V: usize, const R: usize>(
    simd: S,
    sums: &mut Sums<S, V, R>,
    factors: &[f32; R],
    values: &[f32],
) {
    let (values, _) = S::as_simd_f32s(&values[..V * S::F32_LANES]);
    for (sums, &factor) in sums.iter_mut().zip(factors) {
        let factor = simd.splat_f32s(factor);
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum = simd.mul_add_e_f32s(factor, value, *sum);
        }
    }
}

/// Writes vectors, of which there may be place for the first ones alone, and for a part of the last of those.
#[inline(always)]
fn store<S: Simd, const V: usize>(simd: S, target: &mut [f32], sums: [S::f32s; V], accumulate: bool) {
    let lanes = S::F32_LANES;
    if target.len() >= V * lanes {
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
    let length = target.len();
    for (vector, sum) in sums.into_iter().enumerate() {
        let target = &mut target[(vector * lanes).min(length)..((vector + 1) * lanes).min(length)];
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

#[cfg(test)]
mod tests {
    use super::super::whole_numbers::values;
    use super::*;
    use proptest::prelude::*;
    use pulp::{Scalar, Scalar128b, Scalar256b, Scalar512b};

    /// The product of `[rows, depth]` with `[depth, columns]`, added to what is there, the left as rows and as columns.
    fn products<S: Simd>(
        simd: S,
        left: &[f32],
        right: &[f32],
        [rows, depth, columns]: [usize; 3],
    ) -> [Vec<f32>; 2] {
        let stride = right.len() / depth;
        let turned: Vec<f32> = (0..depth)
            .flat_map(|d| (0..rows).map(move |r| left[r * depth + d]))
            .collect();
        let of_rows = Left::Rows(Matrix::rows(left, rows, depth, depth));
        let of_columns = Left::Columns(Whole {
            values: &turned,
            stride: rows,
        });
        [of_rows, of_columns].map(|left| {
            let mut sums = vec![1.0; rows * columns];
            let right = Whole {
                values: right,
                stride,
            };
            simd.vectorize(Adding {
                simd,
                left,
                right,
                depth,
                target: MatrixMut::new(&mut sums, rows, columns),
            });
            sums
        })
    }

    struct Adding<'a, 'b, S> {
        simd: S,
        left: Left<'a>,
        right: Whole<'a>,
        depth: usize,
        target: MatrixMut<'b>,
    }

    impl<S: Simd> pulp::NullaryFnOnce for Adding<'_, '_, S> {
        type Output = ();

        #[inline(always)]
        fn call(mut self) {
            product(
                self.simd,
                self.left,
                self.right,
                (self.depth, true),
                &mut self.target,
            );
        }
    }

    // A processor has one width of vectors. The others are computed without instructions of their own.
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn products_are_sums_whatever_the_width_of_vectors_and_however_many_rows_are_left_over(
            rows in 1_usize..20, depth in 1_usize..12, columns in 1_usize..70,
        ) {
            let stride = columns.next_multiple_of(32);
            let (left, right) = (values(rows * depth, 1), values(depth * stride, 2));
            let sum = |row: usize, column: usize| (0..depth).map(|d| left[row * depth + d] * right[d * stride + column]).sum::<f32>();
            let expected: Vec<f32> = (0..rows * columns).map(|at| 1.0 + sum(at / columns, at % columns)).collect();
            let size = [rows, depth, columns];
            let all = [
                products(Scalar, &left, &right, size),
                products(Scalar128b, &left, &right, size),
                products(Scalar256b, &left, &right, size),
                products(Scalar512b, &left, &right, size),
            ];
            for sums in all.into_iter().flatten() {
                prop_assert_eq!(&sums, &expected);
            }
        }
    }
}
