//! A number per sample.

use gblend_core::nn::{absolute_error, squared_error};
use gblend_core::params::{ParamPath, ParamVisitor};
use gblend_core::tensor::{Logits, Loss};
use gblend_core::{
    Answer, Array, Axes, Better, Criterion, Error, LabelKind, Labels, MetricKind, Objective,
    ObjectiveContext, Pooling, Result, ScoreFunction, Strata, Targets,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number for each sample: one output, under the squared or the absolute error.
///
/// The loss is that of the standardized number, `(y − mean) / deviation` by the mean and the deviation of the training
/// labels, so that neither the learning rate nor the blend depends on the unit. Told are the mean absolute error, the root
/// of the mean squared error and Pearson's correlation, in the unit of the labels; the first selects the best epoch.
/// Samples are divided by tenths of their order, so that every split has small and large numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Regression {
    /// The error that is the loss.
    pub loss: RegressionLoss,
}

/// The loss of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RegressionLoss {
    /// The square of the error, which the mean makes smallest.
    #[default]
    Squared,
    /// The size of the error, which the median makes smallest: outliers count less.
    Absolute,
}

impl RegressionLoss {
    fn of(self, error: f64) -> f64 {
        match self {
            Self::Squared => error * error,
            Self::Absolute => error.abs(),
        }
    }
}

#[typetag::serde(name = "regression")]
impl Objective for Regression {
    fn start(&self, cx: &ObjectiveContext<'_>) -> Result<Box<dyn Criterion>> {
        cx.expect_labels("regression", LabelKind::Number)?;
        let (mean, deviation) = scale(cx.labels)?;
        Ok(Box::new(Number {
            loss: self.loss,
            mean: Array::new([1], vec![mean])?,
            deviation: Array::new([1], vec![deviation])?,
        }))
    }

    fn strata(&self, labels: &Labels) -> Strata {
        let known = (0..labels.len()).filter_map(|sample| Some((labels.number(sample)?, sample)));
        let mut known: Vec<(f64, usize)> = known.collect();
        known.sort_by(|(a, i), (b, j)| a.total_cmp(b).then(i.cmp(j)));
        let mut strata = vec![None; labels.len()];
        let bins = (known.len() / SMALLEST_BIN).clamp(1, BINS);
        let count = known.len();
        for (rank, (_, sample)) in known.into_iter().enumerate() {
            strata[sample] = u32::try_from(rank * bins / count).ok();
        }
        Strata::One(strata)
    }
}

gblend_core::register!(Objective, "regression" => Regression);

/// Samples are divided by tenths of their order,
const BINS: usize = 10;
/// unless these would be so small that shares of them round to nothing.
const SMALLEST_BIN: usize = 10;

static METRICS: [MetricKind; 3] = [
    MetricKind::number("mae", "MAE", Better::Lower),
    MetricKind::number("rmse", "RMSE", Better::Lower),
    MetricKind::number("pearson_r", "Pearson's r", Better::Higher),
];

/// The mean and the standard deviation of labels; 0 and 1 without any, and 1 where all are alike.
fn scale(labels: &Labels) -> Result<(f32, f32)> {
    let known: Vec<f64> = (0..labels.len())
        .filter_map(|sample| labels.number(sample))
        .collect();
    let count = known.len().max(1) as f64;
    // Divided before they are added up, so that large numbers do not overflow.
    let mean: f64 = known.iter().map(|number| number / count).sum();
    let largest = known
        .iter()
        .fold(0.0, |most: f64, number| (number - mean).abs().max(most));
    let deviation = if largest > 0.0 {
        let squares: f64 = known
            .iter()
            .map(|number| ((number - mean) / largest).powi(2))
            .sum();
        largest * (squares / count).sqrt()
    } else {
        1.0
    };
    let (mean, deviation) = (mean as f32, deviation as f32);
    if mean.is_finite() && deviation.is_normal() {
        return Ok((mean, deviation));
    }
    let problem = format!(
        "numbers with a mean of {mean} and a deviation of {deviation} in single precision; give them in another unit"
    );
    Err(Error::data("the training labels", problem))
}

