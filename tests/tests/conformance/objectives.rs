//! The kit finds objectives that break a rule.

use gblend_core::conformance::{self, Rule};
use gblend_core::nn::{add, detach, scale, squared_error};
use gblend_core::params::{ParamPath, ParamVisitor};
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::tensor::{Logits, Loss};
use gblend_core::{
    Answer, Array, Axes, Better, Criterion, Error, Label, LabelKind, MetricKind, Objective, ObjectiveContext,
    Result, ScoreFunction, Targets, typetag,
};

/// What is wrong with an objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "gblend_core::serde")]
enum Fault {
    Nothing,
    SettingNotWritten,
    StartsNever,
    FailsToStart,
    HasNoWidth,
    LossIsInfinite,
    AddsLossesUp,
    FollowsHalfTheGradient,
    GivesLossesToNeighbors,
    ShiftsScores,
    TellsAnotherFunction,
    ShiftsOutputs,
    IsSurerThanSure,
    PoolsToNothing,
    CountsMissingAsSmall,
    DividesByTheBatch,
    TakesABatchOfNothing,
    TakesAnyLabel,
    TakesAnyOutput,
    NamesAMetricTwice,
    TellsOneMetric,
    SelectsWhatIsNot,
    MeasuresTheFirst,
    MeasuresEachTwice,
    TurnsBetterRound,
    ForgetsWhatItFitted,
    Panics,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "gblend_core::serde")]
struct Flawed {
    fault: Fault,
    /// That it is never read makes it no less a setting.
    #[serde(skip)]
    #[allow(dead_code)]
    forgotten: bool,
}

#[typetag::serde(name = "flawed")]
impl Objective for Flawed {
    fn start(&self, cx: &ObjectiveContext<'_>) -> Result<Box<dyn Criterion>> {
        if self.fault == Fault::FailsToStart {
            return Err(Error::Device("no memory".into()));
        }
        if self.fault == Fault::StartsNever || cx.labels.kind() != LabelKind::Number {
            return Err(Error::setting("kind", "flawed", "numbers"));
        }
        let known: Vec<f64> = (0..cx.labels.len())
            .filter_map(|sample| cx.labels.number(sample))
            .collect();
        let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
        Ok(Box::new(Shifted {
            fault: self.fault,
            mean: Array::new([1], vec![mean as f32])?,
        }))
    }
}

/// The square of how far a tenth of a number is from the output and the mean.
struct Shifted {
    fault: Fault,
    mean: Array,
}

impl Shifted {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn target(&self, number: f64) -> f64 {
        (number - f64::from(self.mean.values()[0])) / 10.0
    }

    /// Numbers of the labels, with the faults that concern those.
    fn numbers(&self, targets: &Targets) -> Targets {
        let mut targets = targets.clone();
        for label in &mut targets.labels {
            match label {
                Label::Missing if self.is(Fault::CountsMissingAsSmall) => *label = Label::Number(0.0),
                Label::Number(number) if self.is(Fault::TakesAnyLabel) && !number.is_finite() => {
                    *label = Label::Number(0.0);
                }
                Label::Class(_) | Label::Classes(_) if self.is(Fault::TakesAnyLabel) => {
                    *label = Label::Number(0.0);
                }
                _ => {}
            }
        }
        targets
    }

    fn distances(&self, rows: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        let labeled = self.numbers(targets).number_of_each()?;
        labeled.each_with(rows, |row, &number| row[0] - self.target(number))
    }
}

static METRICS: [MetricKind; 2] = [
    MetricKind::number("error", "error", Better::Lower),
    MetricKind::number("worst", "worst", Better::Lower),
];
static TURNED: [MetricKind; 2] = [
    MetricKind::number("error", "error", Better::Higher),
    MetricKind::number("worst", "worst", Better::Lower),
];
static TWICE: [MetricKind; 2] = [
    MetricKind::number("error", "error", Better::Lower),
    MetricKind::number("error", "worst", Better::Lower),
];

impl Criterion for Shifted {
    fn width(&self) -> usize {
        usize::from(!self.is(Fault::HasNoWidth))
    }

