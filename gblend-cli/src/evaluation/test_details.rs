//! Counts what was said of the test samples.

use gblend_core::{Answer, Criterion, Label, LabelKind, Targets};

use super::prediction::rows_of;
use super::{Ensemble, Evaluation, Scored};
use crate::error::Result;
use crate::records::{Calibration, ClassCounts, Confusion, Counts, PredictionRule, SubsetScore, TestDetails};

/// More points than a scatter can show.
const MOST_PAIRS: usize = 2000;

impl TestDetails {
    /// Of an evaluation of every head. Heads of weight 0 were not trained, and left out.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`](crate::evaluation::evaluate()) and the criteria of its network.
    pub fn of(
        evaluation: &Evaluation,
        ensemble: &Ensemble<'_>,
        scored: &Scored,
        labels: (LabelKind, &[String]),
        names: &[String],
        rule: PredictionRule,
        subsets: Vec<SubsetScore>,
    ) -> Result<Self> {
        let (criteria, weights) = (ensemble.criteria, ensemble.weights);
        let (kind, classes) = labels;
        let confusion = |name: &str, criterion: &dyn Criterion, seen: (&[usize], &[Vec<f64>])| {
            let (samples, scores) = seen;
            let targets = evaluation.targets.select(samples);
            Confusion::of(name, criterion, scores, &targets, (kind, classes.len()))
        };
        let mut heads = Vec::new();
        for (head, (name, &weight)) in names.iter().zip(weights).enumerate() {
            if weight > 0.0 {
                let (samples, scores) = rows_of(evaluation.scores(criteria, head)?);
                heads.push(confusion(name, criteria.of(head).get(), (&samples, &scores)));
            }
        }
        Ok(Self {
            classes: classes.to_vec(),
            prediction: confusion(rule.name(), ensemble.lead().get(), scored.of_rule(rule)),
            heads,
            calibration: calibrations(evaluation, ensemble, scored, kind)?,
            subsets,
        })
    }
}

/// Of the joint head, or the only one that was trained, and where several were of what they say together.
fn calibrations(
    evaluation: &Evaluation,
    ensemble: &Ensemble<'_>,
    scored: &Scored,
    kind: LabelKind,
) -> Result<Vec<Calibration>> {
    let trained = ensemble.weights.iter().filter(|&&weight| weight > 0.0).count();
    let rules = [
        (PredictionRule::Joint, true),
        (PredictionRule::Mean, trained > 1),
        (PredictionRule::Pool, ensemble.pool.is_some()),
    ];
    let mut all = Vec::new();
    for (rule, _) in rules.into_iter().filter(|(_, there)| *there) {
        let (samples, scores) = scored.of_rule(rule);
        let targets = evaluation.targets.select(samples);
        let criterion = ensemble.lead().get();
        all.extend(Calibration::of(rule.name(), criterion, scores, &targets, kind));
    }
    Ok(all)
}

impl Confusion {
    /// Counts what the scores of each sample say, of those that have a label; `labels` are their kind and the number of
    /// classes.
    pub fn of(
        name: &str,
        criterion: &dyn Criterion,
        scores: &[Vec<f64>],
        targets: &Targets,
        labels: (LabelKind, usize),
    ) -> Self {
        let labeled = scores.iter().zip(&targets.labels);
        let labeled = labeled.filter(|(_, label)| !label.is_missing());
        let answers: Vec<(Answer, &Label)> = labeled
            .map(|(scores, label)| (criterion.answer(scores), label))
            .collect();
        Self {
            name: name.to_owned(),
            samples: answers.len() as u64,
            counts: match labels {
                (LabelKind::Class, classes) => matrix(&answers, classes),
                (LabelKind::Classes, classes) => per_class(&answers, classes),
                (LabelKind::Number, _) => pairs(&answers),
                _ => None,
            }
            .unwrap_or(Counts::Nothing),
        }
    }
}

/// `None` if something else than classes is said.
fn matrix(answers: &[(Answer, &Label)], classes: usize) -> Option<Counts> {
    let mut matrix = vec![vec![0; classes]; classes];
    for (answer, label) in answers {
        let Answer::Classes(said) = answer else {
            return None;
        };
        for (&class, &said) in label.classes().iter().zip(said) {
            *matrix.get_mut(class)?.get_mut(said)? += 1;
        }
    }
    Some(Counts::Matrix(matrix))
}

fn per_class(answers: &[(Answer, &Label)], classes: usize) -> Option<Counts> {
    let mut each = vec![ClassCounts::default(); classes];
    for (answer, label) in answers {
        let Answer::Classes(said) = answer else {
            return None;
        };
        let right = label.classes();
        for (class, counts) in each.iter_mut().enumerate() {
            *match (right.contains(&class), said.contains(&class)) {
                (true, true) => &mut counts.true_positives,
                (false, true) => &mut counts.false_positives,
                (true, false) => &mut counts.false_negatives,
                (false, false) => &mut counts.true_negatives,
            } += 1;
        }
    }
    Some(Counts::PerClass(each))
}