/// One output, in deviations from the mean.
#[derive(Debug)]
struct Number {
    loss: RegressionLoss,
    /// Of the training labels, `[1]`; buffers, so that they go with the model.
    mean: Array,
    deviation: Array,
}

impl Number {
    fn standardized(&self, number: f64) -> f64 {
        (number - first(&self.mean)) / first(&self.deviation)
    }

    fn check(output: &Array) -> Result<()> {
        match *output.shape() {
            [_, 1] => Ok(()),
            _ => Err(Error::shape("a head's output", "[batch, 1]", output.shape())),
        }
    }

    /// Of each sample with a label a figure of the number that is said and the one that is right.
    fn each(
        scores: &[Vec<f64>],
        targets: &Targets,
        mut figure: impl FnMut(f64, f64) -> f64,
    ) -> Result<Vec<Option<f64>>> {
        check_scores(scores)?;
        targets
            .number_of_each()?
            .each_with(scores, |score, &right| figure(score[0], right))
    }
}

fn first(array: &Array) -> f64 {
    array.values().first().map_or(f64::NAN, |&value| f64::from(value))
}

fn check_scores(scores: &[Vec<f64>]) -> Result<()> {
    match scores.iter().find(|row| row.len() != 1) {
        None => Ok(()),
        Some(odd) => Err(Error::shape("scores", "one number for each sample", [odd.len()])),
    }
}

impl Criterion for Number {
    fn width(&self) -> usize {
        1
    }

    fn loss(&mut self, output: Logits, targets: &Targets) -> Result<Loss> {
        let labeled = targets.number_of_each()?;
        let numbers = labeled.values().iter();
        let numbers: Vec<f32> = numbers.map(|&number| self.standardized(number) as f32).collect();
        let output = labeled.rows(output)?;
        match self.loss {
            RegressionLoss::Squared => squared_error(output, &numbers),
            RegressionLoss::Absolute => absolute_error(output, &numbers),
        }
    }

    fn losses(&self, output: &Array, targets: &Targets) -> Result<Vec<Option<f64>>> {
        Self::check(output)?;
        let rows: Vec<[f32; 1]> = output.values().iter().map(|&value| [value]).collect();
        targets.number_of_each()?.each_with(&rows, |row, &right| {
            self.loss.of(f64::from(row[0]) - self.standardized(right))
        })
    }

    fn scores(&self, output: &Array) -> Result<Vec<Vec<f64>>> {
        Self::check(output)?;
        let (mean, deviation) = (first(&self.mean), first(&self.deviation));
        let values = output.values().iter();
        Ok(values
            .map(|&value| vec![mean + deviation * f64::from(value)])
            .collect())
    }

    fn score_function(&self) -> Option<ScoreFunction> {
        Some(ScoreFunction::Affine {
            factor: first(&self.deviation) as f32,
            offset: first(&self.mean) as f32,
        })
    }

    fn output_of(&self, scores: &[Vec<f64>]) -> Result<Array> {
        check_scores(scores)?;
        let largest = f64::from(f32::MAX);
        let values = scores.iter().flatten();
        let values = values.map(|&score| self.standardized(score).clamp(-largest, largest) as f32);
        Array::new([scores.len(), 1], values.collect())
    }

    fn losses_of_scores(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        let deviation = first(&self.deviation);
        Self::each(scores, targets, |said, right| {
            self.loss.of((said - right) / deviation)
        })
    }

    fn confidence(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        let losses = self.losses_of_scores(scores, targets)?.into_iter();
        Ok(losses.map(|loss| Some((-loss?).exp())).collect())
    }

    fn pooling(&self) -> Pooling {
        Pooling::Number
    }

    fn answer(&self, scores: &[f64]) -> Answer {
        scores
            .first()
            .map_or(Answer::Nothing, |&number| Answer::Number(number))
    }

    fn metric_kinds(&self) -> &[MetricKind] {
        &METRICS
    }

