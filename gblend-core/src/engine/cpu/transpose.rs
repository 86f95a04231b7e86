//! Rows of samples to samples of rows.

use super::lanes::LANES;
use super::raw::Matrix;

/// Rows that are read side by side: as many as a vector of the widest instruction set has lanes.
const GROUP: usize = 16;

/// `target[n, c] = rows[c][n]`, `[samples, width]`. Columns past the last row repeat it, so that nothing in them is left
/// from before.
///
/// All rows are as long as `target` has samples.
pub(super) fn transpose(rows: &[&[f32]], width: usize, target: &mut [f32]) {
    let Some(&last) = rows.last() else { return };
    for first in (0..width).step_by(GROUP) {
        let group: [&[f32]; GROUP] =
            std::array::from_fn(|lane| rows.get(first + lane).copied().unwrap_or(last));
        if width - first < GROUP {
            scalar(group, 0, first, width, target);
            continue;
        }
        #[cfg(all(target_arch = "x86_64", not(gblend_without_avx512)))]
        if let Some(simd) = pulp::x86::V4::try_new() {
            simd.vectorize(wide::Transpose {
                simd,
                rows: group,
                first,
                width,
                target,
            });
            continue;
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            simd.vectorize(narrow::Transpose {
                simd,
                rows: group,
                first,
                width,
                target,
            });
            continue;
        }
        scalar(group, 0, first, width, target);
    }
}

/// The columns of a matrix of at most `N` rows as rows, each with its last element again up to whole vectors; from one of them to the next
/// are so many elements.
#[inline(always)]
pub(super) fn columns_as_rows<const N: usize>(matrix: Matrix<'_>, turned: &mut Vec<f32>) -> usize {
    let stride = matrix.height().next_multiple_of(LANES);
    turned.resize(matrix.width() * stride, 0.0);
    let mut lines: [&[f32]; N] = [&[]; N];
    let count = matrix.height().min(N);
    if let Some(rows) = matrix.as_rows() {
        for (line, row) in lines.iter_mut().zip(rows) {
            *line = row;
        }
    }
    transpose(&lines[..count], stride, turned);
    stride
}

/// `[columns, rows]` of a matrix `[rows, columns]`.
pub(in crate::engine) fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    if rows == 0 || columns == 0 {
        return Vec::new();
    }
    let lines: Vec<&[f32]> = matrix.chunks_exact(columns).collect();
    let width = rows.next_multiple_of(GROUP);
    let mut turned = vec![0.0; columns * width];
    transpose(&lines, width, &mut turned);
    if width > rows {
        // Each line moves to the front by what those before it have too many.
        for column in 1..columns {
            turned.copy_within(column * width..column * width + rows, column * rows);
        }
        turned.truncate(columns * rows);
    }
    turned
}

/// The samples from `start` on, for as many rows as `width` has place for.
#[inline(always)]
fn scalar(rows: [&[f32]; GROUP], start: usize, first: usize, width: usize, target: &mut [f32]) {
    for (n, target) in target.chunks_exact_mut(width).enumerate().skip(start) {
        let target = &mut target[first..width.min(first + GROUP)];
        target
            .iter_mut()
            .zip(&rows)
            .for_each(|(target, row)| *target = row[n]);
    }
}

/// Sixteen vectors at once, in four rounds of exchanges: single values, pairs, and twice fours.
#[cfg(all(target_arch = "x86_64", not(gblend_without_avx512)))]
mod wide {
    use std::arch::x86_64::{__m512, __m512d};

    use pulp::NullaryFnOnce;
    use pulp::bytemuck::cast;
    use pulp::x86::V4;

    use super::{GROUP, scalar};

    pub(super) struct Transpose<'a> {
        pub(super) simd: V4,
        pub(super) rows: [&'a [f32]; GROUP],
        pub(super) first: usize,
        pub(super) width: usize,
        pub(super) target: &'a mut [f32],
    }

