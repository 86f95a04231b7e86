//! One class per sample.

use gblend_core::nn::{cross_entropy, cross_entropy_of_each, softmax_of_each, weighted_cross_entropy};
use gblend_core::params::{ParamPath, ParamVisitor};
use gblend_core::tensor::{Logits, Loss};
use gblend_core::{
    Answer, Array, Axes, ClassWeights, Criterion, LabelKind, Labels, MetricKind, Objective, ObjectiveContext,
    Pooling, Result, ScoreFunction, Strata, Targets,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::class_weighting::ClassWeighting;
use super::classes::{
    AXES, balanced_accuracy, check_classes, check_output, check_rows, highest, macro_f1, output_of, surprise,
};

/// Exactly one class for each sample: a softmax over the classes, under the cross entropy.
///
/// Told are the accuracy, the share of samples whose class is the most probable one; the balanced accuracy, the mean over
/// classes of the share of their samples that is found; and the mean over classes of the F1 score. The accuracy selects the
/// best epoch, with weights of classes or `run.sampler = "balanced"` the balanced one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SingleLabel {
    /// How much the samples of each class count in every loss: of training, of validation and the test, of the estimates
    /// that weigh heads, and of the pool that predicts. `"balanced"`: each class as much as any other, `n / (C n_c)` of n
    /// training samples of C classes, n_c of this one, as in scikit-learn. A table, as in `{ rare = 5 }`: as many times as
    /// much as classes that it does not name; they are scaled so that their mean over the training samples is 1, and the
    /// learning rate keeps its meaning. A loss is the mean over samples of weight times cross entropy. Default: every
    /// sample counts the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ClassWeighting")]
    pub class_weights: Option<ClassWeighting>,
}

#[typetag::serde(name = "single-label")]
impl Objective for SingleLabel {
    fn start(&self, cx: &ObjectiveContext<'_>) -> Result<Box<dyn Criterion>> {
        cx.expect_labels("single-label", LabelKind::Class)?;
        Ok(Box::new(Softmax {
            classes: cx.classes.len(),
            weights: self
                .class_weights
                .as_ref()
                .map(|weights| weights.of(cx))
                .transpose()?,
        }))
    }

    fn strata(&self, labels: &Labels) -> Strata {
        let class = |sample: usize| labels.classes(sample).next();
        let class = |sample: usize| class(sample).and_then(|class| u32::try_from(class).ok());
        Strata::One((0..labels.len()).map(class).collect())
    }
}

gblend_core::register!(Objective, "single-label" => SingleLabel);

static METRICS: [MetricKind; 3] = [
    MetricKind::share("accuracy", "accuracy"),
    MetricKind::share("balanced_accuracy", "balanced accuracy"),
    MetricKind::share("macro_f1", "macro F1"),
];

/// Where it stands among them.
const BALANCED: usize = 1;

/// Scores are a softmax.
#[derive(Debug)]
struct Softmax {
    classes: usize,
    /// Without any, every sample counts the same.
    weights: Option<ClassWeights>,
}

impl Softmax {
    /// How much a sample of this class counts.
    fn weight(&self, class: usize) -> f64 {
        self.weights
            .as_ref()
            .map_or(1.0, |weights| weights.of_class(class))
    }

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

    fn chance(&self, _: usize) -> f64 {
        (self.classes.max(2) as f64).ln()
    }

    fn loss(&mut self, output: Logits, targets: &Targets) -> Result<Loss> {
        let labeled = targets.class_of_each()?;
        let (rows, classes) = (labeled.rows(output)?, labeled.values());
        if self.weights.is_none() {
            return cross_entropy(rows, classes);
        }
        let weights: Vec<f32> = classes.iter().map(|&class| self.weight(class) as f32).collect();
        weighted_cross_entropy(rows, classes, &weights)
    }

    fn losses(&self, output: &Array, targets: &Targets) -> Result<Vec<Option<f64>>> {
        check_output(output, self.classes)?;
        let labeled = targets.class_of_each()?;
        let losses = cross_entropy_of_each(&*labeled.rows_of(output)?, labeled.values())?.into_iter();
        let weighted = losses
            .zip(labeled.values())
            .map(|(loss, &class)| self.weight(class) * loss);
        Ok(labeled.spread(weighted))
    }

    fn scores(&self, output: &Array) -> Result<Vec<Vec<f64>>> {
        check_output(output, self.classes)?;
        softmax_of_each(output)
    }

    fn score_function(&self) -> Option<ScoreFunction> {
        Some(ScoreFunction::Softmax)
    }

    fn output_of(&self, scores: &[Vec<f64>]) -> Result<Array> {
        output_of(scores, self.classes, |probability| {
            probability.max(f64::MIN_POSITIVE).ln() as f32
        })
    }

    fn losses_of_scores(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        self.each(scores, targets, |row, class| {
            self.weight(class) * surprise(row[class])
        })
    }

    fn confidence(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        self.each(scores, targets, |row, class| row[class])
    }

    fn pooling(&self) -> Pooling {
        Pooling::OneClass
    }

