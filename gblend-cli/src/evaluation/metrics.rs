//! Counts how good predictions are.

use gblend_core::{Array, Targets, Task};

use crate::error::Result;
use crate::records::{Metrics, Score};

impl Score {
    /// Of class scores `[samples, classes]`.
    ///
    /// # Errors
    /// If there is not one label for each row, or a label is out of range.
    pub fn of(logits: &Array, targets: &Targets) -> Result<Self> {
        let losses = targets.loss_of_each(logits)?;
        let classes = logits.shape()[1].max(1);
        let rows = logits.values().chunks_exact(classes);
        let right = rows
            .enumerate()
            .filter(|(sample, row)| predicted(targets.task(), row, 0.0) == targets.classes(*sample));
        let count = targets.len().max(1) as f64;
        Ok(Self {
            accuracy: right.count() as f64 / count,
            loss: losses.iter().sum::<f64>() / count,
        })
    }
}

impl Metrics {
    /// Of the probability of each class for each sample, and the loss of each sample; `None` without samples.
    pub fn of(rows: &[Vec<f64>], losses: &[f64], targets: &Targets) -> Option<Self> {
        if rows.is_empty() {
            return None;
        }
        let said: Vec<Vec<usize>> = rows
            .iter()
            .map(|row| predicted(targets.task(), row, 0.5))
            .collect();
        let right = said.iter().enumerate();
        let right = right.filter(|(sample, said)| said.as_slice() == targets.classes(*sample));
        let count = rows.len() as f64;
        Some(Self {
            accuracy: right.count() as f64 / count,
            loss: losses.iter().sum::<f64>() / count,
            macro_f1: macro_f1(&said, targets, rows[0].len()),
            mean_average_precision: match targets.task() {
                Task::SingleLabel => None,
                Task::MultiLabel => mean_average_precision(rows, targets),
            },
        })
    }
}

/// The classes that a row of scores names: the highest one, or all of at least `threshold`.
pub fn predicted<T: PartialOrd + Copy>(task: Task, row: &[T], threshold: T) -> Vec<usize> {
    match task {
        Task::SingleLabel => highest(row).into_iter().collect(),
        Task::MultiLabel => (0..row.len()).filter(|&class| row[class] >= threshold).collect(),
    }
}

/// The first position of the highest value; `None` if there is a NaN, which is no prediction.
pub fn highest<T: PartialOrd + Copy>(row: &[T]) -> Option<usize> {
    let mut best: Option<(usize, T)> = None;
    for (index, &value) in row.iter().enumerate() {
        #[allow(clippy::eq_op)] // A NaN is the one value that differs from itself.
        if value != value {
            return None;
        }
        if best.is_none_or(|(_, highest)| value > highest) {
            best = Some((index, value));
        }
    }
    best.map(|(index, _)| index)
}

fn macro_f1(said: &[Vec<usize>], targets: &Targets, classes: usize) -> f64 {
    let (mut both, mut either) = (vec![0_usize; classes], vec![0_usize; classes]);
    for (sample, said) in said.iter().enumerate() {
        let right = targets.classes(sample);
        for &class in said {
            both[class] += usize::from(right.contains(&class));
        }
        said.iter().chain(right).for_each(|&class| either[class] += 1);
    }
    let scores: Vec<f64> = both
        .iter()
        .zip(&either)
        .filter(|(_, either)| **either > 0)
        .map(|(&both, &either)| 2.0 * both as f64 / either as f64)
        .collect();
    match scores.len() {
        // Nothing is there and nothing was said.
        0 => 1.0,
        count => scores.iter().sum::<f64>() / count as f64,
    }
}

fn mean_average_precision(rows: &[Vec<f64>], targets: &Targets) -> Option<f64> {
    let classes = rows.first().map_or(0, Vec::len);
    let precisions: Vec<f64> = (0..classes)
        .filter_map(|class| {
            let samples = rows.iter().enumerate();
            let scored = samples.map(|(sample, row)| (row[class], targets.classes(sample).contains(&class)));
            average_precision(scored.collect())
        })
        .collect();
    let sum: f64 = precisions.iter().sum();
    (!precisions.is_empty()).then(|| sum / precisions.len() as f64)
}

