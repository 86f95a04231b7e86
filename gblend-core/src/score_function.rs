//! How scores follow from what a head says, where other programs can be told.

use crate::array::Array;
use crate::error::{Error, Result};

/// The scores of a sample as a function of the output of a head, see
/// [`Criterion::score_function`](crate::Criterion::score_function).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ScoreFunction {
    /// The softmax of the output: probabilities of classes of which one is right.
    Softmax,
    /// The sigmoid of each value: a probability for each class.
    Sigmoid,
    /// `offset + factor · value`: numbers.
    Affine {
        /// What a value is multiplied by.
        factor: f32,
        /// What is added.
        offset: f32,
    },
}

impl ScoreFunction {
    /// The scores of each sample, in `f64`, from outputs `[batch, width]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the output has another rank.
    pub fn scores(self, output: &Array) -> Result<Vec<Vec<f64>>> {
        let &[_, width] = output.shape() else {
            return Err(Error::shape("a head's output", "[batch, width]", output.shape()));
        };
        let rows = output.values().chunks_exact(width.max(1));
        let scores = rows.map(|row| {
            let row = row.iter().map(|&value| f64::from(value));
            match self {
                Self::Softmax => {
                    let largest = row.clone().fold(f64::NEG_INFINITY, f64::max);
                    let shares: Vec<f64> = row.map(|value| (value - largest).exp()).collect();
                    let total: f64 = shares.iter().sum();
                    shares.into_iter().map(|share| share / total).collect()
                }
                Self::Sigmoid => row.map(|value| 1.0 / (1.0 + (-value).exp())).collect(),
                Self::Affine { factor, offset } => row
                    .map(|value| f64::from(offset) + f64::from(factor) * value)
                    .collect(),
            }
        });
        Ok(scores.collect())
    }
}
