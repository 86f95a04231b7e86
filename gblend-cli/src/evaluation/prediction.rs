//! Predictions of several heads together.

use gblend_core::{HeadPool, Pooling};

use super::{Ensemble, Evaluation};
use crate::error::Result;
use crate::network::Criteria;
use crate::records::{Metrics, PredictionRule, SelectedBy, Selection};

/// How the heads are taken together that see a sample which has every modality.
#[derive(Clone, Debug)]
pub enum Combined<'a> {
    /// Positions of heads and their shares in a mean, which add up to 1; one alone predicts as it is.
    Mean(Vec<(usize, f64)>),
    /// A pool that was fitted, and positions of its heads.
    Pool(&'a HeadPool, Vec<usize>),
}

/// How heads are taken together for samples that some of them do not see.
pub struct CombinedInPart<'a> {
    /// Positions of heads and their shares in a mean, to which those that see a sample contribute.
    pub mean: Vec<(usize, f64)>,
    /// Positions of heads and the pool of samples that these see, and no other of the heads of the mean.
    pub pools: Vec<(&'a [usize], &'a HeadPool)>,
}

/// What each way of predicting says of the samples of an evaluation that it says something of.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored(Vec<(PredictionRule, Rows)>);

/// Rows of an evaluation, and the scores of each.
pub(super) type Rows = (Vec<usize>, Vec<Vec<f64>>);

/// The rows that have scores.
pub(super) fn rows_of(scores: Vec<Option<Vec<f64>>>) -> Rows {
    let rows = scores.into_iter().enumerate();
    rows.filter_map(|(row, scores)| Some((row, scores?))).unzip()
}

impl Scored {
    /// Scores every sample by every rule.
    ///
    /// # Errors
    /// As [`PredictionRule::scores`].
    pub fn of(evaluation: &Evaluation, ensemble: &Ensemble<'_>) -> Result<Self> {
        let rules = PredictionRule::ALL.into_iter();
        let scored = rules.map(|rule| Ok((rule, rows_of(rule.scores(evaluation, ensemble)?))));
        Ok(Self(scored.collect::<Result<_>>()?))
    }

    /// The samples that a rule says something of, by their rows, and what it says.
    pub fn of_rule(&self, rule: PredictionRule) -> (&[usize], &[Vec<f64>]) {
        let found = self.0.iter().find(|(other, _)| *other == rule);
        found.map_or((&[], &[]), |(_, (rows, scores))| (rows, scores))
    }
}

impl PredictionRule {
    /// The rule that stands in where heads are not pooled, or no pool was fitted.
    fn standing_in(self, ensemble: &Ensemble<'_>) -> Self {
        match self {
            Self::Pool if ensemble.lead().get().pooling() == Pooling::Never => Self::Joint,
            Self::Pool if ensemble.pool.is_none() => Self::Mean,
            other => other,
        }
    }

