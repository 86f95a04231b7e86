//! How far heads moved between two checkpoints.

use serde::{Deserialize, Serialize};

use super::Symmetric;

/// Mean losses of one head at one checkpoint, in evaluation mode.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Losses {
    /// `L^T`: over samples that the head trains on.
    pub train: f64,
    /// `L^V`: over samples that it does not train on.
    pub held_out: f64,
}

impl Losses {
    /// The overfitting gap `O = L^V − L^T`.
    pub fn overfitting_gap(self) -> f64 {
        self.held_out - self.train
    }
}

/// The overfitting-to-generalization ratio `|ΔO / ΔG|`; infinite for a head that overfits and gains nothing.
pub fn ogr(delta_o: f64, delta_g: f64) -> f64 {
    (delta_o / delta_g).abs()
}

/// How far every head moved, and how well that is known.
///
/// Either the movement between two checkpoints, or, per unit of learning rate, that of a step: then the
/// entries are means of inner products over batches and `covariance` is theirs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Movements {
    /// `ΔO` of each head, the joint one last.
    pub delta_o: Vec<f64>,
    /// `ΔG` of each head; positive where the held-out loss fell.
    pub delta_g: Vec<f64>,
    /// Covariance of the heads' `ΔO`: of their sampling error, or from batch to batch.
    pub covariance: Symmetric,
}

impl Movements {
    /// The movement between two checkpoints whose losses are all that is known: no sampling error.
    ///
    /// Entries beyond the shorter list are ignored.
    pub fn between(before: &[Losses], after: &[Losses]) -> Self {
        let pairs = || before.iter().zip(after);
        Self {
            delta_o: pairs()
                .map(|(before, after)| after.overfitting_gap() - before.overfitting_gap())
                .collect(),
            delta_g: pairs()
                .map(|(before, after)| before.held_out - after.held_out)
                .collect(),
            covariance: Symmetric::zeros(before.len().min(after.len())),
        }
    }

    /// The number of heads.
    pub fn len(&self) -> usize {
        self.delta_g.len()
    }

    /// Whether there is no head.
    pub fn is_empty(&self) -> bool {
        self.delta_g.is_empty()
    }

    /// Whether every figure is finite.
    pub fn is_finite(&self) -> bool {
        let diagonal = self.covariance.diagonal();
        let all = self.delta_o.iter().chain(&self.delta_g).chain(&diagonal);
        all.copied().all(f64::is_finite)
    }

    /// `A_jk = E[o_j o_k]`: the product of the two means and their covariance, `E[O²] = O² + Var(O)` on the
    /// diagonal. `floor` lifts each `|ΔO|` to that share of the largest one first: `ΔG / ΔO²` goes as one
    /// over the movement, so the weight of a head that has hardly moved yet would be noise.
    pub fn second_moments(&self, floor: f64, with_covariance: bool) -> Symmetric {
        let largest = self.delta_o.iter().fold(0.0_f64, |most, o| most.max(o.abs()));
        let lifted: Vec<f64> = self
            .delta_o
            .iter()
            .map(|o| o.signum() * o.abs().max(floor * largest))
            .collect();
        Symmetric::from_fn(self.len(), |j, k| {
            let covariance = if with_covariance {
                self.covariance.get(j, k)
            } else {
                0.0
            };
            lifted[j] * lifted[k] + covariance
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_held_out_minus_train_and_not_their_sum() {
        let losses = Losses {
            train: 0.6,
            held_out: 1.55,
        };
        assert!((losses.overfitting_gap() - 0.95).abs() < 1e-15);
    }

    #[test]
    fn movements_are_differences_and_not_absolute_losses() {
        let before = [Losses {
            train: 2.3,
            held_out: 2.31,
        }];
        let after = [Losses {
            train: 1.2,
            held_out: 1.6,
        }];
        let moved = Movements::between(&before, &after);
        assert!((moved.delta_g[0] - 0.71).abs() < 1e-12);
        assert!((moved.delta_o[0] - 0.39).abs() < 1e-12);
    }

    #[test]
    fn the_second_moment_is_the_square_and_the_variance() {
        let moved = Movements {
            delta_o: vec![0.1, 0.4],
            delta_g: vec![1.0, 1.0],
            covariance: Symmetric::from_fn(2, |j, k| if j == k { 0.01 } else { 0.002 }),
        };
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-15, "{a} {b}");
        let a = moved.second_moments(0.0, true);
        close(a.get(0, 0), 0.02);
        close(a.get(0, 1), 0.042);
        // Half of the largest, .4, is .2.
        close(moved.second_moments(0.5, false).get(0, 0), 0.04);
    }
}
