//! Predictions of several heads together.

use super::Evaluation;
use crate::error::Result;
use crate::records::{Metrics, PredictionRule};

impl PredictionRule {
    /// Class probabilities of each sample; `None` if none of the heads that predict sees it. Heads that do not see a
    /// sample, or were not evaluated, count for nothing, and the others' shares make up for them.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`](crate::evaluation::evaluate()).
    pub fn probabilities(self, evaluation: &Evaluation, weights: &[f64]) -> Result<Vec<Option<Vec<f64>>>> {
        let shares = self.shares(weights);
        let mut mixed: Vec<Option<Vec<f64>>> = vec![None; evaluation.samples.len()];
        let mut missing = vec![0.0; evaluation.samples.len()];
        for (head, share) in shares.into_iter().enumerate() {
            if share == 0.0 || evaluation.heads[head].is_none() {
                continue;
            }
            let rows = evaluation.probabilities(head)?;
            for ((mixed, missing), row) in mixed.iter_mut().zip(&mut missing).zip(rows) {
                let Some(row) = row else {
                    *missing += share;
                    continue;
                };
                let mixed = mixed.get_or_insert_with(|| vec![0.0; row.len()]);
                mixed
                    .iter_mut()
                    .zip(row)
                    .for_each(|(mixed, p)| *mixed += share * p);
            }
        }
        for (mixed, missing) in mixed.iter_mut().zip(missing) {
            if let Some(mixed) = mixed
                && missing > 0.0
            {
                mixed.iter_mut().for_each(|p| *p /= 1.0 - missing);
            }
        }
        Ok(mixed)
    }

    /// How good the predictions are on the samples that there is one for; `None` without any.
    ///
    /// # Errors
    /// As [`probabilities`](Self::probabilities).
    pub fn metrics(self, evaluation: &Evaluation, weights: &[f64]) -> Result<Option<Metrics>> {
        let rows = self.probabilities(evaluation, weights)?;
        let (samples, rows): (Vec<usize>, Vec<Vec<f64>>) = rows
            .into_iter()
            .enumerate()
            .filter_map(|(sample, row)| Some((sample, row?)))
            .unzip();
        let targets = evaluation.targets.select(&samples);
        let losses = targets.loss_of_probabilities(&rows);
        Ok(Metrics::of(&rows, &losses, &targets))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::evaluation::HeadScores;
    use gblend_core::{Array, Targets};

    /// Two samples, two classes: the first head is sure and wrong on the second sample, the joint one unsure and
    /// right on both.
    fn evaluation() -> Evaluation {
        let scores = |values: [f32; 4]| {
            Some(HeadScores {
                rows: vec![0, 1],
                logits: Array::new([2, 2], values.to_vec()).unwrap(),
            })
        };
        Evaluation {
            samples: vec![0, 1],
            targets: Targets::Single(vec![0, 1]),
            heads: vec![scores([4.0, 0.0, 4.0, 0.0]), scores([0.1, 0.0, 0.0, 0.1])],
        }
    }

    #[test]
    fn the_joint_rule_is_the_joint_head() {
        let score = PredictionRule::Joint
            .metrics(&evaluation(), &[0.9, 0.1])
            .unwrap()
            .unwrap();
        assert_eq!(score.accuracy, 1.0);
        assert!((score.loss - (1.0 + (-0.1_f64).exp()).ln()).abs() < 1e-7);
    }

    #[test]
    fn the_mean_counts_heads_and_the_blend_their_weights() {
        let accuracy =
            |rule: PredictionRule, weights| rule.metrics(&evaluation(), weights).unwrap().unwrap().accuracy;
        assert_eq!(accuracy(PredictionRule::Mean, &[0.01, 0.99]), 0.5);
        assert_eq!(accuracy(PredictionRule::Blend, &[0.01, 0.99]), 1.0);
    }

    #[test]
    fn a_head_that_lacks_a_sample_leaves_it_to_the_others() {
        let mut evaluation = evaluation();
        evaluation.heads[0] = Some(HeadScores {
            rows: vec![1],
            logits: Array::new([1, 2], vec![4.0, 0.0]).unwrap(),
        });
        let joint = evaluation.probabilities(1).unwrap();
        let mixed = PredictionRule::Mean
            .probabilities(&evaluation, &[0.5, 0.5])
            .unwrap();
        assert_eq!(mixed[0], joint[0]);
        assert_ne!(mixed[1], joint[1]);
        let alone = PredictionRule::Joint
            .probabilities(&evaluation, &[1.0, 0.0])
            .unwrap();
        assert_eq!(alone[0], None);
        let sum: f64 = mixed[1].as_ref().unwrap().iter().sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }

    #[test]
    fn without_a_trained_joint_head_the_trained_ones_predict() {
        assert_eq!(PredictionRule::Joint.shares(&[0.0, 1.0, 0.0]), [0.0, 1.0, 0.0]);
        assert_eq!(PredictionRule::Mean.shares(&[0.5, 0.0, 0.5]), [0.5, 0.0, 0.5]);
    }
}