    /// How heads are taken together for a sample which has every modality, as by [`scores`](Self::scores).
    pub fn combined<'a>(self, ensemble: &Ensemble<'a>) -> Combined<'a> {
        let rule = self.standing_in(ensemble);
        if rule == Self::Pool && ensemble.can_pool() {
            let heads = ensemble.heads();
            return match ensemble.pool.and_then(|pool| pool.of(&heads)) {
                Some(pool) => Combined::Pool(pool, heads),
                None => Combined::Mean(equally(heads)),
            };
        }
        Combined::Mean(rule.shares_of_lead(ensemble))
    }

    /// How heads are taken together for a sample which some of them do not see, as by [`scores`](Self::scores).
    pub fn combined_in_part<'a>(self, ensemble: &Ensemble<'a>) -> CombinedInPart<'a> {
        let rule = self.standing_in(ensemble);
        if rule == Self::Pool && ensemble.can_pool() {
            let pools = ensemble.pool.iter().flat_map(|fitted| &fitted.pools);
            return CombinedInPart {
                mean: equally(ensemble.heads()),
                pools: pools
                    .map(|subset| (subset.heads.as_slice(), &subset.pool))
                    .collect(),
            };
        }
        CombinedInPart {
            mean: rule.shares_of_lead(ensemble),
            pools: Vec::new(),
        }
    }

    /// The heads that are asked what predictions are asked, and their shares.
    fn shares_of_lead(self, ensemble: &Ensemble<'_>) -> Vec<(usize, f64)> {
        let lead = ensemble.lead().kind();
        let shares = self.shares(ensemble.weights).into_iter().enumerate();
        let alike = shares.filter(|&(head, share)| share > 0.0 && ensemble.criteria.of(head).kind() == lead);
        let alike: Vec<(usize, f64)> = alike.collect();
        let total: f64 = alike.iter().map(|(_, share)| share).sum();
        let alike = alike.into_iter();
        alike.map(|(head, share)| (head, share / total)).collect()
    }

    /// The scores of each sample, as the objective of predictions takes heads together; `None` if none of the heads that
    /// predict sees it. Heads that do not see a sample, were not evaluated, or were asked something else, count for
    /// nothing.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`](crate::evaluation::evaluate()) and the criteria of its network.
    pub fn scores(self, evaluation: &Evaluation, ensemble: &Ensemble<'_>) -> Result<Vec<Option<Vec<f64>>>> {
        let (criteria, weights) = (ensemble.criteria, ensemble.weights);
        let lead = ensemble.lead();
        let rule = match self.standing_in(ensemble) {
            Self::Pool if ensemble.can_pool() => return ensemble.pooled(evaluation),
            other => other,
        };
        let mut heads = Vec::new();
        let mut others = 0.0;
        for (head, share) in rule.shares(weights).into_iter().enumerate() {
            let alike = criteria.of(head).kind() == lead.kind();
            if share > 0.0 && alike && evaluation.heads[head].is_some() {
                heads.push((share, evaluation.scores(criteria, head)?));
            } else {
                others += share;
            }
        }
        // One alone says what it says, whether or not heads of its kind can be taken together.
        if heads.len() == 1 {
            return Ok(heads.remove(0).1);
        }
        if others > 0.0 {
            heads.iter_mut().for_each(|(share, _)| *share /= 1.0 - others);
        }
        let pooled = (0..evaluation.samples.len()).map(|sample| {
            let of_heads = heads
                .iter()
                .map(|(share, scores)| (*share, scores[sample].as_deref()));
            let of_heads: Vec<(f64, Option<&[f64]>)> = of_heads.collect();
            lead.get().pool(&of_heads)
        });
        Ok(pooled.collect())
    }

    /// How good the predictions are on the samples that there is one for; `None` without any that counts.
    ///
    /// # Errors
    /// As [`scores`](Self::scores).
    pub fn metrics(self, evaluation: &Evaluation, ensemble: &Ensemble<'_>) -> Result<Option<Metrics>> {
        let (rows, scores) = rows_of(self.scores(evaluation, ensemble)?);
        metrics(evaluation, ensemble, (&rows, &scores))
    }

    /// How good what selects an epoch is on its validation samples; `None` without validation samples that count.
    ///
    /// A pool is not there before an epoch is selected. Its heads are judged by the loss of their mean, which needs no fit and
    /// is steadier from epoch to epoch than an accuracy, or the loss of one head.
    ///
    /// # Errors
    /// As [`scores`](Self::scores).
    pub fn selection(
        self,
        validation: &Evaluation,
        criteria: &Criteria,
        weights: &[f64],
    ) -> Result<Option<Selection>> {
        let ensemble = Ensemble::unpooled(criteria, weights);
        let pooled = self == Self::Pool && ensemble.can_pool();
        let metrics = self.metrics(validation, &ensemble)?;
        Ok(metrics.map(|validation| {
            let (by, figures) = match pooled {
                true => (SelectedBy::MeanLoss, [-validation.loss, 0.0]),
                false => {
                    let lead = ensemble.lead();
                    let (kinds, selection) = (lead.get().metric_kinds(), lead.selection());
                    let figure = validation.selection(kinds, selection);
                    let mut named = selection
                        .iter()
                        .filter_map(|&kind| Some(kinds.get(kind)?.name.as_ref()));
                    let name = named.find(|name| validation.get(name).is_some());
                    let by = SelectedBy::Figure(name.unwrap_or("loss").to_owned());
                    (by, [figure, -validation.loss])
                }
            };
            Selection {
                by,
                validation,
                figures,
            }
        }))
    }
}

