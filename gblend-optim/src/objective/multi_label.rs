//! Any number of classes per sample.

use gblend_core::nn::{
    binary_cross_entropy, sigmoid_of_each, weighted_binary_cross_entropy,
    weighted_binary_cross_entropy_of_each,
};
use gblend_core::params::{ParamPath, ParamVisitor};
use gblend_core::tensor::{Logits, Loss};
use gblend_core::{
    Answer, Array, Axes, ClassWeights, Criterion, LabelKind, Labels, MetricKind, Objective, ObjectiveContext,
    Pooling, Result, ScoreFunction, Strata, Targets,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::class_weighting::ClassWeighting;
use super::classes::{AXES, check_classes, check_output, check_rows, macro_f1, output_of, surprise};

/// Any number of classes for each sample, none included: a sigmoid for each class, under the mean over classes of the
/// binary cross entropy.
///
/// A class is said of a sample with a probability of at least one half. Told are the accuracy, the share of samples with
/// exactly the right classes; the mean over classes of the F1 score; and the mean over classes of the average precision
/// (mAP), which no threshold decides and which selects the best epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MultiLabel {
    /// How much it counts of each class that a sample has it, beside that it does not, in every loss: of training, of
    /// validation and the test, of the estimates that weigh heads, and of the pool that predicts. `"balanced"`: the samples
    /// with a class together as much as those without it, `n / (2 n_c)` each and `n / (2 (n − n_c))` of n training samples,
    /// n_c of which have it; the ratio is PyTorch's `pos_weight`, negatives over positives. A table, as in `{ rare = 5 }`: as
    /// many times as much as not having it, scaled so that the mean over the training samples is 1 for each class. Default:
    /// both count the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ClassWeighting")]
    pub class_weights: Option<ClassWeighting>,
}

#[typetag::serde(name = "multi-label")]
impl Objective for MultiLabel {
    fn start(&self, cx: &ObjectiveContext<'_>) -> Result<Box<dyn Criterion>> {
        cx.expect_labels("multi-label", LabelKind::Classes)?;
        Ok(Box::new(Sigmoids {
            classes: cx.classes.len(),
            weights: self
                .class_weights
                .as_ref()
                .map(|weights| weights.of(cx))
                .transpose()?,
        }))
    }

    fn strata(&self, labels: &Labels) -> Strata {
        let narrow = |class: usize| u32::try_from(class).ok();
        let classes = |sample: usize| labels.classes(sample).filter_map(narrow).collect();
        Strata::Several((0..labels.len()).map(classes).collect())
    }
}

gblend_core::register!(Objective, "multi-label" => MultiLabel);

static METRICS: [MetricKind; 3] = [
    MetricKind::share("accuracy", "accuracy"),
    MetricKind::share("macro_f1", "macro F1"),
    MetricKind::share("mean_average_precision", "mAP"),
];

/// The probability from which on a class is said of a sample.
const THRESHOLD: f64 = 0.5;

/// Scores are sigmoids.
#[derive(Debug)]
struct Sigmoids {
    classes: usize,
    /// Without any, every answer counts the same.
    weights: Option<ClassWeights>,
}

impl Sigmoids {
    /// How much it counts whether a sample has this class.
    fn weight(&self, class: usize, has: bool) -> f64 {
        self.weights
            .as_ref()
            .map_or(1.0, |weights| weights.of_answer(class, has))
    }

    /// Of each sample with a label its scores, and its classes, which are some of those that there are.
    fn each<T>(
        &self,
        scores: &[Vec<f64>],
        targets: &Targets,
        mut figure: impl FnMut(&[f64], &[usize]) -> T,
    ) -> Result<Vec<Option<T>>> {
        check_rows(scores, self.classes)?;
        let labeled = targets.classes_of_each()?;
        for classes in labeled.values() {
            check_classes(classes, self.classes)?;
        }
        labeled.each_with(scores, |row, classes| figure(row, classes))
    }

    /// As [`each`](Self::each), and the mean over classes of a figure of the probability that is given to what is right
    /// of each, from the class, whether the sample has it, and the probability.
    fn mean(
        &self,
        scores: &[Vec<f64>],
        targets: &Targets,
        of: impl Fn(usize, bool, f64) -> f64,
    ) -> Result<Vec<Option<f64>>> {
        self.each(scores, targets, |row, classes| {
            let terms = row.iter().enumerate().map(|(class, &probability)| {
                let has = classes.contains(&class);
                of(class, has, if has { probability } else { 1.0 - probability })
            });
            terms.sum::<f64>() / row.len().max(1) as f64
        })
    }
}