/// What is right and what is said; of many samples some, evenly taken.
fn pairs(answers: &[(Answer, &Label)]) -> Option<Counts> {
    let count = answers.len().min(MOST_PAIRS);
    let taken = (0..count).map(|place| &answers[place * answers.len() / count]);
    let pairs = taken.map(|(answer, label)| match (answer, label) {
        (Answer::Number(said), Label::Number(right)) => Some([*right, *said]),
        _ => None,
    });
    Some(Counts::Pairs(pairs.collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::testing::{criterion, labels};
    use super::*;
    use crate::records::Metrics;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_diagonal_is_the_accuracy(
            samples in proptest::collection::vec((0_usize..3, proptest::array::uniform3(0.0_f64..1.0)), 1..30),
        ) {
            let targets = labels(&samples.iter().map(|(class, _)| *class).collect::<Vec<_>>());
            let rows: Vec<Vec<f64>> = samples.iter().map(|(_, row)| row.to_vec()).collect();
            let criterion = criterion(LabelKind::Class, 3);
            let confusion = Confusion::of("joint", criterion.as_ref(), &rows, &targets, (LabelKind::Class, 3));
            let Counts::Matrix(matrix) = &confusion.counts else { panic!("{confusion:?}") };
            let all: u64 = matrix.iter().flatten().sum();
            let right: u64 = (0..3).map(|class| matrix[class][class]).sum();
            let losses = vec![Some(0.0); rows.len()];
            let metrics = Metrics::of(criterion.as_ref(), &rows, &losses, &targets).unwrap().unwrap();
            prop_assert_eq!(all, confusion.samples);
            prop_assert_eq!(Some(right as f64 / all as f64), metrics.accuracy);
        }

        #[test]
        fn every_class_of_several_counts_every_sample_once(
            samples in proptest::collection::vec((0_u8..8, proptest::array::uniform3(0.0_f64..1.0)), 1..30),
        ) {
            let sets = samples.iter().map(|(bits, _)| (0..3).filter(|class| bits >> class & 1 == 1).collect());
            let targets = Targets::new(sets.map(Label::Classes).collect());
            let rows: Vec<Vec<f64>> = samples.iter().map(|(_, row)| row.to_vec()).collect();
            let criterion = criterion(LabelKind::Classes, 3);
            let confusion = Confusion::of("joint", criterion.as_ref(), &rows, &targets, (LabelKind::Classes, 3));
            let Counts::PerClass(each) = &confusion.counts else { panic!("{confusion:?}") };
            for class in each {
                let all = class.true_positives + class.false_positives + class.false_negatives + class.true_negatives;
                prop_assert_eq!(all, samples.len() as u64);
            }
        }
    }

    #[test]
    fn a_class_without_samples_has_no_recall() {
        let targets = labels(&[0, 0, 2]);
        let rows = vec![vec![1.0, 0.0, 0.0], vec![0.0, 1.0, 0.0], vec![0.0, 0.0, 1.0]];
        let criterion = criterion(LabelKind::Class, 3);
        let confusion = Confusion::of(
            "joint",
            criterion.as_ref(),
            &rows,
            &targets,
            (LabelKind::Class, 3),
        );
        assert_eq!(confusion.recalls(), [Some(0.5), None, Some(1.0)]);
    }

    #[test]
    fn numbers_stand_in_pairs_and_of_many_some_do() {
        let count = 3 * MOST_PAIRS;
        let numbers: Vec<f64> = (0..count).map(|sample| sample as f64).collect();
        let mut labels: Vec<Label> = numbers.iter().map(|&number| Label::Number(number)).collect();
        labels[1] = Label::Missing;
        let scores: Vec<Vec<f64>> = numbers.iter().map(|&number| vec![number + 0.5]).collect();
        let criterion = criterion(LabelKind::Number, 0);
        let of = |count: usize| {
            let targets = Targets::new(labels[..count].to_vec());
            Confusion::of(
                "joint",
                criterion.as_ref(),
                &scores[..count],
                &targets,
                (LabelKind::Number, 0),
            )
        };
        assert_eq!(of(3).counts, Counts::Pairs(vec![[0.0, 0.5], [2.0, 2.5]]));
        assert_eq!(of(3).samples, 2);
        let Counts::Pairs(pairs) = of(count).counts else {
            panic!("no pairs")
        };
        assert_eq!(pairs.len(), MOST_PAIRS);
        assert!(pairs.iter().all(|[right, said]| said - right == 0.5));
    }
}