/// Heads that count the same.
fn equally(heads: Vec<usize>) -> Vec<(usize, f64)> {
    let share = 1.0 / heads.len().max(1) as f64;
    heads.into_iter().map(|head| (head, share)).collect()
}

/// How good the scores of some rows are; `None` without any that counts.
pub(super) fn metrics(
    evaluation: &Evaluation,
    ensemble: &Ensemble<'_>,
    (rows, scores): (&[usize], &[Vec<f64>]),
) -> Result<Option<Metrics>> {
    let targets = evaluation.targets.select(rows);
    let lead = ensemble.lead();
    let losses = lead.losses_of_scores(scores, &targets)?;
    Metrics::of(lead.get(), scores, &losses, &targets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{criterion, labels};
    use super::*;
    use crate::evaluation::HeadOutput;
    use gblend_core::{Array, LabelKind};

    /// Two samples, two classes: the first head is sure and wrong on the second sample, the joint one unsure and
    /// right on both.
    fn evaluation() -> Evaluation {
        let scores = |values: [f32; 4]| {
            Some(HeadOutput {
                rows: vec![0, 1],
                output: Array::new([2, 2], values.to_vec()).unwrap(),
            })
        };
        Evaluation {
            samples: vec![0, 1],
            targets: labels(&[0, 1]),
            heads: vec![scores([4.0, 0.0, 4.0, 0.0]), scores([0.1, 0.0, 0.0, 0.1])],
        }
    }

    fn criteria() -> Criteria {
        Criteria::alike(2, || criterion(LabelKind::Class, 2))
    }

    #[test]
    fn the_joint_rule_is_the_joint_head() {
        let score = PredictionRule::Joint
            .metrics(&evaluation(), &Ensemble::unpooled(&criteria(), &[0.9, 0.1]))
            .unwrap()
            .unwrap();
        assert_eq!(score.accuracy, Some(1.0));
        assert!((score.loss - (1.0 + (-0.1_f64).exp()).ln()).abs() < 1e-7);
    }

    #[test]
    fn the_mean_counts_heads_and_the_blend_their_weights() {
        let accuracy = |rule: PredictionRule, weights: &[f64]| {
            let metrics = rule
                .metrics(&evaluation(), &Ensemble::unpooled(&criteria(), weights))
                .unwrap();
            metrics.unwrap().accuracy
        };
        assert_eq!(accuracy(PredictionRule::Mean, &[0.01, 0.99]), Some(0.5));
        assert_eq!(accuracy(PredictionRule::Blend, &[0.01, 0.99]), Some(1.0));
    }

    #[test]
    fn a_head_that_lacks_a_sample_leaves_it_to_the_others() {
        let mut evaluation = evaluation();
        evaluation.heads[0] = Some(HeadOutput {
            rows: vec![1],
            output: Array::new([1, 2], vec![4.0, 0.0]).unwrap(),
        });
        let joint = evaluation.scores(&criteria(), 1).unwrap();
        let mixed = PredictionRule::Mean
            .scores(&evaluation, &Ensemble::unpooled(&criteria(), &[0.5, 0.5]))
            .unwrap();
        assert_eq!(mixed[0], joint[0]);
        assert_ne!(mixed[1], joint[1]);
        let alone = PredictionRule::Joint
            .scores(&evaluation, &Ensemble::unpooled(&criteria(), &[1.0, 0.0]))
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