impl Criterion for Sigmoids {
    fn width(&self) -> usize {
        self.classes
    }

    fn chance(&self, _: usize) -> f64 {
        std::f64::consts::LN_2
    }

    fn loss(&mut self, output: Logits, targets: &Targets) -> Result<Loss> {
        let labeled = targets.classes_of_each()?;
        let (rows, sets) = (labeled.rows(output)?, labeled.values());
        if self.weights.is_none() {
            return binary_cross_entropy(rows, sets);
        }
        let width = rows.shape().1;
        let weights = sets
            .iter()
            .flat_map(|set| (0..width).map(|class| self.weight(class, set.contains(&class)) as f32));
        let weights: Vec<f32> = weights.collect();
        weighted_binary_cross_entropy(rows, sets, &weights)
    }

    fn losses(&self, output: &Array, targets: &Targets) -> Result<Vec<Option<f64>>> {
        check_output(output, self.classes)?;
        let labeled = targets.classes_of_each()?;
        let rows = labeled.rows_of(output)?;
        let weight = |class: usize, has: bool| self.weight(class, has);
        let losses = weighted_binary_cross_entropy_of_each(&rows, labeled.values(), weight)?;
        Ok(labeled.spread(losses))
    }

    fn scores(&self, output: &Array) -> Result<Vec<Vec<f64>>> {
        check_output(output, self.classes)?;
        sigmoid_of_each(output)
    }

    fn score_function(&self) -> Option<ScoreFunction> {
        Some(ScoreFunction::Sigmoid)
    }

    fn output_of(&self, scores: &[Vec<f64>]) -> Result<Array> {
        let ln = |p: f64| p.max(f64::MIN_POSITIVE).ln();
        output_of(scores, self.classes, |probability| {
            (ln(probability) - ln(1.0 - probability)) as f32
        })
    }

    fn losses_of_scores(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        self.mean(scores, targets, |class, has, probability| {
            self.weight(class, has) * surprise(probability)
        })
    }

    fn confidence(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        self.mean(scores, targets, |_, _, probability| probability)
    }

    fn pooling(&self) -> Pooling {
        Pooling::EachClass
    }

    fn class_weights(&self) -> Option<&ClassWeights> {
        self.weights.as_ref()
    }

    fn answer(&self, scores: &[f64]) -> Answer {
        Answer::Classes(at_least(scores, THRESHOLD))
    }

    fn right(&self, output: &Array, targets: &Targets) -> Result<Option<Vec<Option<bool>>>> {
        check_output(output, self.classes)?;
        let rows: Vec<&[f32]> = output.values().chunks_exact(self.classes.max(1)).collect();
        let labeled = targets.classes_of_each()?;
        // A sigmoid is one half at 0.
        let right = labeled.each_with(&rows, |row, classes| at_least(row, 0.0) == *classes)?;
        Ok(Some(right))
    }

    fn metric_kinds(&self) -> &[MetricKind] {
        &METRICS
    }

    fn selection(&self) -> &[usize] {
        &[2, 0]
    }