/// `None` if no sample has the class. A NaN counts as the highest probability.
fn average_precision(mut scored: Vec<(f64, bool)>) -> Option<f64> {
    let positives = scored.iter().filter(|(_, positive)| *positive).count();
    if positives == 0 {
        return None;
    }
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let (mut sum, mut found, mut seen) = (0.0, 0_usize, 0_usize);
    for tied in scored.chunk_by(|(a, _), (b, _)| a.total_cmp(b).is_eq()) {
        let new = tied.iter().filter(|(_, positive)| *positive).count();
        found += new;
        seen += tied.len();
        sum += new as f64 / positives as f64 * (found as f64 / seen as f64);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_score_is_the_share_of_right_samples_and_the_mean_loss() {
        let logits = Array::new([3, 2], vec![2.0, 0.0, 0.0, 2.0, 5.0, 0.0]).unwrap();
        let score = Score::of(&logits, &Targets::Single(vec![0, 1, 1])).unwrap();
        let small = (1.0 + (-2.0_f64).exp()).ln();
        let large = 5.0 + (1.0 + (-5.0_f64).exp()).ln();
        assert_eq!(score.accuracy, 2.0 / 3.0);
        assert!((score.loss - (2.0 * small + large) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_tie_goes_to_the_first_and_a_nan_to_nobody() {
        assert_eq!(highest(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(highest(&[f32::NAN, 1.0]), None);
        assert_eq!(highest::<f32>(&[]), None);
    }

    #[test]
    fn several_labels_are_right_only_together() {
        let logits = Array::new([2, 2], vec![1.0, 1.0, 1.0, -1.0]).unwrap();
        let score = Score::of(&logits, &Targets::Multi(vec![vec![0], vec![0]])).unwrap();
        assert_eq!(score.accuracy, 0.5);
    }

    fn rows() -> Vec<Vec<f64>> {
        vec![
            vec![0.6, 0.3, 0.1],
            vec![0.2, 0.3, 0.5],
            vec![0.5, 0.5, 0.0],
            vec![0.1, 0.8, 0.7],
            vec![0.4, 0.1, 0.5],
            vec![0.9, 0.2, 0.5],
        ]
    }

    #[test]
    fn one_label_is_measured_as_by_scikit_learn() {
        // accuracy_score and f1_score(average="macro") of the most probable class.
        let targets = Targets::Single(vec![0, 2, 1, 1, 0, 2]);
        let metrics = Metrics::of(&rows(), &[0.0; 6], &targets).unwrap();
        assert!((metrics.accuracy - 0.5).abs() < 1e-12, "{metrics:?}");
        assert!(
            (metrics.macro_f1 - 0.5222222222222223).abs() < 1e-12,
            "{metrics:?}"
        );
        assert_eq!(metrics.mean_average_precision, None);
    }

    #[test]
    fn several_labels_are_measured_as_by_scikit_learn() {
        // accuracy_score, f1_score(average="macro") and average_precision_score(average="macro"), at one half.
        let targets = Targets::Multi(vec![
            vec![0],
            vec![0, 2],
            vec![],
            vec![1, 2],
            vec![1],
            vec![0, 1, 2],
        ]);
        let metrics = Metrics::of(&rows(), &[0.0; 6], &targets).unwrap();
        assert!(
            (metrics.accuracy - 0.3333333333333333).abs() < 1e-12,
            "{metrics:?}"
        );
        assert!(
            (metrics.macro_f1 - 0.6412698412698412).abs() < 1e-12,
            "{metrics:?}"
        );
        assert!(
            (metrics.mean_average_precision.unwrap() - 0.7777777777777777).abs() < 1e-12,
            "{metrics:?}"
        );
    }

    #[test]
    fn a_class_that_nobody_has_and_nobody_names_does_not_count() {
        let targets = Targets::Multi(vec![vec![0], vec![]]);
        let metrics = Metrics::of(&[vec![0.9, 0.1], vec![0.1, 0.1]], &[0.0; 2], &targets).unwrap();
        assert_eq!(
            (metrics.macro_f1, metrics.mean_average_precision),
            (1.0, Some(1.0))
        );
    }

    proptest! {
        #[test]
        fn what_is_said_for_certain_and_right_is_measured_as_perfect(bits in proptest::collection::vec(1_u8..8, 1..9)) {
            let sets: Vec<Vec<usize>> = bits.iter().map(|bits| (0..3).filter(|c| bits >> c & 1 == 1).collect()).collect();
            let rows: Vec<Vec<f64>> = sets.iter()
                .map(|set| (0..3).map(|class| f64::from(u8::from(set.contains(&class)))).collect())
                .collect();
            let metrics = Metrics::of(&rows, &vec![0.0; rows.len()], &Targets::Multi(sets)).unwrap();
            prop_assert_eq!((metrics.accuracy, metrics.macro_f1), (1.0, 1.0));
            prop_assert!((metrics.mean_average_precision.unwrap() - 1.0).abs() < 1e-12);
        }

        #[test]
        fn the_average_precision_knows_order_alone(
            samples in proptest::collection::vec((0.0_f64..1.0, any::<bool>()), 1..20),
        ) {
            let squeezed = samples.iter().map(|&(p, positive)| (0.5 + p / 4.0, positive)).collect();
            let (a, b) = (average_precision(samples), average_precision(squeezed));
            match (a, b) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() < 1e-12),
                (a, b) => prop_assert_eq!(a, b),
            }
        }
    }
}
