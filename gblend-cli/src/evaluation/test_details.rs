//! Counts what was said of the test samples, class by class.

use gblend_core::{Targets, Task};

use super::{Evaluation, predicted};
use crate::error::Result;
use crate::records::{ClassCounts, Confusion, Counts, PredictionRule, SubsetScore, TestDetails};

impl TestDetails {
    /// Of an evaluation of every head. Heads of weight 0 were not trained, and left out.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`](crate::evaluation::evaluate()).
    pub fn of(
        evaluation: &Evaluation,
        classes: &[String],
        names: &[String],
        weights: &[f64],
        rule: PredictionRule,
        subsets: Vec<SubsetScore>,
    ) -> Result<Self> {
        let confusion = |name: &str, rows: Vec<Option<Vec<f64>>>| {
            let seen = rows.into_iter().enumerate();
            let seen = seen.filter_map(|(sample, row)| Some((sample, row?)));
            let (samples, rows): (Vec<usize>, Vec<Vec<f64>>) = seen.unzip();
            Confusion::of(name, &rows, &evaluation.targets.select(&samples), classes.len())
        };
        let mut heads = Vec::new();
        for (head, (name, &weight)) in names.iter().zip(weights).enumerate() {
            if weight > 0.0 {
                heads.push(confusion(name, evaluation.probabilities(head)?));
            }
        }
        Ok(Self {
            classes: classes.to_vec(),
            prediction: confusion(rule.name(), rule.probabilities(evaluation, weights)?),
            heads,
            subsets,
        })
    }
}

impl Confusion {
    /// Counts what the class probabilities of each sample say.
    pub fn of(name: &str, rows: &[Vec<f64>], targets: &Targets, classes: usize) -> Self {
        let said = rows.iter().map(|row| predicted(targets.task(), row, 0.5));
        let counts = match targets.task() {
            Task::SingleLabel => {
                let mut matrix = vec![vec![0; classes]; classes];
                for (sample, said) in said.enumerate() {
                    for (&class, said) in targets.classes(sample).iter().zip(said) {
                        matrix[class][said] += 1;
                    }
                }
                Counts::Matrix(matrix)
            }
            Task::MultiLabel => {
                let mut each = vec![ClassCounts::default(); classes];
                for (sample, said) in said.enumerate() {
                    let right = targets.classes(sample);
                    for (class, counts) in each.iter_mut().enumerate() {
                        *match (right.contains(&class), said.contains(&class)) {
                            (true, true) => &mut counts.true_positives,
                            (false, true) => &mut counts.false_positives,
                            (true, false) => &mut counts.false_negatives,
                            (false, false) => &mut counts.true_negatives,
                        } += 1;
                    }
                }
                Counts::PerClass(each)
            }
        };
        Self {
            name: name.to_owned(),
            samples: rows.len() as u64,
            counts,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::records::Metrics;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_diagonal_is_the_accuracy(
            samples in proptest::collection::vec((0_usize..3, proptest::array::uniform3(0.0_f64..1.0)), 1..30),
        ) {
            let targets = Targets::Single(samples.iter().map(|(class, _)| *class).collect());
            let rows: Vec<Vec<f64>> = samples.iter().map(|(_, row)| row.to_vec()).collect();
            let confusion = Confusion::of("joint", &rows, &targets, 3);
            let Counts::Matrix(matrix) = &confusion.counts else { panic!("{confusion:?}") };
            let all: u64 = matrix.iter().flatten().sum();
            let right: u64 = (0..3).map(|class| matrix[class][class]).sum();
            let metrics = Metrics::of(&rows, &vec![0.0; rows.len()], &targets).unwrap();
            prop_assert_eq!(all, confusion.samples);
            prop_assert_eq!(right as f64 / all as f64, metrics.accuracy);
        }

        #[test]
        fn every_class_of_several_counts_every_sample_once(
            samples in proptest::collection::vec((0_u8..8, proptest::array::uniform3(0.0_f64..1.0)), 1..30),
        ) {
            let sets = samples.iter().map(|(bits, _)| (0..3).filter(|class| bits >> class & 1 == 1).collect());
            let targets = Targets::Multi(sets.collect());
            let rows: Vec<Vec<f64>> = samples.iter().map(|(_, row)| row.to_vec()).collect();
            let confusion = Confusion::of("joint", &rows, &targets, 3);
            let Counts::PerClass(each) = &confusion.counts else { panic!("{confusion:?}") };
            for class in each {
                let all = class.true_positives + class.false_positives + class.false_negatives + class.true_negatives;
                prop_assert_eq!(all, samples.len() as u64);
            }
        }
    }

    #[test]
    fn a_class_without_samples_has_no_recall() {
        let targets = Targets::Single(vec![0, 0, 2]);
        let rows = vec![vec![1.0, 0.0, 0.0], vec![0.0, 1.0, 0.0], vec![0.0, 0.0, 1.0]];
        let confusion = Confusion::of("joint", &rows, &targets, 3);
        assert_eq!(confusion.recalls(), [Some(0.5), None, Some(1.0)]);
    }
}