    fn metrics(&self, scores: &[Vec<f64>], _: &[Option<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        let each = self.each(scores, targets, |row, classes| (row.to_vec(), classes.to_vec()))?;
        let (rows, right): (Vec<Vec<f64>>, Vec<Vec<usize>>) = each.into_iter().flatten().unzip();
        if rows.is_empty() {
            return Ok(vec![None; METRICS.len()]);
        }
        let said: Vec<Vec<usize>> = rows.iter().map(|row| at_least(row, THRESHOLD)).collect();
        let exact = said
            .iter()
            .zip(&right)
            .filter(|(said, right)| said == right)
            .count();
        let pairs = said.iter().zip(&right);
        let pairs = pairs.map(|(said, right)| (said.as_slice(), right.as_slice()));
        Ok(vec![
            Some(exact as f64 / rows.len() as f64),
            Some(macro_f1(pairs, self.classes)),
            mean_average_precision(&rows, &right),
        ])
    }

    fn main_figure_of_each(
        &self,
        scores: &[Vec<f64>],
        _: &[Option<f64>],
        targets: &Targets,
    ) -> Result<Option<Vec<Option<f64>>>> {
        let right = self.each(scores, targets, |row, classes| {
            f64::from(at_least(row, THRESHOLD) == *classes)
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

/// The classes whose score is at least this.
fn at_least<T: PartialOrd + Copy>(row: &[T], threshold: T) -> Vec<usize> {
    (0..row.len()).filter(|&class| row[class] >= threshold).collect()
}

/// The mean over classes of the average precision `Σ (R_n − R_{n−1}) P_n` over the thresholds n. Samples with one
/// probability share a threshold, and a class that no sample has does not count.
fn mean_average_precision(rows: &[Vec<f64>], right: &[Vec<usize>]) -> Option<f64> {
    let classes = rows.first().map_or(0, Vec::len);
    let precisions: Vec<f64> = (0..classes)
        .filter_map(|class| {
            let samples = rows.iter().zip(right);
            let scored = samples.map(|(row, right)| (row[class], right.contains(&class)));
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
    use super::super::testing::{Case, rows};
    use super::*;
    use gblend_core::Label;
    use proptest::prelude::*;

    fn criterion() -> Box<dyn Criterion> {
        let case = Case::of(LabelKind::Classes, &[Label::Classes(vec![0])]);
        MultiLabel::default().start(&case.context()).unwrap()
    }

    fn targets(sets: &[&[usize]]) -> Targets {
        Targets::new(sets.iter().map(|set| Label::Classes(set.to_vec())).collect())
    }

    #[test]
    fn it_is_measured_as_by_scikit_learn() {
        // accuracy_score, f1_score(average="macro") and average_precision_score(average="macro"), at one half.
        let targets = targets(&[&[0], &[0, 2], &[], &[1, 2], &[1], &[0, 1, 2]]);
        let metrics = criterion().metrics(&rows(), &[], &targets).unwrap();
        let expected = [0.3333333333333333, 0.6412698412698412, 0.7777777777777777];
        for (found, expected) in metrics.into_iter().zip(expected) {
            assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn several_labels_are_right_only_together() {
        let output = Array::new([2, 3], vec![1.0, 1.0, -1.0, 1.0, -1.0, -1.0]).unwrap();
        let right = criterion()
            .right(&output, &targets(&[&[0], &[0]]))
            .unwrap()
            .unwrap();
        assert_eq!(right, [Some(false), Some(true)]);
    }

    #[test]
    fn sureness_is_the_mean_probability_of_each_right_answer() {
        let sure = criterion()
            .confidence(&[vec![0.7, 0.2, 0.1]], &targets(&[&[0]]))
            .unwrap();
        assert!((sure[0].unwrap() - (0.7 + 0.8 + 0.9) / 3.0).abs() < 1e-15);
    }

    #[test]
    fn a_class_that_nobody_has_has_no_precision_and_without_any_the_accuracy_selects() {
        let metrics = criterion()
            .metrics(&[vec![0.1, 0.1, 0.1]], &[], &targets(&[&[]]))
            .unwrap();
        assert_eq!(metrics, [Some(1.0), Some(1.0), None]);
        assert_eq!(criterion().selection(), [2, 0]);
    }

    #[test]
    fn the_samples_with_a_class_count_as_much_as_those_without_it() {
        // Of four samples one has the first class, two the second, all the third.
        let sets: [&[usize]; 4] = [&[0, 1, 2], &[1, 2], &[2], &[2]];
        let case = Case::of(LabelKind::Classes, &targets(&sets).labels);
        let weighted = MultiLabel {
            class_weights: Some(ClassWeighting::Balanced),
        };
        let weighted = weighted.start(&case.context()).unwrap();
        let even = vec![vec![0.5; 3]; 4];
        let losses = weighted.losses_of_scores(&even, &targets(&sets)).unwrap();
        // 4 / (2 · 1) and 4 / (2 · 3) for the first class, 1 for the others.
        let expected =
            [2.0, 2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0].map(|first: f64| 2.0_f64.ln() * (first + 2.0) / 3.0);
        for (found, expected) in losses.into_iter().zip(expected) {
            assert!((found.unwrap() - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn certainty_stays_finite() {
        let output = criterion().output_of(&[vec![0.0, 1.0, 0.5]]).unwrap();
        assert!(output.values().iter().all(|value| value.is_finite()));
    }

    proptest! {
        #[test]
        fn what_is_said_for_certain_and_right_is_measured_as_perfect(bits in proptest::collection::vec(1_u8..8, 1..9)) {
            let sets: Vec<Vec<usize>> = bits.iter().map(|bits| (0..3).filter(|c| bits >> c & 1 == 1).collect()).collect();
            let rows: Vec<Vec<f64>> = sets.iter()
                .map(|set| (0..3).map(|class| f64::from(u8::from(set.contains(&class)))).collect())
                .collect();
            let targets = Targets::new(sets.into_iter().map(Label::Classes).collect());
            for metric in criterion().metrics(&rows, &[], &targets).unwrap() {
                prop_assert!((metric.unwrap() - 1.0).abs() < 1e-12);
            }
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
