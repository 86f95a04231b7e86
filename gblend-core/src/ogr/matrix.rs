//! A small symmetric matrix.

use serde::{Deserialize, Serialize};

/// A symmetric matrix of one row per head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Symmetric {
    size: usize,
    /// Row by row.
    values: Vec<f64>,
}

impl Symmetric {
    /// The matrix with these entries; only those with `row >= column` are asked for.
    pub fn from_fn(size: usize, mut entry: impl FnMut(usize, usize) -> f64) -> Self {
        let mut values = vec![0.0; size * size];
        for row in 0..size {
            for column in 0..=row {
                let value = entry(row, column);
                values[row * size + column] = value;
                values[column * size + row] = value;
            }
        }
        Self { size, values }
    }

    /// Zeros.
    pub fn zeros(size: usize) -> Self {
        Self::from_fn(size, |_, _| 0.0)
    }

    /// The number of rows.
    pub fn size(&self) -> usize {
        self.size
    }

    /// One entry; both indices are below [`size`](Self::size).
    pub fn get(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.size + column]
    }

    /// The entries on the diagonal.
    pub fn diagonal(&self) -> Vec<f64> {
        (0..self.size).map(|k| self.get(k, k)).collect()
    }

    /// `xᵀMx`.
    pub fn quadratic(&self, x: &[f64]) -> f64 {
        let rows = self.values.chunks_exact(self.size.max(1)).zip(x);
        rows.map(|(row, xi)| xi * row.iter().zip(x).map(|(m, xj)| m * xj).sum::<f64>())
            .sum()
    }
}
