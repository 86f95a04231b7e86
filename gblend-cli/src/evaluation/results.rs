//! What an evaluation says, head by head and rule by rule.

use super::prediction::metrics;
use super::{Ensemble, Evaluation, Scored};
use crate::error::Result;
use crate::network::Criteria;
use crate::records::{Metrics, PredictionRule};

/// How good one head is.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadResult {
    /// Its position, the joint head's being the last.
    pub head: usize,
    /// Samples that it sees, and that have a label if it needs one.
    pub samples: usize,
    /// How good it is on these.
    pub metrics: Metrics,
}

impl Evaluation {
    /// How good each head is that was asked for and sees a sample.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`](super::evaluate()) and the criteria of its network.
    pub fn results(&self, criteria: &Criteria) -> Result<Vec<HeadResult>> {
        let heads = self.metrics(criteria)?.into_iter().enumerate();
        let heads = heads.filter_map(|(head, metrics)| {
            Some(HeadResult {
                head,
                samples: self.counted(criteria, head),
                metrics: metrics?,
            })
        });
        Ok(heads.collect())
    }

    /// How good each way of predicting is.
    ///
    /// # Errors
    /// As [`results`](Self::results).
    pub fn predictions(
        &self,
        ensemble: &Ensemble<'_>,
        scored: &Scored,
    ) -> Result<Vec<(PredictionRule, Metrics)>> {
        let rules = PredictionRule::ALL.into_iter().map(|rule| {
            let metrics = metrics(self, ensemble, scored.of_rule(rule))?;
            Ok(metrics.map(|metrics| (rule, metrics)))
        });
        rules.filter_map(Result::transpose).collect()
    }
}