    impl NullaryFnOnce for Transpose<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let rows = self.rows.map(|row| row.as_chunks::<GROUP>().0);
            let whole = rows.iter().map(|row| row.len()).min().unwrap_or(0);
            for block in 0..whole {
                let columns = exchange(self.simd, rows.map(|row| cast(row[block])));
                let targets = self.target[block * GROUP * self.width..].chunks_exact_mut(self.width);
                for (target, column) in targets.zip(columns) {
                    let column: [f32; GROUP] = cast(column);
                    target[self.first..self.first + GROUP].copy_from_slice(&column);
                }
            }
            scalar(self.rows, whole * GROUP, self.first, self.width, self.target);
        }
    }

    /// The transpose of a matrix with these rows.
    #[inline(always)]
    fn exchange(simd: V4, rows: [__m512; GROUP]) -> [__m512; GROUP] {
        let avx = simd.avx512f;
        let wide = |vector: __m512| -> __m512d { cast(vector) };
        // Within each quarter of a vector: values of two rows, then of four.
        let mut pairs = rows;
        for at in (0..GROUP).step_by(2) {
            pairs[at] = avx._mm512_unpacklo_ps(rows[at], rows[at + 1]);
            pairs[at + 1] = avx._mm512_unpackhi_ps(rows[at], rows[at + 1]);
        }
        let mut fours = pairs;
        for at in (0..GROUP).step_by(4) {
            for half in 0..2 {
                let (a, b) = (wide(pairs[at + half]), wide(pairs[at + 2 + half]));
                fours[at + 2 * half] = cast(avx._mm512_unpacklo_pd(a, b));
                fours[at + 2 * half + 1] = cast(avx._mm512_unpackhi_pd(a, b));
            }
        }
        // Of column 4 q + c, vector 4 r + c has the rows 4 r to 4 r + 3 in quarter q: what is left is a transpose of quarters.
        let mut columns = fours;
        for c in 0..4 {
            let [a, b, d, e] = [fours[c], fours[4 + c], fours[8 + c], fours[12 + c]];
            let low = avx._mm512_shuffle_f32x4::<0b01_00_01_00>(a, b);
            let high = avx._mm512_shuffle_f32x4::<0b11_10_11_10>(a, b);
            let other_low = avx._mm512_shuffle_f32x4::<0b01_00_01_00>(d, e);
            let other_high = avx._mm512_shuffle_f32x4::<0b11_10_11_10>(d, e);
            columns[c] = avx._mm512_shuffle_f32x4::<0b10_00_10_00>(low, other_low);
            columns[4 + c] = avx._mm512_shuffle_f32x4::<0b11_01_11_01>(low, other_low);
            columns[8 + c] = avx._mm512_shuffle_f32x4::<0b10_00_10_00>(high, other_high);
            columns[12 + c] = avx._mm512_shuffle_f32x4::<0b11_01_11_01>(high, other_high);
        }
        columns
    }
}

/// Twice eight vectors at once, in three rounds of exchanges: single values, pairs and fours.
#[cfg(target_arch = "x86_64")]
mod narrow {
    use std::arch::x86_64::{__m256, __m256d};

    use pulp::NullaryFnOnce;
    use pulp::bytemuck::cast;
    use pulp::x86::V3;

    use super::{GROUP, scalar};

    /// Values of a vector.
    const LANES: usize = 8;

    pub(super) struct Transpose<'a> {
        pub(super) simd: V3,
        pub(super) rows: [&'a [f32]; GROUP],
        pub(super) first: usize,
        pub(super) width: usize,
        pub(super) target: &'a mut [f32],
    }

