//! What a prediction is taken from: the joint head, or several heads together.

use crate::error::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::eval::{Evaluation, Score, highest};

/// Which heads predict. Heads that were not trained have no say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PredictionRule {
    /// The joint head, as in the paper.
    #[default]
    Joint,
    /// The mean of the heads' probabilities.
    Mean,
    /// The mean of the heads' probabilities by the weights of their losses.
    Blend,
}

impl PredictionRule {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::Joint, Self::Mean, Self::Blend];

    /// The name in configurations and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Joint => "joint",
            Self::Mean => "mean",
            Self::Blend => "blend",
        }
    }

    /// How much each head's probabilities count, from the weights of their losses with the joint head's last;
    /// they add up to 1. Without a trained joint head, the trained ones stand in for it.
    pub fn shares(self, weights: &[f64]) -> Vec<f64> {
        let joint = weights.len().saturating_sub(1);
        let counts: Vec<f64> = weights
            .iter()
            .enumerate()
            .map(|(head, &weight)| match self {
                Self::Joint if weights[joint] > 0.0 => f64::from(u8::from(head == joint)),
                Self::Joint | Self::Mean => f64::from(u8::from(weight > 0.0)),
                Self::Blend => weight,
            })
            .collect();
        let sum: f64 = counts.iter().sum();
        counts.into_iter().map(|count| count / sum).collect()
    }

    /// Class probabilities of each sample. Heads that were not evaluated count for nothing.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`](crate::eval::evaluate).
    pub fn probabilities(self, evaluation: &Evaluation, weights: &[f64]) -> Result<Vec<Vec<f64>>> {
        let mut mixed: Vec<Vec<f64>> = Vec::new();
        for (head, share) in self.shares(weights).into_iter().enumerate() {
            if share == 0.0 {
                continue;
            }
            let rows = evaluation.probabilities(head)?;
            if mixed.is_empty() {
                mixed = rows.iter().map(|row| vec![0.0; row.len()]).collect();
            }
            for (mixed, row) in mixed.iter_mut().zip(rows) {
                mixed
                    .iter_mut()
                    .zip(row)
                    .for_each(|(mixed, p)| *mixed += share * p);
            }
        }
        Ok(mixed)
    }

    /// Accuracy and mean cross entropy of the prediction; `None` without samples.
    ///
    /// # Errors
    /// As [`probabilities`](Self::probabilities).
    pub fn score(self, evaluation: &Evaluation, weights: &[f64]) -> Result<Option<Score>> {
        let rows = self.probabilities(evaluation, weights)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let pairs = || rows.iter().zip(&evaluation.labels);
        let right = pairs()
            .filter(|(row, label)| highest(row) == Some(**label))
            .count();
        // A probability that rounds to 0 would make the mean infinite.
        let loss: f64 = pairs()
            .map(|(row, &label)| -row[label].max(f64::MIN_POSITIVE).ln())
            .sum();
        Ok(Some(Score {
            accuracy: right as f64 / rows.len() as f64,
            loss: loss / rows.len() as f64,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::Array;

    /// Two samples, two classes: the first head is sure and wrong on the second sample, the joint one unsure and
    /// right on both.
    fn evaluation() -> Evaluation {
        let logits = |values: [f32; 4]| Some(Array::new([2, 2], values.to_vec()).unwrap());
        Evaluation {
            samples: vec![0, 1],
            labels: vec![0, 1],
            logits: vec![logits([4.0, 0.0, 4.0, 0.0]), logits([0.1, 0.0, 0.0, 0.1])],
        }
    }

    #[test]
    fn the_joint_rule_is_the_joint_head() {
        let score = PredictionRule::Joint
            .score(&evaluation(), &[0.9, 0.1])
            .unwrap()
            .unwrap();
        assert_eq!(score.accuracy, 1.0);
        assert!((score.loss - (1.0 + (-0.1_f64).exp()).ln()).abs() < 1e-7);
    }

    #[test]
    fn the_mean_counts_heads_and_the_blend_their_weights() {
        let accuracy =
            |rule: PredictionRule, weights| rule.score(&evaluation(), weights).unwrap().unwrap().accuracy;
        assert_eq!(accuracy(PredictionRule::Mean, &[0.01, 0.99]), 0.5);
        assert_eq!(accuracy(PredictionRule::Blend, &[0.01, 0.99]), 1.0);
    }

    #[test]
    fn without_a_trained_joint_head_the_trained_ones_predict() {
        assert_eq!(PredictionRule::Joint.shares(&[0.0, 1.0, 0.0]), [0.0, 1.0, 0.0]);
        assert_eq!(PredictionRule::Mean.shares(&[0.5, 0.0, 0.5]), [0.5, 0.0, 0.5]);
    }
}