    fn class_weights(&self) -> Option<&ClassWeights> {
        self.weights.as_ref()
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

    fn selection(&self) -> &[usize] {
        match self.weights {
            None => &[0],
            Some(_) => self.balanced_selection(),
        }
    }

    fn balanced_selection(&self) -> &[usize] {
        &[BALANCED, 0]
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
            Some(balanced_accuracy(pairs.clone(), self.classes)),
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

    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        match &mut self.weights {
            Some(weights) => weights.visit_params(&path.join("class_weights"), visitor),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{Case, rows};
    use super::*;
    use gblend_core::nn::backward;
    use gblend_core::objective::mean_of;
    use gblend_core::tensor::Plain;
    use gblend_core::{AutoDevice, Label};
    use proptest::prelude::*;

    fn criterion() -> Box<dyn Criterion> {
        let case = Case::of(LabelKind::Class, &[Label::Class(0)]);
        SingleLabel::default().start(&case.context()).unwrap()
    }

    fn targets(classes: &[usize]) -> Targets {
        Targets::new(classes.iter().map(|&class| Label::Class(class)).collect())
    }

    #[test]
    fn it_is_measured_as_by_scikit_learn() {
        // accuracy_score, balanced_accuracy_score and f1_score(average="macro") of the most probable class.
        for (classes, expected) in [
            ([0, 2, 1, 1, 0, 2], [0.5, 0.5, 0.5222222222222223]),
            (
                [0, 2, 1, 0, 0, 2],
                [0.3333333333333333, 0.27777777777777773, 0.27777777777777773],
            ),
        ] {
            let metrics = criterion().metrics(&rows(), &[], &targets(&classes)).unwrap();
            for (found, expected) in metrics.into_iter().zip(expected) {
                assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?}");
            }
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
        assert_eq!(criterion().metrics(&rows(), &[], &nothing).unwrap(), [None; 3]);
    }

    /// Under weights of classes, for training labels of these classes.
    fn weighted(weights: ClassWeighting, classes: &[usize]) -> Box<dyn Criterion> {
        let labels: Vec<Label> = classes.iter().map(|&class| Label::Class(class)).collect();
        let objective = SingleLabel {
            class_weights: Some(weights),
        };
        objective
            .start(&Case::of(LabelKind::Class, &labels).context())
            .unwrap()
    }

    proptest! {
        #[test]
        fn balanced_losses_are_those_of_classes_that_are_repeated_until_they_are_equally_frequent(
            frequent in 1_usize..4, values in proptest::collection::vec(-4.0_f32..4.0, 9),
        ) {
            // For every sample of the second and third class there are several of the first.
            let several = 2 * frequent;
            let classes = [vec![0; several], vec![1, 2]].concat();
            let row = |place: usize| [values[place % 3], values[(place + 1) % 9], values[(place + 5) % 9]];
            let output = |places: &[usize]| {
                Array::new([places.len(), 3], places.iter().flat_map(|&place| row(place)).collect()).unwrap()
            };
            let mean = |criterion: &dyn Criterion, places: &[usize]| {
                let of: Vec<usize> = places.iter().map(|&place| classes[place]).collect();
                mean_of(&criterion.losses(&output(places), &targets(&of)).unwrap()).unwrap()
            };
            let once: Vec<usize> = (0..classes.len()).collect();
            let repeated: Vec<usize> = (0..several).chain(vec![several; several]).chain(vec![several + 1; several]).collect();
            let balanced = weighted(ClassWeighting::Balanced, &classes);
            let (one, other) = (mean(balanced.as_ref(), &once), mean(criterion().as_ref(), &repeated));
            prop_assert!((one - other).abs() < 1e-6 * other.max(1.0), "{one} {other}");
        }

        #[test]
        fn balanced_weights_of_equally_frequent_classes_change_no_bit(
            values in proptest::collection::vec(-20.0_f32..20.0, 9), of_each in 1_usize..9,
        ) {
            let output = Array::new([3, 3], values).unwrap();
            let classes: Vec<usize> = (0..3 * of_each).map(|sample| sample % 3).collect();
            let mut both = [criterion(), weighted(ClassWeighting::Balanced, &classes)];
            let [plain, balanced] = both.each_mut().map(|criterion| {
                let leaf = Plain::new(&AutoDevice::default(), (3, 3), output.values().to_vec()).unwrap();
                let loss = criterion.loss(leaf.parameter(), &targets(&[2, 0, 1])).unwrap();
                let value = loss.value().to_bits();
                let gradient = backward(loss).unwrap().get(&leaf).unwrap().into_values();
                let losses = criterion.losses(&output, &targets(&[2, 0, 1])).unwrap();
                (value, gradient.into_iter().map(f32::to_bits).collect::<Vec<_>>(), losses)
            });
            prop_assert_eq!(plain, balanced);
        }
    }

    #[test]
    fn with_weights_the_balanced_accuracy_selects() {
        assert_eq!(criterion().selection(), [0]);
        let weighted = weighted(ClassWeighting::Balanced, &[0, 0, 1, 2]);
        assert_eq!(
            weighted.metric_kinds()[weighted.selection()[0]].name,
            "balanced_accuracy"
        );
        assert!(weighted.class_weights().is_some() && criterion().class_weights().is_none());
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
        let error = SingleLabel::default()
            .start(&case.context())
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("regression") && error.starts_with("kind ="),
            "{error}"
        );
    }
}
