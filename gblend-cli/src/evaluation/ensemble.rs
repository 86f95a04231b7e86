//! The heads that predict together.

use std::collections::BTreeSet;

use gblend_core::{EffectiveGroups, Pooling};

use super::Evaluation;
use crate::error::Result;
use crate::network::{Criteria, HeadCriterion};
use crate::records::{FittedPool, PredictionRule, SubsetPool};

/// What predictions are made with, besides what heads say of a sample.
#[derive(Clone, Copy)]
pub struct Ensemble<'a> {
    /// What each head is asked.
    pub criteria: &'a Criteria,
    /// The weights of the heads' losses; a head of weight 0 was not trained, and has no say.
    pub weights: &'a [f64],
    /// The pool of the heads; without one, pools are the mean of the heads.
    pub pool: Option<&'a FittedPool>,
}

impl<'a> Ensemble<'a> {
    /// Heads whose pool was not fitted, or is not yet.
    pub fn unpooled(criteria: &'a Criteria, weights: &'a [f64]) -> Self {
        Self {
            criteria,
            weights,
            pool: None,
        }
    }

    /// What is asked of predictions.
    pub fn lead(&self) -> &'a HeadCriterion {
        self.criteria.of_predictions(self.weights)
    }

    /// The trained heads that are asked what predictions are asked, in ascending order.
    pub fn heads(&self) -> Vec<usize> {
        let asked = self.lead().kind();
        let heads = 0..self.criteria.heads();
        heads
            .filter(|&head| self.weights.get(head).is_some_and(|&weight| weight > 0.0))
            .filter(|&head| self.criteria.of(head).kind() == asked)
            .collect()
    }

    /// Whether there are several heads, and the objective takes them together.
    pub fn can_pool(&self) -> bool {
        self.lead().get().pooling() != Pooling::Never && self.heads().len() > 1
    }

    /// Fits the pool of the heads to what they say of samples that they were not trained on: one pool for each set of heads that
    /// [`FittedPool::LEAST_SAMPLES`] labeled samples are seen by, under the weights of classes that losses have. `None` if there
    /// is none. `groups` has the number of each sample's group, where samples are of groups ([`units`](crate::data::units)).
    ///
    /// # Errors
    /// [`Error::Data`](gblend_core::Error::Data) if what a head says is no probability, or no number, or there is not one group for
    /// each sample.
    pub fn fit(&self, unseen: &Evaluation, groups: Option<&[usize]>) -> Result<Option<FittedPool>> {
        if !self.can_pool() {
            return Ok(None);
        }
        let scores = self.scores(unseen)?;
        let mut sets: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
        for sample in 0..unseen.samples.len() {
            if unseen.targets.labels[sample].is_missing() {
                continue;
            }
            let seen = seen(&scores, sample);
            match sets.iter_mut().find(|(heads, _)| *heads == seen) {
                Some((_, samples)) => samples.push(sample),
                None => sets.push((seen, vec![sample])),
            }
        }
        sets.retain(|(heads, samples)| heads.len() > 1 && samples.len() >= FittedPool::LEAST_SAMPLES);
        // The set that most heads are in comes first, whatever the order of the samples.
        sets.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        let mut pools = Vec::with_capacity(sets.len());
        for (heads, samples) in sets {
            let rows = samples
                .iter()
                .map(|&sample| said(&scores, sample))
                .collect::<Vec<_>>();
            let labels = unseen.targets.select(&samples).labels;
            let lead = self.lead();
            let groups = groups.map(|groups| selected(groups, &samples));
            let groups = groups.as_deref();
            let pool = gblend_core::HeadPool::fit(
                lead.get().pooling(),
                &rows,
                &labels,
                lead.class_weights(),
                groups,
            );
            let pool = pool.map_err(|error| gblend_core::Error::data("the samples of the pool", error))?;
            pools.extend(pool.map(|pool| SubsetPool {
                heads,
                samples: samples.len(),
                groups: groups.map(EffectiveGroups::of),
                pool,
            }));
        }
        let fitted = FittedPool { pools, folds: None };
        Ok(Some(fitted).filter(|fitted| !fitted.pools.is_empty()))
    }

    /// The mean loss of what a rule predicts of samples that the heads were not trained on; `None` if none counts. Where that is a
    /// pool, each fifth of the samples is predicted by one that is fitted to the others, so that a pool of more heads has no
    /// advantage by fitting better. Groups are whole in a part; with fewer than five there are fewer parts, and a single one is
    /// divided.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn unseen_loss(
        &self,
        rule: PredictionRule,
        unseen: &Evaluation,
        groups: Option<&[usize]>,
    ) -> Result<Option<f64>> {
        if rule != PredictionRule::Pool || !self.can_pool() {
            return Ok(rule.metrics(unseen, self)?.map(|metrics| metrics.loss));
        }
        let parts = parts(unseen.samples.len(), groups);
        let (mut sum, mut samples) = (0.0, 0.0);
        for part in parts.iter().copied().collect::<BTreeSet<_>>() {
            let others: Vec<usize> = (0..parts.len()).filter(|&row| parts[row] != part).collect();
            let of_others = groups.map(|groups| selected(groups, &others));
            let pool = self.fit(&unseen.part(|row| parts[row] != part), of_others.as_deref())?;
            let pooled = Ensemble {
                pool: pool.as_ref(),
                ..*self
            };
            let left_out = unseen.part(|row| parts[row] == part);
            if let Some(metrics) = rule.metrics(&left_out, &pooled)? {
                let labels = left_out.targets.labels.iter();
                let counted = labels.filter(|label| !label.is_missing()).count() as f64;
                (sum, samples) = (sum + counted * metrics.loss, samples + counted);
            }
        }
        Ok((samples > 0.0).then(|| sum / samples))
    }

    /// The pooled scores of each sample; `None` if no head sees it.
    pub(super) fn pooled(&self, evaluation: &Evaluation) -> Result<Vec<Option<Vec<f64>>>> {
        let scores = self.scores(evaluation)?;
        let pooled = (0..evaluation.samples.len()).map(|sample| {
            let (heads, rows) = (seen(&scores, sample), said(&scores, sample));
            let fitted = self.pool.and_then(|pool| pool.of(&heads));
            // What is no probability has no product; its mean is none either, and says so.
            fitted.and_then(|pool| pool.scores(&rows).ok()).or_else(|| {
                let share = 1.0 / rows.len().max(1) as f64;
                let equal: Vec<(f64, Option<&[f64]>)> = rows.iter().map(|row| (share, Some(*row))).collect();
                self.lead().get().pool(&equal)
            })
        });
        Ok(pooled.collect())
    }

    /// The scores of each sample by each of the heads.
    fn scores(&self, evaluation: &Evaluation) -> Result<Vec<HeadScores>> {
        let heads = self.heads().into_iter();
        let scores = heads.map(|head| Ok((head, evaluation.scores(self.criteria, head)?)));
        scores.collect()
    }
}

