//! Vectors of length 1.

use gblend_core::nn::{divide, fork, offset, repeat, sqrt, square, sum_axis};
use gblend_core::tensor::Features;
use gblend_core::{Array, Result};
use rayon::prelude::*;

/// Added to the square of a vector's length, so that one of zeros has a direction of zeros.
const EPSILON: f32 = 1e-8;

/// Products that are added up side by side.
const LANES: usize = 8;

/// Rows `[rows, width]` at length 1.
///
/// # Errors
/// [`Error::Device`](gblend_core::Error::Device).
pub(in crate::objective) fn unit_rows(rows: Features) -> Result<Features> {
    let &(_, width) = rows.shape();
    let (numerator, denominator) = fork(rows);
    let lengths = sqrt(offset(sum_axis(square(denominator)?, 1)?, EPSILON)?)?;
    divide(numerator, repeat(lengths, 1, width)?)
}

/// Directions of vectors on the host, in `f64`.
#[derive(Clone, Debug)]
pub(in crate::objective) struct Directions {
    values: Vec<f64>,
    width: usize,
}

impl Directions {
    /// Those of the rows of an output at these positions, from column `from` on.
    pub(in crate::objective) fn of(output: &Array, rows: &[usize], from: usize, width: usize) -> Self {
        let length = output.shape().last().copied().unwrap_or(0);
        let mut values = Vec::with_capacity(rows.len() * width);
        for &row in rows {
            let row = &output.values()[row * length + from..][..width];
            let squares: f64 = row.iter().map(|&value| f64::from(value).powi(2)).sum();
            let norm = (squares + f64::from(EPSILON)).sqrt();
            values.extend(row.iter().map(|&value| f64::from(value) / norm));
        }
        Self { values, width }
    }

    /// With those of `others` after them.
    pub(in crate::objective) fn and(mut self, others: &Self) -> Self {
        self.values.extend_from_slice(&others.values);
        self
    }

    /// Their values in single precision, one after the other.
    pub(in crate::objective) fn to_single(&self) -> Vec<f32> {
        self.values.iter().map(|&value| value as f32).collect()
    }

    /// The cosine of each to that of `others` at the same place.
    pub(in crate::objective) fn with_each(&self, others: &Self) -> Vec<f64> {
        let pairs = self
            .values
            .chunks_exact(self.width.max(1))
            .zip(others.values.chunks_exact(self.width.max(1)));
        pairs.map(|(one, other)| inner(one, other)).collect()
    }

    /// How many there are.
    pub(in crate::objective) fn len(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    fn rows(&self) -> impl IndexedParallelIterator<Item = &[f64]> {
        self.values.par_chunks_exact(self.width.max(1))
    }

    /// What `of` makes of each of these and of its cosines to all of `others`, side by side on the threads of the pool; every
    /// one is the same whatever the number of threads.
    pub(in crate::objective) fn compared<T: Send>(
        &self,
        others: &Self,
        of: impl Fn(usize, &[f64]) -> T + Sync,
    ) -> Vec<T> {
        let rows = self.rows().enumerate();
        let compared = rows.map_init(
            || vec![0.0; others.len()],
            |cosines, (place, row)| {
                let others = others.values.chunks_exact(others.width.max(1));
                for (cosine, other) in cosines.iter_mut().zip(others) {
                    *cosine = inner(row, other);
                }
                of(place, cosines)
            },
        );
        compared.collect()
    }
}

/// An inner product, as several sums so that the processor need not wait for one to go on with the next.
fn inner(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_lanes.remainder().iter().zip(b_lanes.remainder());
    let rest: f64 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a_lanes.zip(b_lanes) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_inner_product_is_the_sum_of_products(pairs in proptest::collection::vec((-9.0..9.0, -9.0..9.0), 0..40)) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
            let plain: f64 = pairs.iter().map(|&(a, b): &(f64, f64)| a * b).sum();
            prop_assert!((inner(&a, &b) - plain).abs() < 1e-9);
        }
    }
}