    fn loss(&mut self, output: Logits, targets: &Targets) -> Result<Loss> {
        let labeled = self.numbers(targets).number_of_each()?;
        if self.is(Fault::TakesABatchOfNothing) && labeled.values().is_empty() {
            return squared_error(output, &vec![0.0; targets.len()]);
        }
        let numbers = labeled.values().iter();
        let numbers: Vec<f32> = numbers.map(|&number| self.target(number) as f32).collect();
        let known = numbers.len() as f32;
        let rows = labeled.rows(output)?;
        if self.is(Fault::FollowsHalfTheGradient) {
            // Two losses whose sum is the loss, one of which nothing follows.
            let still = squared_error(detach(&rows)?, &numbers)?;
            return add(scale(squared_error(rows, &numbers)?, 0.5)?, scale(still, 0.5)?);
        }
        let loss = squared_error(rows, &numbers)?;
        Ok(match self.fault {
            Fault::AddsLossesUp => scale(loss, known)?,
            Fault::DividesByTheBatch => scale(loss, known / targets.len() as f32)?,
            _ => loss,
        })
    }

    fn losses(&self, output: &Array, targets: &Targets) -> Result<Vec<Option<f64>>> {
        assert!(!self.is(Fault::Panics) || output.values().iter().sum::<f32>() < 3.0);
        let rows: Vec<Vec<f64>> = match *output.shape() {
            [_, 1] => output.values().iter().map(|&value| vec![value.into()]).collect(),
            _ => Vec::new(),
        };
        let rows = match rows.len() == targets.len() {
            true => rows,
            false if self.is(Fault::TakesAnyOutput) => vec![vec![0.0]; targets.len()],
            false => return Err(Error::shape("an output", "[batch, 1]", output.shape())),
        };
        let distances = self.distances(&rows, targets)?.into_iter();
        let mut losses: Vec<Option<f64>> = distances.map(|distance| Some(distance?.powi(2))).collect();
        match self.fault {
            Fault::GivesLossesToNeighbors => {
                let mut known: Vec<f64> = losses.iter().flatten().copied().collect();
                let by = known.len().min(1);
                known.rotate_left(by);
                losses
                    .iter_mut()
                    .flatten()
                    .zip(known)
                    .for_each(|(loss, other)| *loss = other);
            }
            Fault::LossIsInfinite => losses.fill(Some(f64::INFINITY)),
            _ => {}
        }
        Ok(losses)
    }

    fn scores(&self, output: &Array) -> Result<Vec<Vec<f64>>> {
        let shift = if self.is(Fault::ShiftsScores) { 0.1 } else { 0.0 };
        Ok(output
            .values()
            .iter()
            .map(|&value| vec![f64::from(value) + shift])
            .collect())
    }

    fn score_function(&self) -> Option<ScoreFunction> {
        if self.is(Fault::PoolsToNothing) {
            return None;
        }
        let factor = if self.is(Fault::TellsAnotherFunction) {
            1.1
        } else {
            1.0
        };
        Some(ScoreFunction::Affine { factor, offset: 0.0 })
    }

    fn output_of(&self, scores: &[Vec<f64>]) -> Result<Array> {
        let shift = if self.is(Fault::ShiftsOutputs) { 0.1 } else { 0.0 };
        let values = scores.iter().map(|row| row[0] as f32 + shift).collect();
        Array::new([scores.len(), 1], values)
    }

    fn losses_of_scores(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        let distances = self.distances(scores, targets)?.into_iter();
        Ok(distances.map(|distance| Some(distance?.powi(2))).collect())
    }

    fn confidence(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        let more = if self.is(Fault::IsSurerThanSure) { 1.0 } else { 0.0 };
        let losses = self.losses_of_scores(scores, targets)?.into_iter();
        Ok(losses.map(|loss| Some((-loss?).exp() + more)).collect())
    }

    fn pool(&self, heads: &[(f64, Option<&[f64]>)]) -> Option<Vec<f64>> {
        match self.fault {
            Fault::PoolsToNothing => Some(vec![0.0]),
            _ => gblend_core::objective::weighted_mean(heads),
        }
    }

    fn answer(&self, scores: &[f64]) -> Answer {
        Answer::Number(scores[0])
    }

    fn metric_kinds(&self) -> &[MetricKind] {
        match self.fault {
            Fault::TurnsBetterRound => &TURNED,
            Fault::NamesAMetricTwice => &TWICE,
            _ => &METRICS,
        }
    }

    fn selection(&self) -> &[usize] {
        if self.is(Fault::SelectsWhatIsNot) {
            &[2]
        } else {
            &[0]
        }
    }

