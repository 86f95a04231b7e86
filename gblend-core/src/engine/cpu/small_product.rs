//! Products of matrices that are so small that a general one takes longer to begin than to compute.

use pulp::{Arch, Simd, WithSimd};

use super::raw::{Matrix, MatrixMut};

/// Rows of a tile of sums.
const ROWS: usize = 8;

/// Multiplications up to which a product counts as small.
const LARGEST: usize = 32 * 32 * 32;

/// `target = left · right`, or `target += left · right`, by whichever way is shorter. `packed` keeps its memory from one
/// product to the next.
pub(super) fn product(
    target: &mut MatrixMut<'_>,
    left: Matrix<'_>,
    right: Matrix<'_>,
    accumulate: bool,
    packed: &mut Vec<f32>,
) {
    let [rows, columns, depth] = [left.height(), right.width(), right.height()];
    if rows * columns * depth > LARGEST {
        return target.product(left, right, accumulate);
    }
    assert_eq!(
        [target.rows(), target.columns(), left.width()],
        [rows, columns, depth],
        "sizes of a matrix product"
    );
    Arch::new().dispatch(Small {
        target,
        left,
        right,
        accumulate,
        packed,
    });
}

struct Small<'a, 'b> {
    target: &'a mut MatrixMut<'b>,
    left: Matrix<'a>,
    right: Matrix<'a>,
    accumulate: bool,
    packed: &'a mut Vec<f32>,
}

impl WithSimd for Small<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lanes = S::F32_LANES;
        self.pack(self.right.width().next_multiple_of(lanes));
        let mut column = 0;
        while column < self.right.width() {
            let pair = column + lanes < self.right.width();
            for row in (0..self.left.height()).step_by(ROWS) {
                if pair {
                    self.tile::<S, 2>(simd, row, column);
                } else {
                    self.tile::<S, 1>(simd, row, column);
                }
            }
            column += if pair { 2 * lanes } else { lanes };
        }
    }
}

impl Small<'_, '_> {
    /// Copies the rows of the right matrix, each filled up to so many columns.
    #[inline(always)]
    fn pack(&mut self, padded: usize) {
        let (depth, columns) = (self.right.height(), self.right.width());
        self.packed.clear();
        self.packed.resize(depth * padded, 0.0);
        if let Some(rows) = self.right.as_rows() {
            for (target, row) in self.packed.chunks_exact_mut(padded.max(1)).zip(rows) {
                target[..columns].copy_from_slice(row);
            }
        } else if let Some(rows) = self.right.transposed().as_rows() {
            for (column, row) in rows.enumerate() {
                for (place, &value) in row.iter().enumerate() {
                    self.packed[place * padded + column] = value;
                }
            }
        }
    }

    /// `V` vectors of columns of up to [`ROWS`] rows.
    #[inline(always)]
    fn tile<S: Simd, const V: usize>(&mut self, simd: S, first: usize, column: usize) {
        let lanes = S::F32_LANES;
        let (depth, columns) = (self.right.height(), self.right.width());
        let padded = columns.next_multiple_of(lanes);
        let count = ROWS.min(self.left.height() - first);
        let mut sums = [[simd.splat_f32s(0.0); V]; ROWS];
        if let Some(rows) = self.left.rows_at::<ROWS>(first) {
            for (place, packed) in (0..depth).zip(self.packed.chunks_exact(padded)) {
                let (values, _) = S::as_simd_f32s(&packed[column..][..V * lanes]);
                for (sums, row) in sums.iter_mut().zip(&rows) {
                    let factor = simd.splat_f32s(row[place]);
                    for (sum, &value) in sums.iter_mut().zip(values) {
                        *sum = simd.mul_add_e_f32s(factor, value, *sum);
                    }
                }
            }
        } else if let Some(turned) = self.left.transposed().as_rows() {
            for (row, packed) in turned.zip(self.packed.chunks_exact(padded)) {
                let (values, _) = S::as_simd_f32s(&packed[column..][..V * lanes]);
                for (sums, &factor) in sums.iter_mut().zip(&row[first..][..count]) {
                    let factor = simd.splat_f32s(factor);
                    for (sum, &value) in sums.iter_mut().zip(values) {
                        *sum = simd.mul_add_e_f32s(factor, value, *sum);
                    }
                }
            }
        }
        let accumulate = self.accumulate;
        for (row, sums) in (first..first + count).zip(sums) {
            let target = &mut self.target.row(row)[column..];
            for (vector, sum) in sums.into_iter().enumerate() {
                let from = (vector * lanes).min(target.len());
                let length = target.len().min(from + lanes) - from;
                let target = &mut target[from..from + length];
                let sum = if accumulate {
                    simd.add_f32s(simd.partial_load_f32s(target), sum)
                } else {
                    sum
                };
                simd.partial_store_f32s(target, sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_small_product_is_the_product_whatever_is_transposed(
            m in 1_usize..20, n in 1_usize..40, k in 1_usize..20, gap in 0_usize..3,
            turned in any::<[bool; 2]>(), accumulate: bool,
        ) {
            let value = |i: usize| ((i * 37 + 11) % 17) as f32 - 8.0;
            let stored = |rows: usize, columns: usize| -> Vec<f32> {
                (0..rows * (columns + gap)).map(value).collect()
            };
            let (left, right) = (stored(m.max(k), m.max(k)), stored(n.max(k), n.max(k)));
            let matrix = |values, rows: usize, columns: usize, turned: bool| match turned {
                false => Matrix::rows(values, rows, columns, columns + gap),
                true => Matrix::rows(values, columns, rows, rows + gap).transposed(),
            };
            let (a, b) = (matrix(&left, m, k, turned[0]), matrix(&right, k, n, turned[1]));
            let (mut found, mut expected) = (vec![1.0; m * n], vec![1.0; m * n]);
            MatrixMut::new(&mut expected, m, n).product(a, b, accumulate);
            product(&mut MatrixMut::new(&mut found, m, n), a, b, accumulate, &mut vec![9.0; 7]);
            prop_assert_eq!(found, expected);
        }
    }
}
