//! One class per sample.

use gblend_core::nn::{cross_entropy, cross_entropy_of_each, softmax_of_each};
use gblend_core::tensor::{Logits, Loss};
use gblend_core::{
    Answer, Array, Axes, Criterion, LabelKind, Labels, MetricKind, Objective, ObjectiveContext, Pooling,
    Result, Strata, Targets,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::classes::{AXES, check_classes, check_output, check_rows, highest, macro_f1, output_of, surprise};

/// Exactly one class for each sample: a softmax over the classes, under the cross entropy.
///
/// Told are the accuracy, the share of samples whose class is the most probable one, and the mean over classes of the F1
/// score; the accuracy selects the best epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SingleLabel {}

#[typetag::serde(name = "single-label")]
impl Objective for SingleLabel {
    fn start(&self, cx: &ObjectiveContext<'_>) -> Result<Box<dyn Criterion>> {
        cx.expect_labels("single-label", LabelKind::Class)?;
        Ok(Box::new(Softmax {
            classes: cx.classes.len(),
        }))
    }

    fn strata(&self, labels: &Labels) -> Strata {
        let class = |sample: usize| labels.classes(sample).next();
        let class = |sample: usize| class(sample).and_then(|class| u32::try_from(class).ok());
        Strata::One((0..labels.len()).map(class).collect())
    }
}

gblend_core::register!(Objective, "single-label" => SingleLabel);

static METRICS: [MetricKind; 2] = [
    MetricKind::share("accuracy", "accuracy"),
    MetricKind::share("macro_f1", "macro F1"),
];

/// Scores are a softmax.
#[derive(Debug)]
struct Softmax {
    classes: usize,
}

impl Softmax {
    /// Of each sample with a label its scores, and its class, which is one of those that there are.
    fn each<T>(
        &self,
        scores: &[Vec<f64>],
        targets: &Targets,
        mut figure: impl FnMut(&[f64], usize) -> T,
    ) -> Result<Vec<Option<T>>> {
        check_rows(scores, self.classes)?;
        let labeled = targets.class_of_each()?;
        check_classes(labeled.values(), self.classes)?;
        labeled.each_with(scores, |row, &class| figure(row, class))
    }
}

impl Criterion for Softmax {
    fn width(&self) -> usize {
        self.classes
    }

    fn loss(&mut self, output: Logits, targets: &Targets) -> Result<Loss> {
        let labeled = targets.class_of_each()?;
        cross_entropy(labeled.rows(output)?, labeled.values())
    }

    fn losses(&self, output: &Array, targets: &Targets) -> Result<Vec<Option<f64>>> {
        check_output(output, self.classes)?;
        let labeled = targets.class_of_each()?;
        let losses = cross_entropy_of_each(&*labeled.rows_of(output)?, labeled.values())?;
        Ok(labeled.spread(losses))
    }

    fn scores(&self, output: &Array) -> Result<Vec<Vec<f64>>> {
        check_output(output, self.classes)?;
        softmax_of_each(output)
    }

    fn output_of(&self, scores: &[Vec<f64>]) -> Result<Array> {
        output_of(scores, self.classes, |probability| {
            probability.max(f64::MIN_POSITIVE).ln() as f32
        })
    }

    fn losses_of_scores(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        self.each(scores, targets, |row, class| surprise(row[class]))
    }

    fn confidence(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        self.each(scores, targets, |row, class| row[class])
    }

    fn pooling(&self) -> Pooling {
        Pooling::OneClass
    }

    fn answer(&self, scores: &[f64]) -> Answer {
        Answer::Classes(highest(scores).into_iter().collect())
    }

    fn right(&self, output: &Array, targets: &Targets) -> Result<Option<Vec<Option<bool>>>> {
        check_output(output, self.classes)?;
        let rows: Vec<&[f32]> = output.values().chunks_exact(self.classes.max(1)).collect();
        let labeled = targets.class_of_each()?;
        let right = labeled.each_with(&rows, |row, &class| highest(row) == Some(class))?;
        Ok(Some(right))
    }

    fn metric_kinds(&self) -> &[MetricKind] {
        &METRICS
    }

    fn metrics(&self, scores: &[Vec<f64>], _: &[Option<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        let said = self.each(scores, targets, |row, class| {
            (highest(row).into_iter().collect::<Vec<usize>>(), [class])
        })?;
        let said: Vec<_> = said.into_iter().flatten().collect();
        if said.is_empty() {
            return Ok(vec![None; METRICS.len()]);
        }
        let pairs = said
            .iter()
            .map(|(said, right)| (said.as_slice(), right.as_slice()));
        let right = pairs.clone().filter(|(said, right)| said == right).count();
        Ok(vec![
            Some(right as f64 / said.len() as f64),
            Some(macro_f1(pairs, self.classes)),
        ])
    }

    fn main_figure_of_each(
        &self,
        scores: &[Vec<f64>],
        _: &[Option<f64>],
        targets: &Targets,
    ) -> Result<Option<Vec<Option<f64>>>> {
        let right = self.each(scores, targets, |row, class| {
            f64::from(highest(row) == Some(class))
        })?;
        Ok(Some(right))
    }

    fn axes(&self) -> Axes {
        AXES
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{Case, rows};
    use super::*;
    use gblend_core::Label;

    fn criterion() -> Box<dyn Criterion> {
        let case = Case::of(LabelKind::Class, &[Label::Class(0)]);
        SingleLabel {}.start(&case.context()).unwrap()
    }

    fn targets(classes: &[usize]) -> Targets {
        Targets::new(classes.iter().map(|&class| Label::Class(class)).collect())
    }

    #[test]
    fn it_is_measured_as_by_scikit_learn() {
        // accuracy_score and f1_score(average="macro") of the most probable class.
        let metrics = criterion()
            .metrics(&rows(), &[], &targets(&[0, 2, 1, 1, 0, 2]))
            .unwrap();
        for (found, expected) in metrics.into_iter().zip([0.5, 0.5222222222222223]) {
            assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn samples_without_a_label_count_for_nothing() {
        let mut labels = targets(&[0, 2, 1, 1, 0, 2]).labels;
        let without = criterion()
            .metrics(&rows()[..4], &[], &Targets::new(labels[..4].to_vec()))
            .unwrap();
        labels[4] = Label::Missing;
        labels[5] = Label::Missing;
        assert_eq!(
            criterion().metrics(&rows(), &[], &Targets::new(labels)).unwrap(),
            without
        );
        let nothing = Targets::new(vec![Label::Missing; 6]);
        assert_eq!(criterion().metrics(&rows(), &[], &nothing).unwrap(), [None, None]);
    }

    #[test]
    fn what_is_right_is_the_share_of_the_highest_scores_and_sureness_the_probability() {
        let output = Array::new([3, 3], vec![2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 5.0, 0.0, 0.0]).unwrap();
        let right = criterion().right(&output, &targets(&[0, 1, 1])).unwrap().unwrap();
        assert_eq!(right, [Some(true), Some(true), Some(false)]);
        let sure = criterion()
            .confidence(&[vec![0.7, 0.2, 0.1]], &targets(&[1]))
            .unwrap();
        assert_eq!(sure, [Some(0.2)]);
    }

    #[test]
    fn certainty_stays_finite() {
        let output = criterion().output_of(&[vec![0.0, 1.0, 0.0]]).unwrap();
        assert!(output.values().iter().all(|value| value.is_finite()));
        let losses = criterion()
            .losses_of_scores(&[vec![0.0, 1.0, 0.0]], &targets(&[0]))
            .unwrap();
        assert!(losses[0].unwrap().is_finite());
    }

    #[test]
    fn other_labels_are_refused_with_the_objective_that_is_for_them() {
        let case = Case::of(LabelKind::Number, &[Label::Number(1.0)]);
        let error = SingleLabel {}.start(&case.context()).err().unwrap().to_string();
        assert!(
            error.contains("regression") && error.starts_with("kind ="),
            "{error}"
        );
    }
}