    fn metrics(&self, scores: &[Vec<f64>], _: &[Option<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        let mut pairs = Vec::with_capacity(scores.len());
        Self::each(scores, targets, |said, right| {
            pairs.push((said, right));
            0.0
        })?;
        let count = pairs.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| {
            (!pairs.is_empty()).then(|| pairs.iter().map(of).sum::<f64>() / count)
        };
        Ok(vec![
            mean(|(said, right)| (said - right).abs()),
            mean(|(said, right)| (said - right).powi(2)).map(f64::sqrt),
            correlation(&pairs),
        ])
    }

    fn main_figure_of_each(
        &self,
        scores: &[Vec<f64>],
        _: &[Option<f64>],
        targets: &Targets,
    ) -> Result<Option<Vec<Option<f64>>>> {
        Self::each(scores, targets, |said, right| (said - right).abs()).map(Some)
    }

    fn axes(&self) -> Axes {
        Axes::new("true value", "predicted value")
    }

    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.buffer(&path.join("mean"), &mut self.mean)?;
        visitor.buffer(&path.join("deviation"), &mut self.deviation)
    }
}

/// Pearson's correlation; `None` where one side does not vary, and of two samples, whose correlation is 1 or −1 whatever is
/// said of them.
fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let &(first, second) = pairs.first()?;
    // Said of the values themselves: distances from a rounded mean may all be the same and not 0.
    let varies = pairs.iter().any(|pair| pair.0 != first) && pairs.iter().any(|pair| pair.1 != second);
    if pairs.len() < 3 || !varies {
        return None;
    }
    let count = pairs.len() as f64;
    let (mut means, mut products) = ((0.0, 0.0), (0.0, 0.0, 0.0));
    for (a, b) in pairs {
        means = (means.0 + a / count, means.1 + b / count);
    }
    for (a, b) in pairs {
        let (a, b) = (a - means.0, b - means.1);
        products = (products.0 + a * a, products.1 + a * b, products.2 + b * b);
    }
    let r = products.1 / (products.0.sqrt() * products.2.sqrt());
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::Case;
    use super::*;
    use gblend_core::Label;
    use gblend_core::nn::backward;
    use gblend_core::params::{load_state, state_of};
    use gblend_core::tensor::Plain;
    use proptest::prelude::*;

    fn numbers(numbers: &[f64]) -> Vec<Label> {
        numbers.iter().map(|&number| Label::Number(number)).collect()
    }

    fn started(loss: RegressionLoss, labels: &[f64]) -> Box<dyn Criterion> {
        let case = Case::of(LabelKind::Number, &numbers(labels));
        Regression { loss }.start(&case.context()).unwrap()
    }

    fn rows(values: &[f64]) -> Vec<Vec<f64>> {
        values.iter().map(|&value| vec![value]).collect()
    }

    const RIGHT: [f64; 6] = [3.0, -0.5, 2.0, 7.0, 4.25, 1.5];
    const SAID: [f64; 6] = [2.5, 0.0, 2.1, 7.8, 3.75, 2.5];

    #[test]
    fn it_is_measured_as_by_scikit_learn_and_numpy() {
        // mean_absolute_error, root_mean_squared_error, numpy.corrcoef.
        let criterion = started(RegressionLoss::Squared, &RIGHT);
        let metrics = criterion
            .metrics(&rows(&SAID), &[], &Targets::new(numbers(&RIGHT)))
            .unwrap();
        let expected = [0.5666666666666667, 0.6324555320336758, 0.9690499030337743];
        for (found, expected) in metrics.into_iter().zip(expected) {
            assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?} {expected}");
        }
    }

    #[test]
    fn it_is_fitted_to_the_training_labels() {
        // numpy.mean and numpy.std.
        let mut criterion = started(RegressionLoss::Squared, &RIGHT);
        let state = state_of(criterion.as_mut()).unwrap();
        assert_eq!(state["mean"].values(), [2.875]);
        assert_eq!(state["deviation"].values(), [2.3440971]);
        let zero = Array::zeros([1, 1]);
        assert_eq!(criterion.scores(&zero).unwrap(), [[2.875]]);
        let mut other = started(RegressionLoss::Squared, &[100.0, 300.0]);
        load_state(other.as_mut(), &state).unwrap();
        assert_eq!(other.scores(&zero).unwrap(), [[2.875]]);
    }

    #[test]
    fn labels_that_are_alike_have_the_deviation_1_and_no_correlation() {
        let mut criterion = started(RegressionLoss::Squared, &[4.0; 5]);
        assert_eq!(state_of(criterion.as_mut()).unwrap()["deviation"].values(), [1.0]);
        let targets = Targets::new(numbers(&[4.0; 5]));
        let metrics = criterion
            .metrics(&rows(&[4.0, 5.0, 3.0, 4.0, 4.0]), &[], &targets)
            .unwrap();
        assert_eq!(metrics[2], None);
        assert!((metrics[0].unwrap() - 0.4).abs() < 1e-12);
    }

    #[test]
    fn two_samples_and_values_that_do_not_vary_have_no_correlation() {
        assert_eq!(correlation(&[]), None);
        assert_eq!(correlation(&[(0.0, 1.0), (1.0, 5.0)]), None);
        // NumPy's of three.
        let r = correlation(&[(0.0, 1.0), (1.0, 5.0), (2.0, 4.0)]).unwrap();
        assert!((r - 0.720_576_692_122_891_6).abs() < 1e-12, "{r}");
        for value in [0.1, 0.7, 1.1, 1e-9, 123.456] {
            for count in 3..40 {
                let pairs: Vec<(f64, f64)> = (0..count).map(|i| (value, f64::from(i))).collect();
                let turned: Vec<(f64, f64)> = pairs.iter().map(|&(a, b)| (b, a)).collect();
                assert_eq!(
                    (correlation(&pairs), correlation(&turned)),
                    (None, None),
                    "{value} {count}"
                );
            }
        }
    }

    #[test]
    fn labels_beyond_single_precision_are_refused() {
        let case = Case::of(LabelKind::Number, &numbers(&[1e300, -1e300]));
        let error = Regression::default().start(&case.context()).err().unwrap();
        assert!(error.to_string().contains("another unit"), "{error}");
    }

    #[test]
    fn tenths_are_of_one_size_and_in_order() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i * 37 % 100)).collect();
        let mut labels = numbers(&values);
        labels.push(Label::Missing);
        let labels = Labels::of(LabelKind::Number, &labels).unwrap();
        let Strata::One(strata) = Regression::default().strata(&labels) else {
            unreachable!()
        };
        for (value, stratum) in values.iter().zip(&strata) {
            assert_eq!(*stratum, Some(*value as u32 / 10));
        }
        assert_eq!(strata[100], None);
    }

    proptest! {
        #[test]
        fn the_unit_changes_neither_losses_nor_gradients(
            samples in proptest::collection::vec((-3.0_f64..3.0, -3.0_f32..3.0), 2..9),
            unit in prop_oneof![Just(1e-3), Just(2.0), Just(4096.0)], shift in -8.0_f64..8.0, absolute: bool,
        ) {
            let loss = if absolute { RegressionLoss::Absolute } else { RegressionLoss::Squared };
            let (labels, output): (Vec<f64>, Vec<f32>) = samples.into_iter().unzip();
            let other: Vec<f64> = labels.iter().map(|label| unit * (label + shift)).collect();
            prop_assume!(labels.iter().any(|label| (label - labels[0]).abs() > 0.1));
            let of = |labels: &[f64]| {
                let mut criterion = started(loss, labels);
                let targets = Targets::new(numbers(labels));
                let tensor = Plain::new(&gblend_core::AutoDevice::default(), (output.len(), 1), output.clone()).unwrap();
                let mut gradients = backward(criterion.loss(tensor.parameter(), &targets).unwrap()).unwrap();
                let array = Array::new([output.len(), 1], output.clone()).unwrap();
                let losses = criterion.losses(&array, &targets).unwrap();
                (losses, gradients.get(&tensor).unwrap().into_values())
            };
            let ((here, gradient), (there, other)) = (of(&labels), of(&other));
            for (a, b) in here.into_iter().zip(there) {
                prop_assert!((a.unwrap() - b.unwrap()).abs() < 1e-4 * a.unwrap().max(1.0));
            }
            for (a, b) in gradient.into_iter().zip(other) {
                prop_assert!(absolute || (a - b).abs() < 1e-4);
            }
        }
    }
}
