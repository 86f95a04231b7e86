//! A weighted average of numbers.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::{PoolError, STRENGTH};
use crate::sample_size::SampleSize;
use crate::weights::BlendWeights;

/// A weighted average of what the heads predict, for targets that are numbers.
///
/// The weights are a point of the simplex. They minimize the mean squared error over the variance of the targets plus
/// `(10/n) ‖w − 1/H‖²`, on samples of n groups, each of its own where there are none, and H heads; with few of them the pool
/// is the mean of the heads. A stack of regressions with weights that are not negative: Breiman, "Stacked Regressions",
/// Machine Learning 24, 1996.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AveragePool(BlendWeights);

impl AveragePool {
    /// The mean of so many heads.
    ///
    /// # Errors
    /// [`PoolError::Empty`] without heads.
    pub fn mean_of(heads: usize) -> Result<Self, PoolError> {
        let equal = BlendWeights::equal(heads);
        equal.map(Self).map_err(|_| PoolError::Empty)
    }

    /// The weight of each head.
    pub fn weights(&self) -> &[f64] {
        self.0.as_slice()
    }

    /// Fits the weights. `rows` are the predictions of every head for each sample, `right` what was right, `size` how many
    /// samples that are, of how many groups.
    ///
    /// # Errors
    /// [`PoolError::Empty`] without samples or heads, [`PoolError::Sizes`] if rows are not of one length or there is not
    /// one right number for each, or if they are not as many as `size` says, [`PoolError::Value`] if a number is not finite.
    pub fn fit(rows: &[Vec<f64>], right: &[f64], size: SampleSize) -> Result<Self, PoolError> {
        let heads = rows.first().map_or(0, Vec::len);
        if heads == 0 {
            return Err(PoolError::Empty);
        }
        let sizes = |what, expected, found| PoolError::Sizes {
            what,
            expected,
            found,
        };
        if rows.len() != right.len() {
            return Err(sizes("right numbers", rows.len(), right.len()));
        }
        if rows.len() != size.samples() {
            return Err(sizes("samples", size.samples(), rows.len()));
        }
        if size.samples() == 0 {
            return Err(PoolError::Empty);
        }
        if let Some(odd) = rows.iter().find(|row| row.len() != heads) {
            return Err(sizes("predictions of a sample", heads, odd.len()));
        }
        if let Some(&value) = rows.iter().flatten().chain(right).find(|x| !x.is_finite()) {
            let what = "number";
            return Err(PoolError::Value { what, value });
        }
        let samples = rows.len() as f64;
        let center = right.iter().sum::<f64>() / samples;
        let variance = right.iter().map(|y| (y - center).powi(2)).sum::<f64>() / samples;
        // Targets that are all the same have no scale: errors count as they are.
        let scale = if variance > 0.0 { variance } else { 1.0 };
        // As the weights add up to 1, the error of the average is the average of the errors: e = Σ w_h (ŷ_h − y).
        let mut moments = DMatrix::<f64>::zeros(heads, heads);
        for (row, y) in rows.iter().zip(right) {
            for j in 0..heads {
                for k in 0..=j {
                    moments[(j, k)] += (row[j] - y) * (row[k] - y);
                }
            }
        }
        let pull = STRENGTH / size.groups();
        for j in 0..heads {
            for k in 0..=j {
                moments[(j, k)] /= samples * scale;
                moments[(k, j)] = moments[(j, k)];
            }
        }
        for j in 0..heads {
            moments[(j, j)] += pull;
        }
        let weights = least_on_simplex(&moments);
        let weights = BlendWeights::normalized(weights.as_slice().to_vec());
        weights.map(Self).map_err(|_| PoolError::Value {
            what: "weights of",
            value: f64::NAN,
        })
    }

    /// The average of what the heads predict for a sample.
    ///
    /// # Errors
    /// [`PoolError::Sizes`] if the pool was fitted on another number of heads.
    pub fn predict(&self, heads: &[f64]) -> Result<f64, PoolError> {
        let weights = self.weights();
        if heads.len() != weights.len() {
            return Err(PoolError::Sizes {
                what: "heads",
                expected: weights.len(),
                found: heads.len(),
            });
        }
        Ok(heads
            .iter()
            .zip(weights)
            .map(|(head, weight)| head * weight)
            .sum())
    }
}

/// The point of the simplex where `wᵀMw` is least, M positive definite. There `‖w − 1/H‖²` is `‖w‖²` but for a
/// constant, which is why the penalty stands on M's diagonal alone.
///
/// The active set method: on the positions that are free the minimum is a linear system; a step towards it stops at the
/// first weight that would become negative, and a position at 0 is let free again where the function falls that way.
fn least_on_simplex(moments: &DMatrix<f64>) -> DVector<f64> {
    let heads = moments.nrows();
    let mut weights = DVector::from_element(heads, 1.0 / heads as f64);
    let mut free = vec![true; heads];
    // Each turn frees or holds one position; a strictly convex problem visits no set twice.
    for _ in 0..(1_usize << heads.min(12)).saturating_mul(2) {
        let set: Vec<usize> = (0..heads).filter(|&k| free[k]).collect();
        let inner = DMatrix::from_fn(set.len(), set.len(), |j, k| moments[(set[j], set[k])]);
        let Some(cholesky) = inner.cholesky() else {
            break;
        };
        let ones = DVector::from_element(set.len(), 1.0);
        let solved = cholesky.solve(&ones);
        let total = solved.sum();
        let mut target = DVector::zeros(heads);
        for (position, &k) in set.iter().enumerate() {
            target[k] = solved[position] / total;
        }
        let blocking = set
            .iter()
            .copied()
            .filter(|&k| target[k] < 0.0)
            .map(|k| (weights[k] / (weights[k] - target[k]), k))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((length, k)) = blocking {
            weights = &weights + (&target - &weights) * length;
            weights[k] = 0.0;
            free[k] = false;
            continue;
        }
        weights = target;
        let slope = moments * &weights;
        let level = set.first().map_or(0.0, |&k| slope[k]);
        let falls = (0..heads)
            .filter(|&k| !free[k] && slope[k] < level - 1e-12 * level.abs().max(1e-300))
            .min_by(|&j, &k| slope[j].total_cmp(&slope[k]));
        match falls {
            Some(k) => free[k] = true,
            None => break,
        }
    }
    weights
}
