//! Feature vectors of samples, and how near they are to each other.

use rayon::prelude::*;

/// Vectors of one length, one for each sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    values: Vec<f64>,
    width: usize,
}

impl Vectors {
    /// From their values, one vector after the other.
    pub fn new(values: &[f32], width: usize) -> Self {
        Self {
            values: values.iter().map(|&value| f64::from(value)).collect(),
            width: width.max(1),
        }
    }

    /// The number of vectors.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Their length.
    pub fn width(&self) -> usize {
        self.width
    }

    /// That of a sample.
    pub fn row(&self, sample: usize) -> &[f64] {
        &self.values[sample * self.width..][..self.width]
    }

    /// All of them.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }

    /// Those of some samples.
    #[must_use]
    pub fn select(&self, samples: &[usize]) -> Self {
        Self {
            values: samples
                .iter()
                .flat_map(|&sample| self.row(sample))
                .copied()
                .collect(),
            width: self.width,
        }
    }

    /// The same at length 1; one of zeros stays.
    #[must_use]
    pub fn directions(&self) -> Self {
        let values = self.rows().flat_map(|row| {
            let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
            let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            row.iter().map(move |value| scale * value)
        });
        Self {
            values: values.collect(),
            width: self.width,
        }
    }

    /// Their mean.
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.width];
        for row in self.rows() {
            mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += value);
        }
        let count = self.len().max(1) as f64;
        mean.iter_mut().for_each(|mean| *mean /= count);
        mean
    }

    /// What `of` makes of each vector's inner products with all of `others`, side by side on the threads of the pool; the same
    /// whatever their number.
    pub fn compared<T: Send>(&self, others: &Self, of: impl Fn(usize, &[f64]) -> T + Sync) -> Vec<T> {
        let rows = self.values.par_chunks_exact(self.width).enumerate();
        rows.map_init(
            || vec![0.0; others.len()],
            |products, (sample, row)| {
                for (product, other) in products.iter_mut().zip(others.rows()) {
                    *product = inner(row, other);
                }
                of(sample, products)
            },
        )
        .collect()
    }
}

/// An inner product, as sums that the processor can add up side by side.
fn inner(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let (of_a, of_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = of_a.remainder().iter().zip(of_b.remainder());
    let rest: f64 = rest.map(|(a, b)| a * b).sum();
    let mut sums = [0.0; LANES];
    for (a, b) in of_a.zip(of_b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}