    impl NullaryFnOnce for Transpose<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let rows = self.rows.map(|row| row.as_chunks::<LANES>().0);
            let whole = rows.iter().map(|row| row.len()).min().unwrap_or(0);
            for block in 0..whole {
                let targets = self.target[block * LANES * self.width..].chunks_exact_mut(self.width);
                let left = exchange(self.simd, eight(&rows, 0, block));
                let right = exchange(self.simd, eight(&rows, LANES, block));
                for (target, (left, right)) in targets.zip(left.into_iter().zip(right)) {
                    let (left, right): ([f32; LANES], [f32; LANES]) = (cast(left), cast(right));
                    target[self.first..self.first + LANES].copy_from_slice(&left);
                    target[self.first + LANES..self.first + GROUP].copy_from_slice(&right);
                }
            }
            scalar(self.rows, whole * LANES, self.first, self.width, self.target);
        }
    }

    /// A vector of each of eight rows.
    #[inline(always)]
    fn eight(rows: &[&[[f32; LANES]]; GROUP], first: usize, block: usize) -> [__m256; LANES] {
        std::array::from_fn(|row| cast(rows[first + row][block]))
    }

    /// The transpose of a matrix with these rows.
    #[inline(always)]
    fn exchange(simd: V3, rows: [__m256; LANES]) -> [__m256; LANES] {
        let avx = simd.avx;
        let wide = |vector: __m256| -> __m256d { cast(vector) };
        // Within each half of a vector: values of two rows, then of four.
        let mut pairs = rows;
        for at in (0..LANES).step_by(2) {
            pairs[at] = avx._mm256_unpacklo_ps(rows[at], rows[at + 1]);
            pairs[at + 1] = avx._mm256_unpackhi_ps(rows[at], rows[at + 1]);
        }
        let mut fours = pairs;
        for at in (0..LANES).step_by(4) {
            for half in 0..2 {
                let (a, b) = (wide(pairs[at + half]), wide(pairs[at + 2 + half]));
                fours[at + 2 * half] = cast(avx._mm256_unpacklo_pd(a, b));
                fours[at + 2 * half + 1] = cast(avx._mm256_unpackhi_pd(a, b));
            }
        }
        // Of column 4 h + c, vector c has the first four rows in half h, and vector 4 + c the others.
        let mut columns = fours;
        for c in 0..4 {
            columns[c] = avx._mm256_permute2f128_ps::<0x20>(fours[c], fours[4 + c]);
            columns[4 + c] = avx._mm256_permute2f128_ps::<0x31>(fours[c], fours[4 + c]);
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of a processor with wider vectors, this path is its own test.
    #[cfg(target_arch = "x86_64")]
    fn narrow(rows: [&[f32]; GROUP], first: usize, width: usize, target: &mut [f32]) {
        match pulp::x86::V3::try_new() {
            Some(simd) => simd.vectorize(narrow::Transpose {
                simd,
                rows,
                first,
                width,
                target,
            }),
            None => scalar(rows, 0, first, width, target),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn narrow(rows: [&[f32]; GROUP], first: usize, width: usize, target: &mut [f32]) {
        scalar(rows, 0, first, width, target);
    }

    proptest! {
        #[test]
        fn a_matrix_that_is_turned_twice_is_itself(rows in 0_usize..40, columns in 0_usize..70) {
            let values: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let turned = transposed(&values, rows, columns);
            prop_assert_eq!(turned.len(), values.len());
            for (at, &value) in turned.iter().enumerate() {
                prop_assert_eq!(value, values[at % rows * columns + at / rows]);
            }
            prop_assert_eq!(transposed(&turned, columns, rows), values);
        }

        #[test]
        fn each_sample_has_the_rows_and_the_last_one_again(
            rows in 1_usize..40, more in 0_usize..20, samples in 1_usize..70,
        ) {
            let values: Vec<f32> = (0..rows * samples).map(|i| i as f32).collect();
            let slices: Vec<&[f32]> = values.chunks_exact(samples).collect();
            let width = rows + more;
            let (mut target, mut plain, mut eights) = (vec![-1.0; samples * width], vec![-1.0; samples * width], vec![-1.0; samples * width]);
            transpose(&slices, width, &mut target);
            for first in (0..width).step_by(GROUP) {
                let group = std::array::from_fn(|lane| slices[(first + lane).min(rows - 1)]);
                scalar(group, 0, first, width, &mut plain);
                if width - first < GROUP {
                    scalar(group, 0, first, width, &mut eights);
                } else {
                    narrow(group, first, width, &mut eights);
                }
            }
            for target in [target, plain, eights] {
                for (n, target) in target.chunks_exact(width).enumerate() {
                    for (c, &value) in target.iter().enumerate() {
                        prop_assert_eq!(value, slices[c.min(rows - 1)][n]);
                    }
                }
            }
        }
    }
}