/// The part of each sample, of at most five.
fn parts(samples: usize, groups: Option<&[usize]>) -> Vec<usize> {
    const PARTS: usize = 5;
    match groups {
        Some(groups) if groups.iter().any(|group| *group != groups[0]) => {
            groups.iter().map(|group| group % PARTS).collect()
        }
        _ => (0..samples).map(|row| row % PARTS).collect(),
    }
}

/// The groups of these samples.
fn selected(groups: &[usize], samples: &[usize]) -> Vec<usize> {
    samples
        .iter()
        .filter_map(|&sample| groups.get(sample).copied())
        .collect()
}

/// A head's position, and its scores of each sample unless it does not see it.
type HeadScores = (usize, Vec<Option<Vec<f64>>>);

/// The heads that see a sample.
fn seen(scores: &[HeadScores], sample: usize) -> Vec<usize> {
    let seen = scores.iter().filter(|(_, scores)| scores[sample].is_some());
    seen.map(|(head, _)| *head).collect()
}

/// What they say of it.
fn said(scores: &[HeadScores], sample: usize) -> Vec<&[f64]> {
    scores
        .iter()
        .filter_map(|(_, scores)| scores[sample].as_deref())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{criterion, labels};
    use super::*;
    use crate::evaluation::HeadOutput;
    use crate::records::{SelectedBy, Selection};
    use gblend_core::{Array, LabelKind};
    use proptest::prelude::*;

    const HEADS: usize = 3;
    const WEIGHTS: [f64; HEADS] = [0.2, 0.3, 0.5];

    fn criteria() -> Criteria {
        Criteria::alike(HEADS, || criterion(LabelKind::Class, 2))
    }

    /// Of each sample: its class, what each head is for the first class, and which of the modalities' heads see it.
    fn sample() -> impl Strategy<Value = (usize, [f32; HEADS], u8)> {
        (0_usize..2, proptest::array::uniform3(-3.0_f32..3.0), 1_u8..4)
    }

    fn evaluation(samples: &[(usize, [f32; HEADS], u8)]) -> Evaluation {
        let classes: Vec<usize> = samples.iter().map(|(class, ..)| *class).collect();
        let heads = (0..HEADS).map(|head| {
            let sees = |(_, _, seen): &(usize, [f32; HEADS], u8)| head + 1 == HEADS || seen >> head & 1 == 1;
            let rows: Vec<usize> = (0..samples.len()).filter(|&row| sees(&samples[row])).collect();
            let values = rows.iter().flat_map(|&row| [samples[row].1[head], 0.0]).collect();
            let output = Array::new([rows.len(), 2], values).unwrap();
            Some(HeadOutput { rows, output })
        });
        Evaluation {
            samples: (0..samples.len()).collect(),
            targets: labels(&classes),
            heads: heads.collect(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_pool_has_no_larger_loss_than_the_mean_where_it_was_fitted(
            samples in proptest::collection::vec(sample(), 60..120),
        ) {
            let (evaluation, criteria) = (evaluation(&samples), criteria());
            let unpooled = Ensemble::unpooled(&criteria, &WEIGHTS);
            let pool = unpooled.fit(&evaluation, None).unwrap();
            let pooled = Ensemble { pool: pool.as_ref(), ..unpooled };
            let loss = |ensemble: &Ensemble<'_>| {
                PredictionRule::Pool.metrics(&evaluation, ensemble).unwrap().unwrap().loss
            };
            prop_assert!(loss(&pooled) <= loss(&unpooled) + 1e-12);
            prop_assert_eq!(
                loss(&unpooled),
                PredictionRule::Mean.metrics(&evaluation, &unpooled).unwrap().unwrap().loss
            );
        }

        #[test]
        fn a_part_says_of_its_samples_what_the_whole_says(
            samples in proptest::collection::vec(sample(), 1..40), every in 1_usize..5,
        ) {
            let (evaluation, criteria) = (evaluation(&samples), criteria());
            let part = evaluation.part(|row| row % every == 0);
            for head in 0..HEADS {
                let of_all = evaluation.losses(&criteria, head).unwrap();
                let expected: Vec<Option<f64>> = of_all.into_iter().step_by(every).collect();
                prop_assert_eq!(part.losses(&criteria, head).unwrap(), expected);
            }
        }

        #[test]
        fn what_a_pool_predicts_of_others_is_judged_and_not_what_it_was_fitted_to(
            samples in proptest::collection::vec(sample(), 60..120),
        ) {
            let (evaluation, criteria) = (evaluation(&samples), criteria());
            let unpooled = Ensemble::unpooled(&criteria, &WEIGHTS);
            let pool = unpooled.fit(&evaluation, None).unwrap();
            let fitted = Ensemble { pool: pool.as_ref(), ..unpooled };
            let fitted = PredictionRule::Pool.metrics(&evaluation, &fitted).unwrap().unwrap().loss;
            let unseen = unpooled.unseen_loss(PredictionRule::Pool, &evaluation, None).unwrap().unwrap();
            // A pool's penalty may leave it a little worse where it was fitted than it could be.
            prop_assert!(unseen >= fitted - 0.02, "{unseen} {fitted}");
            let joint = unpooled.unseen_loss(PredictionRule::Joint, &evaluation, None).unwrap().unwrap();
            prop_assert_eq!(joint, PredictionRule::Joint.metrics(&evaluation, &unpooled).unwrap().unwrap().loss);
        }

        #[test]
        fn each_set_of_heads_is_pooled_by_its_own_samples(
            samples in proptest::collection::vec(sample(), 90..150), seen in 1_u8..4,
        ) {
            let (all, criteria) = (evaluation(&samples), criteria());
            let ensemble = Ensemble::unpooled(&criteria, &WEIGHTS);
            let own: Vec<_> = samples.iter().copied().filter(|sample| sample.2 == seen).collect();
            let heads: Vec<usize> = (0..HEADS).filter(|head| head + 1 == HEADS || seen >> head & 1 == 1).collect();
            let fitted = ensemble.fit(&all, None).unwrap().unwrap_or_default();
            let alone = ensemble.fit(&evaluation(&own), None).unwrap().unwrap_or_default();
            prop_assert_eq!(fitted.of(&heads), alone.of(&heads));
            prop_assert_eq!(fitted.of(&heads).is_some(), own.len() >= FittedPool::LEAST_SAMPLES);
        }
    }

    proptest! {
        #[test]
        fn no_group_is_in_two_parts_and_no_part_is_all_there_is(samples in 2_usize..60, count in 1_usize..9) {
            let groups: Vec<usize> = (0..samples).map(|sample| sample * sample % count.min(samples)).collect();
            let divided = groups.iter().all(|group| *group == groups[0]);
            for known in [None, Some(&groups[..])] {
                let parts = parts(samples, known);
                prop_assert!(parts.len() == samples && parts.iter().all(|&part| part < 5));
                prop_assert!(parts.iter().any(|&part| part != parts[0]));
                let in_one = |(a, b): (usize, usize)| groups[a] != groups[b] || parts[a] == parts[b];
                let mut pairs = (0..samples).flat_map(|a| (0..a).map(move |b| (a, b)));
                prop_assert!(known.is_none() || divided || pairs.all(in_one));
            }
        }
    }

    #[test]
    fn a_pool_counts_the_groups_of_its_samples_and_believes_heads_more_alike_for_it() {
        let criteria = criteria();
        let samples: Vec<_> = (0..60)
            .map(|index| {
                let right = if index % 2 == 0 { 2.0 } else { -2.0 };
                (index % 2, [right, 0.3 * right, -0.5 * right], 3)
            })
            .collect();
        let evaluation = evaluation(&samples);
        let fit = |groups: Option<&[usize]>| {
            let fitted = Ensemble::unpooled(&criteria, &WEIGHTS).fit(&evaluation, groups);
            fitted.unwrap().unwrap().pools.remove(0)
        };
        let spread = |pool: &SubsetPool| {
            let exponents = pool.pool.exponents();
            let heads = &exponents[..HEADS];
            heads.iter().fold(0.0, |most: f64, e| most.max(*e))
                - heads.iter().fold(4.0, |least: f64, e| least.min(*e))
        };
        let alone = fit(None);
        let of_each = fit(Some(&(0..60).collect::<Vec<_>>()));
        let of_three = fit(Some(&(0..60).map(|index| index % 3).collect::<Vec<_>>()));
        assert_eq!(
            (alone.groups, of_each.groups, of_three.groups),
            [None, Some(60), Some(3)]
                .map(|groups| groups.map(EffectiveGroups::equal))
                .into()
        );
        assert_eq!(alone.pool, of_each.pool);
        assert!(spread(&of_three) < 0.5 * spread(&alone), "{of_three:?} {alone:?}");
        let too_few = Ensemble::unpooled(&criteria, &WEIGHTS).fit(&evaluation, Some(&[0, 1]));
        assert!(too_few.is_err());
    }

    #[test]
    fn few_samples_and_a_single_trained_head_have_no_pool() {
        let criteria = criteria();
        let samples: Vec<_> = (0..40).map(|index| (index % 2, [1.0, -1.0, 0.5], 3)).collect();
        let fit = |count: usize, weights: &[f64]| {
            Ensemble::unpooled(&criteria, weights)
                .fit(&evaluation(&samples[..count]), None)
                .unwrap()
        };
        assert!(fit(30, &WEIGHTS).is_some());
        assert_eq!(fit(29, &WEIGHTS), None);
        assert_eq!(fit(40, &[0.0, 0.0, 1.0]), None);
        assert_eq!(fit(40, &[0.5, 0.0, 0.5]).unwrap().pools[0].heads, [0, 2]);
    }

    #[test]
    fn samples_without_a_label_fit_nothing() {
        let criteria = criteria();
        let samples: Vec<_> = (0..40).map(|index| (index % 2, [1.0, -1.0, 0.5], 3)).collect();
        let mut evaluation = evaluation(&samples);
        evaluation.targets.labels[10..].fill(gblend_core::Label::Missing);
        assert_eq!(
            Ensemble::unpooled(&criteria, &WEIGHTS)
                .fit(&evaluation, None)
                .unwrap(),
            None
        );
    }

    #[test]
    fn pooled_heads_are_selected_by_the_loss_of_their_mean_and_one_head_by_its_accuracy() {
        let criteria = criteria();
        let samples: Vec<_> = (0..40).map(|index| (index % 2, [1.0, -1.0, 0.5], 3)).collect();
        let evaluation = evaluation(&samples);
        let mean = PredictionRule::Mean
            .metrics(&evaluation, &Ensemble::unpooled(&criteria, &WEIGHTS))
            .unwrap()
            .unwrap();
        let several = PredictionRule::Pool
            .selection(&evaluation, &criteria, &WEIGHTS)
            .unwrap();
        let by_mean = Selection {
            by: SelectedBy::MeanLoss,
            figures: [-mean.loss, 0.0],
            validation: mean.clone(),
        };
        assert_eq!(several, Some(by_mean));
        let one = [0.0, 0.0, 1.0];
        let alone = PredictionRule::Pool
            .selection(&evaluation, &criteria, &one)
            .unwrap()
            .unwrap();
        assert_eq!(
            Some(alone.clone()),
            PredictionRule::Joint
                .selection(&evaluation, &criteria, &one)
                .unwrap()
        );
        assert_eq!(alone.figures[0], 0.5);
    }
}
