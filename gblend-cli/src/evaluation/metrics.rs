//! Counts how good predictions are.

use gblend_core::objective::mean_of;
use gblend_core::{Array, Criterion, Keys, MetricKind, Targets};

use crate::error::Result;
use crate::records::{Metrics, Score};

impl Score {
    /// Of a head's output `[samples, width]`.
    ///
    /// # Errors
    /// If there is not one label for each row, or a label is out of range.
    pub fn of(criterion: &dyn Criterion, output: &Array, targets: &Targets) -> Result<Self> {
        Self::among(criterion, output, targets, None)
    }

    /// As [`of`](Self::of), among keys if there are some.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn among(
        criterion: &dyn Criterion,
        output: &Array,
        targets: &Targets,
        keys: Option<&Keys>,
    ) -> Result<Self> {
        let losses = match keys {
            Some(keys) => criterion.losses_among(output, targets, keys)?,
            None => criterion.losses(output, targets)?,
        };
        Self::with_losses(criterion, &losses, output, targets)
    }

    /// As [`of`](Self::of), with these losses of the samples.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn with_losses(
        criterion: &dyn Criterion,
        losses: &[Option<f64>],
        output: &Array,
        targets: &Targets,
    ) -> Result<Self> {
        let right = criterion.right(output, targets)?;
        Ok(Self {
            accuracy: right.map(|right| {
                let known = right.iter().flatten();
                let count = known.clone().count().max(1) as f64;
                known.filter(|&&right| right).count() as f64 / count
            }),
            loss: mean_of(losses).unwrap_or(0.0),
        })
    }
}

impl Metrics {
    /// Of the scores and the loss of each sample; `None` without samples that have a loss.
    ///
    /// # Errors
    /// As [`Criterion::metrics`].
    pub fn of(
        criterion: &dyn Criterion,
        scores: &[Vec<f64>],
        losses: &[Option<f64>],
        targets: &Targets,
    ) -> Result<Option<Self>> {
        let Some(loss) = mean_of(losses) else {
            return Ok(None);
        };
        let figures = criterion.metrics(scores, losses, targets)?;
        let named = criterion.metric_kinds().iter().zip(figures);
        let named = named.filter_map(|(kind, figure)| Some((kind.name.as_ref(), figure?)));
        Ok(Some(Self::new(loss, named)))
    }

    /// What the best parameters are selected by, higher being better: the first of those kinds of figures that has a value, by
    /// their positions; the least there is if none has.
    pub fn selection(&self, kinds: &[MetricKind], positions: &[usize]) -> f64 {
        let mut selecting = positions.iter().filter_map(|&position| kinds.get(position));
        let found = selecting.find_map(|kind| Some(kind.better.gain(self.get(&kind.name)?)));
        found.unwrap_or(f64::MIN)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{criterion, labels};
    use super::*;
    use gblend_core::{Label, LabelKind};

    #[test]
    fn a_score_is_the_share_of_right_samples_and_the_mean_loss() {
        let logits = Array::new([3, 2], vec![2.0, 0.0, 0.0, 2.0, 5.0, 0.0]).unwrap();
        let criterion = criterion(LabelKind::Class, 2);
        let score = Score::of(criterion.as_ref(), &logits, &labels(&[0, 1, 1])).unwrap();
        let small = (1.0 + (-2.0_f64).exp()).ln();
        let large = 5.0 + (1.0 + (-5.0_f64).exp()).ln();
        assert_eq!(score.accuracy, Some(2.0 / 3.0));
        assert!((score.loss - (2.0 * small + large) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn samples_without_a_label_have_no_part_in_a_score() {
        let criterion = criterion(LabelKind::Class, 2);
        let logits = Array::new([2, 2], vec![2.0, 0.0, 0.0, 2.0]).unwrap();
        let mut targets = labels(&[0, 0]);
        targets.labels[1] = Label::Missing;
        let one = Array::new([1, 2], vec![2.0, 0.0]).unwrap();
        assert_eq!(
            Score::of(criterion.as_ref(), &logits, &targets).unwrap(),
            Score::of(criterion.as_ref(), &one, &labels(&[0])).unwrap()
        );
    }

    #[test]
    fn what_selects_is_the_accuracy_or_the_mean_average_precision_or_the_smallest_error() {
        let metrics = Metrics::new(
            0.5,
            [("accuracy", 0.25), ("mean_average_precision", 0.75), ("mae", 1.5)],
        );
        let selection = |metrics: &Metrics, kind| {
            let criterion = criterion(kind, 2);
            metrics.selection(criterion.metric_kinds(), criterion.selection())
        };
        assert_eq!(selection(&metrics, LabelKind::Class), 0.25);
        assert_eq!(selection(&metrics, LabelKind::Classes), 0.75);
        assert_eq!(selection(&metrics, LabelKind::Number), -1.5);
        let nothing = Metrics::new(0.5, []);
        assert_eq!(selection(&nothing, LabelKind::Number), f64::MIN);
    }
}
