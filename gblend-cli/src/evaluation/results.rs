//! What an evaluation says, head by head and rule by rule.

use super::Evaluation;
use crate::error::Result;
use crate::records::{Metrics, PredictionRule};

/// How good one head is.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadResult {
    /// Its position, the joint head's being the last.
    pub head: usize,
    /// Samples that it sees.
    pub samples: usize,
    /// How good it is on these.
    pub metrics: Metrics,
}

impl Evaluation {
    /// How good each head is that was asked for and sees a sample.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`](super::evaluate()).
    pub fn results(&self) -> Result<Vec<HeadResult>> {
        let heads = self.heads.iter().zip(self.metrics()?).enumerate();
        let heads = heads.filter_map(|(head, (scores, metrics))| {
            Some(HeadResult {
                head,
                samples: scores.as_ref()?.rows.len(),
                metrics: metrics?,
            })
        });
        Ok(heads.collect())
    }

    /// How good each way of predicting is, from heads whose losses have these weights.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`](super::evaluate()).
    pub fn predictions(&self, weights: &[f64]) -> Result<Vec<(PredictionRule, Metrics)>> {
        let rules = PredictionRule::ALL.into_iter().map(|rule| {
            let metrics = rule.metrics(self, weights)?;
            Ok(metrics.map(|metrics| (rule, metrics)))
        });
        rules.filter_map(Result::transpose).collect()
    }
}
