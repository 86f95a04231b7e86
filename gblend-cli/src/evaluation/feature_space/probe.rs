//! A linear probe: what a linear classifier reads out of features.
//!
//! Ridge regression of ±1 for each class on standardized features, with an intercept: one solution in closed form, the same on
//! every machine to the digits of its arithmetic, so that nothing depends on how long an optimizer runs.

use super::vectors::Vectors;

/// The strength of the penalty on standardized features.
const PENALTY: f64 = 1.0;

/// Whether a probe that is fitted to `known` is right about each of `judged`; none can be where it is fitted to one class.
pub(super) fn probe_right(known: (&Vectors, &[u32]), judged: (&Vectors, &[u32])) -> Vec<bool> {
    let mut classes: Vec<u32> = known.1.to_vec();
    classes.sort_unstable();
    classes.dedup();
    let Some(probe) = Probe::fit(known.0, known.1, &classes) else {
        return vec![false; judged.1.len()];
    };
    let said = judged.0.rows().map(|row| classes[probe.highest(row)]);
    said.zip(judged.1).map(|(said, &class)| said == class).collect()
}

struct Probe {
    mean: Vec<f64>,
    deviation: Vec<f64>,
    /// Of each class, the weight of each feature and the intercept.
    weights: Vec<Vec<f64>>,
    intercepts: Vec<f64>,
}

impl Probe {
    fn fit(features: &Vectors, of_samples: &[u32], classes: &[u32]) -> Option<Self> {
        let (count, width) = (features.len(), features.width());
        if count == 0 || classes.len() < 2 {
            return None;
        }
        let mean = features.mean();
        let mut deviation = vec![0.0; width];
        for row in features.rows() {
            let values = row.iter().zip(&mean);
            deviation
                .iter_mut()
                .zip(values)
                .for_each(|(sum, (value, mean))| *sum += (value - mean).powi(2));
        }
        for sum in &mut deviation {
            *sum = (*sum / count as f64).sqrt();
            if *sum == 0.0 {
                *sum = 1.0;
            }
        }
        let mut probe = Self {
            mean,
            deviation,
            weights: Vec::new(),
            intercepts: Vec::new(),
        };
        let rows: Vec<Vec<f64>> = features.rows().map(|row| probe.standardized(row)).collect();
        let mut gram = vec![vec![0.0; width]; width];
        for row in &rows {
            for (line, &a) in gram.iter_mut().zip(row) {
                line.iter_mut().zip(row).for_each(|(sum, b)| *sum += a * b);
            }
        }
        gram.iter_mut()
            .enumerate()
            .for_each(|(place, line)| line[place] += PENALTY);
        let factor = cholesky(gram)?;
        for &class in classes {
            let targets: Vec<f64> = of_samples
                .iter()
                .map(|&of| if of == class { 1.0 } else { -1.0 })
                .collect();
            let intercept = targets.iter().sum::<f64>() / count as f64;
            let mut products = vec![0.0; width];
            for (row, target) in rows.iter().zip(&targets) {
                let centered = target - intercept;
                products
                    .iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += centered * value);
            }
            probe.weights.push(solve(&factor, products));
            probe.intercepts.push(intercept);
        }
        Some(probe)
    }

    fn standardized(&self, row: &[f64]) -> Vec<f64> {
        let figures = self.mean.iter().zip(&self.deviation);
        row.iter()
            .zip(figures)
            .map(|(value, (mean, deviation))| (value - mean) / deviation)
            .collect()
    }

    /// The place of the class with the highest score.
    fn highest(&self, row: &[f64]) -> usize {
        let row = self.standardized(row);
        let scores = self
            .weights
            .iter()
            .zip(&self.intercepts)
            .map(|(weights, intercept)| {
                intercept
                    + weights
                        .iter()
                        .zip(&row)
                        .map(|(weight, value)| weight * value)
                        .sum::<f64>()
            });
        let mut best = (f64::NEG_INFINITY, 0);
        for (place, score) in scores.enumerate() {
            if score > best.0 {
                best = (score, place);
            }
        }
        best.1
    }
}

/// The lower triangle whose product with its transpose is the matrix; `None` if that is not positive.
fn cholesky(mut matrix: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    for row in 0..matrix.len() {
        for column in 0..=row {
            let products = matrix[row][..column].iter().zip(&matrix[column][..column]);
            let rest = matrix[row][column] - products.map(|(a, b)| a * b).sum::<f64>();
            matrix[row][column] = match row == column {
                true if rest > 0.0 => rest.sqrt(),
                true => return None,
                false => rest / matrix[column][column],
            };
        }
    }
    Some(matrix)
}

/// The solution of the equations whose matrix has this factor.
fn solve(factor: &[Vec<f64>], mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for row in 0..size {
        let known = factor[row][..row]
            .iter()
            .zip(&right)
            .map(|(a, b)| a * b)
            .sum::<f64>();
        right[row] = (right[row] - known) / factor[row][row];
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size)
            .map(|below| factor[below][row] * right[below])
            .sum();
        right[row] = (right[row] - known) / factor[row][row];
    }
    right
}