    fn metrics(&self, scores: &[Vec<f64>], _: &[Option<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        let distances: Vec<f64> = self.distances(scores, targets)?.into_iter().flatten().collect();
        let sizes = distances.iter().map(|distance| distance.abs());
        let mean = sizes.clone().sum::<f64>() / distances.len().max(1) as f64;
        let worst = sizes.reduce(f64::max);
        Ok(match self.fault {
            Fault::TellsOneMetric => vec![Some(mean)],
            Fault::MeasuresTheFirst => vec![distances.first().copied(), worst],
            _ => vec![(!distances.is_empty()).then_some(mean), worst],
        })
    }

    fn main_figure_of_each(
        &self,
        scores: &[Vec<f64>],
        _: &[Option<f64>],
        targets: &Targets,
    ) -> Result<Option<Vec<Option<f64>>>> {
        let times = if self.is(Fault::MeasuresEachTwice) {
            2.0
        } else {
            1.0
        };
        let distances = self.distances(scores, targets)?.into_iter();
        Ok(Some(
            distances.map(|distance| Some(times * distance?.abs())).collect(),
        ))
    }

    fn axes(&self) -> Axes {
        Axes::new("true", "said")
    }

    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        match self.fault {
            Fault::ForgetsWhatItFitted => Ok(()),
            _ => visitor.buffer(&path.join("mean"), &mut self.mean),
        }
    }
}

fn flawed(fault: Fault) -> Flawed {
    Flawed {
        fault,
        forgotten: fault == Fault::SettingNotWritten,
    }
}

#[test]
fn an_objective_without_a_fault_passes() {
    conformance::objective(&flawed(Fault::Nothing)).unwrap();
}

#[test]
fn each_fault_of_an_objective_is_found_by_its_rule() {
    for (fault, rule) in [
        (Fault::SettingNotWritten, Rule::ConfigSurvivesJson),
        (Fault::StartsNever, Rule::ObjectiveStarts),
        (Fault::FailsToStart, Rule::ObjectiveStarts),
        (Fault::HasNoWidth, Rule::OutputHasShape),
        (Fault::LossIsInfinite, Rule::LossOfEach),
        (Fault::AddsLossesUp, Rule::LossIsMean),
        (Fault::FollowsHalfTheGradient, Rule::GradientIsOfLoss),
        (Fault::GivesLossesToNeighbors, Rule::LossFollowsSample),
        (Fault::ShiftsScores, Rule::ScoresTellLosses),
        (Fault::TellsAnotherFunction, Rule::ScoresAreTheirFunction),
        (Fault::ShiftsOutputs, Rule::ScoresMakeOutput),
        (Fault::IsSurerThanSure, Rule::ConfidenceIsShare),
        (Fault::PoolsToNothing, Rule::PoolOfOneIsIt),
        (Fault::CountsMissingAsSmall, Rule::LossOfEach),
        (Fault::DividesByTheBatch, Rule::MissingCountsForNothing),
        (Fault::TakesABatchOfNothing, Rule::NothingKnownRefused),
        (Fault::TakesAnyLabel, Rule::OtherLabelRefused),
        (Fault::TakesAnyOutput, Rule::OtherOutputRefused),
        (Fault::NamesAMetricTwice, Rule::MetricsAreTold),
        (Fault::TellsOneMetric, Rule::MetricsAreTold),
        (Fault::SelectsWhatIsNot, Rule::MetricsAreTold),
        (Fault::MeasuresTheFirst, Rule::MetricsKnowNoOrder),
        (Fault::MeasuresEachTwice, Rule::MainFigureIsMean),
        (Fault::TurnsBetterRound, Rule::BetterIsBetter),
        (Fault::ForgetsWhatItFitted, Rule::StateIsWhole),
        (Fault::Panics, Rule::NeverPanics),
    ] {
        let violation = conformance::objective(&flawed(fault)).unwrap_err();
        assert_eq!(violation.rule, rule, "{fault:?}: {violation}");
        let text = violation.to_string();
        assert!(text.contains("`flawed`") && text.contains(rule.claim()), "{text}");
    }
}

#[test]
fn a_violation_tells_the_batch_that_showed_it() {
    let violation = conformance::objective(&flawed(Fault::IsSurerThanSure)).unwrap_err();
    assert!(violation.input.contains("Number"), "{violation}");
}
