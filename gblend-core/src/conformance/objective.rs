//! Checks of objectives.

use proptest::prelude::*;

use super::built::each_parameter;
use super::difference::{all_finite, same_values};
use super::fusion_inputs::{Leaf, Shapes};
use super::{Rule, Violation, arbitrary, config, fusion, harness};
use crate::array::Array;
use crate::error::Error;
use crate::fusion::{FusionContext, FusionModule};
use crate::label::{Label, LabelKind};
use crate::labels::Labels;
use crate::look::Look;
use crate::nn::backward;
use crate::objective::{Criterion, Objective, ObjectiveContext, losses_of_all, mean_of, weighted_mean};
use crate::params::{load_state, state_of};
use crate::role::Role;
use crate::seed::Seed;
use crate::strategy::JOINT;
use crate::targets::Targets;
use crate::tensor::{AutoDevice, Loss};

/// Classes of the labels that are tried.
const CLASSES: usize = 3;
/// Samples of a batch.
const SAMPLES: usize = 6;
/// Batches that are tried for each kind of label.
const CASES: u32 = 24;
/// Lengths of the feature vectors that an objective's own joint head is tried with.
const LENGTHS: [usize; 2] = [4, 5];
/// How far an output is moved to see how the loss follows.
const STEP: f32 = 1e-3;

/// Checks an objective at the joint head and at a modality's own, for every kind of label that it takes.
///
/// Kinds of label and heads that it refuses with [`Error::Setting`] or [`Error::Data`] are left out; it must take some.
///
/// # Errors
/// The first [`Violation`] that is found.
pub fn objective(objective: &dyn Objective) -> Result<(), Violation> {
    harness::of_plugin(objective.typetag_name(), || {
        config::survives_json::<_, Box<dyn Objective>>(objective.typetag_name(), objective)?;
        let mut refusal = String::new();
        let mut started = false;
        for kind in LabelKind::ALL {
            for head in ["m0", JOINT] {
                let split = Split::new(kind, head);
                match split.start(objective) {
                    Ok(_) => {
                        started = true;
                        let check = Checked { objective, split };
                        check
                            .check()
                            .map_err(|violation| violation.with(&format_args!("{kind} at head {head}")))?;
                    }
                    Err(error @ (Error::Setting { .. } | Error::Data { .. })) => refusal = error.to_string(),
                    Err(error) => {
                        let expected = "a start, Error::Setting or Error::Data";
                        let violation = Rule::ObjectiveStarts.broken(expected, error);
                        return Err(violation.with(&format_args!("{kind} at head {head}")));
                    }
                }
            }
        }
        Rule::ObjectiveStarts.holds(started, "a start for some kind of label", refusal)
    })
}

/// The training split that an objective is started with.
struct Split {
    kind: LabelKind,
    head: &'static str,
    classes: Vec<String>,
}

impl Split {
    fn new(kind: LabelKind, head: &'static str) -> Self {
        Self {
            kind,
            head,
            classes: (0..CLASSES).map(|class| format!("c{class}")).collect(),
        }
    }

    /// Starts with labels of which some are more frequent than others.
    fn start(&self, objective: &dyn Objective) -> crate::Result<Box<dyn Criterion>> {
        self.start_with(objective, [0, 0, 1, 0, 2, 0, 1], 1.0)
    }

    /// Starts with other labels, of which others are more frequent.
    fn start_otherwise(&self, objective: &dyn Objective) -> crate::Result<Box<dyn Criterion>> {
        self.start_with(objective, [2, 1, 2, 0, 2, 2, 3], 3.0)
    }

    /// Starts with the labels of these samples again and again, and one that is missing; numbers are of this scale.
    fn start_with(
        &self,
        objective: &dyn Objective,
        samples: [usize; 7],
        scale: f64,
    ) -> crate::Result<Box<dyn Criterion>> {
        let labels = (0..24).map(|place| match samples.get(place % 8) {
            None => Label::Missing,
            Some(sample) => label(self.kind, *sample, scale),
        });
        let labels: Vec<Label> = labels.collect();
        let started = objective.start(&ObjectiveContext {
            head: self.head,
            classes: &self.classes,
            labels: &Labels::of(self.kind, &labels)?,
            device: &AutoDevice::default(),
            seed: Seed::new(1),
        });
        started.map_err(|error| error.of_plugin(objective, Role::Objective.name()))
    }
}

/// The label of sample `sample` of many; neighbors differ.
fn label(kind: LabelKind, sample: usize, scale: f64) -> Label {
    match kind {
        LabelKind::Class => Label::Class(sample % CLASSES),
        LabelKind::Classes => Label::Classes(match sample % 4 {
            0 => vec![0],
            1 => vec![1, 2],
            2 => vec![2],
            _ => vec![0, 1],
        }),
        LabelKind::Number => Label::Number(scale * (5.0 + (sample * 7 % 11) as f64)),
    }
}

/// Labels of another kind, and such as no sample has.
fn other_labels(kind: LabelKind) -> Vec<Label> {
    let others = LabelKind::ALL.into_iter().filter(|&other| other != kind);
    let mut labels: Vec<Label> = others.map(|other| label(other, 1, 1.0)).collect();
    labels.extend(match kind {
        LabelKind::Class => vec![Label::Class(CLASSES)],
        LabelKind::Classes => vec![Label::Classes(vec![0, CLASSES])],
        LabelKind::Number => [f64::NAN, f64::INFINITY].map(Label::Number).to_vec(),
    });
    labels
}

/// Labels of a batch.
fn labels(kind: LabelKind) -> impl Strategy<Value = Vec<Label>> {
    prop::collection::vec(
        (0_usize..1000).prop_map(move |sample| label(kind, sample, 1.0)),
        SAMPLES,
    )
}

struct Checked<'a> {
    objective: &'a dyn Objective,
    split: Split,
}

impl Checked<'_> {
    fn check(&self) -> Result<(), Violation> {
        let width = self.check_width()?;
        self.check_metric_kinds()?;
        let cases = (arbitrary::array(vec![SAMPLES, width]), labels(self.split.kind));
        harness::for_each(CASES, cases, |(output, labels)| {
            let case = Case {
                needs_label: self.objective.needs_label(),
                criterion: self.criterion()?,
                output,
                targets: Targets::new(labels.clone()),
            };
            self.check_case(case)
        })?;
        self.check_empty(width)?;
        if self.objective.needs_label() {
            self.check_direction(width)?;
        }
        Ok(())
    }

    fn criterion(&self) -> Result<Box<dyn Criterion>, Violation> {
        Rule::ObjectiveStarts.works("a start", self.split.start(self.objective))
    }

    /// The width of an output, and that a joint head of its own keeps the rules of fusions.
    fn check_width(&self) -> Result<usize, Violation> {
        let criterion = self.criterion()?;
        let own = |seed| -> crate::Result<Option<Box<dyn FusionModule>>> {
            let head = criterion.joint_head(&FusionContext {
                device: &AutoDevice::default(),
                feature_dims: &LENGTHS,
                stages: &[],
                seed,
            });
            head.map_err(|error| error.of_plugin(self.objective, Role::Objective.name()))
        };
        let alone = |seed| -> crate::Result<Option<Box<dyn FusionModule>>> {
            let head = criterion.own_head(&FusionContext {
                device: &AutoDevice::default(),
                feature_dims: self.looked_at(),
                stages: &[],
                seed,
            });
            head.map_err(|error| error.of_plugin(self.objective, Role::Objective.name()))
        };
        let checked = |head: &dyn Fn(Seed) -> crate::Result<Option<Box<dyn FusionModule>>>, what, lengths| {
            let Some(built) = Rule::Builds.works(what, head(Seed::new(1)))? else {
                return Ok(criterion.width());
            };
            let build = |seed| head(seed)?.ok_or_else(|| Error::shape(what, "one", [0]));
            fusion::check(&build, Shapes::Lengths(lengths))?;
            Ok(built.fused_dim())
        };
        let width = match self.split.head == JOINT {
            true => checked(&own, "a joint head of its own", &LENGTHS)?,
            false => checked(&alone, "a head of its own", self.looked_at())?,
        };
        Rule::OutputHasShape.holds(width > 0, "a width above 0", width)?;
        Ok(width)
    }

    /// Lengths of the feature vectors that a modality's own head is shown.
    fn looked_at(&self) -> &'static [usize] {
        match self.objective.look() {
            Look::Once => &LENGTHS[..1],
            Look::TwoAugmentations | Look::BesideReference(_) => &[LENGTHS[0], LENGTHS[0]],
        }
    }

    fn check_metric_kinds(&self) -> Result<(), Violation> {
        let rule = Rule::MetricsAreTold;
        let criterion = self.criterion()?;
        let kinds = criterion.metric_kinds();
        rule.holds(!kinds.is_empty(), "at least one metric", kinds)?;
        for (position, kind) in kinds.iter().enumerate() {
            let alike = kinds.iter().position(|other| other.name == kind.name);
            let own = alike == Some(position) && !kind.name.is_empty() && !kind.label.is_empty();
            rule.holds(own, "names that differ", kinds)?;
        }
        let selects = criterion.selection();
        let known =
            |selects: &[usize]| !selects.is_empty() && selects.iter().all(|&position| position < kinds.len());
        rule.holds(
            known(selects),
            format!("positions below {}", kinds.len()),
            selects,
        )?;
        let selects = criterion.balanced_selection();
        rule.holds(
            known(selects),
            format!("positions below {}", kinds.len()),
            selects,
        )
    }

    fn check_case(&self, mut case: Case<'_>) -> Result<(), Violation> {
        case.check_losses()?;
        case.check_gradients()?;
        case.check_order()?;
        case.check_scores()?;
        if case.needs_label {
            case.check_missing()?;
            for label in other_labels(self.split.kind) {
                case.check_refused(label)?;
            }
        }
        case.check_shapes()?;
        self.check_state(&mut case)
    }

    /// Started with other labels and then restored, it is the same.
    fn check_state(&self, case: &mut Case<'_>) -> Result<(), Violation> {
        let rule = Rule::StateIsWhole;
        let other = self.split.start_otherwise(self.objective);
        let mut other = Rule::ObjectiveStarts.works("a start with other labels", other)?;
        let state = rule.works("reading its state", state_of(case.criterion.as_mut()))?;
        rule.works("loading its state", load_state(other.as_mut(), &state))?;
        let of = |criterion: &dyn Criterion| -> crate::Result<(Vec<f64>, Vec<f64>)> {
            let losses = criterion.losses(case.output, &case.targets)?;
            let losses = losses.into_iter().map(|loss| loss.unwrap_or(0.0));
            Ok((losses.collect(), criterion.scores(case.output)?.concat()))
        };
        let expected = rule.works("losses and scores", of(case.criterion.as_ref()))?;
        let found = rule.works("losses and scores", of(other.as_ref()))?;
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits();
        same_values(rule, "the losses", &expected.0, &found.0, same)?;
        same_values(rule, "the scores", &expected.1, &found.1, same)
    }

    fn check_empty(&self, width: usize) -> Result<(), Violation> {
        let criterion = self.criterion()?;
        let output = Array::zeros([0, width]);
        let losses = criterion.losses(&output, &Targets::default());
        let losses = Rule::LossOfEach.works("losses of no sample", losses)?;
        Rule::LossOfEach.holds(losses.is_empty(), "none", losses)?;
        let scores = Rule::ScoresTellLosses.works("scores of no sample", criterion.scores(&output))?;
        Rule::ScoresTellLosses.holds(scores.is_empty(), "none", scores)?;
        let metrics = criterion.metrics(&[], &[], &Targets::default());
        let metrics = Rule::MetricsAreTold.works("metrics of no sample", metrics)?;
        Rule::MetricsAreTold.holds(
            metrics.len() == criterion.metric_kinds().len(),
            "one for each metric",
            metrics,
        )
    }

    /// Answers that were fitted to the labels, and the same ones given to the samples before.
    fn check_direction(&self, width: usize) -> Result<(), Violation> {
        let rule = Rule::BetterIsBetter;
        const COUNT: usize = 12;
        let labels = (0..COUNT).map(|sample| label(self.split.kind, sample, 1.0));
        let targets = Targets::new(labels.collect());
        let mut criterion = self.criterion()?;
        let fitted = rule.works(
            "fitting an output to labels",
            fit(criterion.as_mut(), Array::zeros([COUNT, width]), &targets),
        )?;
        let mut values = fitted.values().to_vec();
        values.rotate_left(width);
        let shifted = rule.works("an output", Array::new([COUNT, width], values))?;
        let metrics = |output: &Array| -> crate::Result<Vec<Option<f64>>> {
            let losses = losses_of_all(criterion.as_ref(), output, &targets)?;
            criterion.metrics(&criterion.scores(output)?, &losses, &targets)
        };
        let better = rule.works("metrics", metrics(&fitted))?;
        let worse = rule.works("metrics", metrics(&shifted))?;
        let figures = criterion.metric_kinds().iter().zip(better.iter().zip(&worse));
        for (position, (kind, (&better, &worse))) in figures.enumerate() {
            let (Some(better), Some(worse)) = (better, worse) else {
                continue;
            };
            let (gain, loss) = (kind.better.gain(better), kind.better.gain(worse));
            let holds = if position == 0 { gain > loss } else { gain >= loss };
            let expected = format!(
                "a better `{}` than {worse}, the {:?} being better",
                kind.name, kind.better
            );
            rule.holds(holds, expected, better)?;
        }
        Ok(())
    }
}

/// An output that fits the labels, found by following the gradient with a step that grows while the loss falls.
fn fit(criterion: &mut dyn Criterion, mut output: Array, targets: &Targets) -> crate::Result<Array> {
    const STEPS: usize = 400;
    let mean = |criterion: &dyn Criterion, output: &Array| -> crate::Result<f64> {
        Ok(mean_of(&losses_of_all(criterion, output, targets)?).unwrap_or(f64::NAN))
    };
    let mut loss = mean(criterion, &output)?;
    let mut rate = 1.0_f32;
    for _ in 0..STEPS {
        let (_, gradient) = differentiate(criterion, &output, targets)?;
        let mut moved = output.clone();
        let pairs = moved.values_mut().iter_mut().zip(gradient.values());
        pairs.for_each(|(value, gradient)| *value -= rate * gradient);
        let found = mean(criterion, &moved)?;
        if found < loss {
            (output, loss, rate) = (moved, found, (1.5 * rate).min(1e3));
        } else {
            rate *= 0.5;
        }
    }
    Ok(output)
}

/// The loss on the tape, and its gradient in the output.
fn differentiate(
    criterion: &mut dyn Criterion,
    output: &Array,
    targets: &Targets,
) -> crate::Result<(f64, Array)> {
    let mut leaf = Leaf::new(output.values().to_vec(), output.shape())?;
    let loss = loss_on(criterion, &leaf, targets)?;
    let value = f64::from(loss.value());
    let gradient = leaf.param().gradient(&mut backward(loss)?)?;
    Ok((value, gradient))
}

fn loss_on(criterion: &mut dyn Criterion, leaf: &Leaf, targets: &Targets) -> crate::Result<Loss> {
    let mut inputs = Leaf::inputs(std::slice::from_ref(leaf));
    let output = inputs.features.pop();
    let output = output.ok_or_else(|| Error::shape("an output", "[batch, width]", [0]))?;
    criterion.loss(output, targets)
}

/// One batch.
struct Case<'a> {
    needs_label: bool,
    criterion: Box<dyn Criterion>,
    /// `[SAMPLES, width]`.
    output: &'a Array,
    targets: Targets,
}

impl Case<'_> {
    fn width(&self) -> usize {
        self.output.shape()[1]
    }

    fn losses(&self, output: &Array, targets: &Targets) -> Result<Vec<Option<f64>>, Violation> {
        let rule = Rule::LossOfEach;
        let losses = rule.works("the losses of a batch", self.criterion.losses(output, targets))?;
        let told = losses.len() == targets.len()
            && losses
                .iter()
                .zip(&targets.labels)
                .all(|(loss, label)| match loss {
                    Some(loss) => loss.is_finite() && !(self.needs_label && label.is_missing()),
                    None => self.needs_label && label.is_missing(),
                });
        rule.holds(told, format!("finite losses of {:?}", targets.labels), &losses)?;
        Ok(losses)
    }

    fn mean(&self) -> Result<f64, Violation> {
        let losses = self.losses(self.output, &self.targets)?;
        Ok(mean_of(&losses).unwrap_or(f64::NAN))
    }

    /// Rows and labels of these samples.
    fn select(&self, samples: &[usize]) -> Result<(Array, Targets), Violation> {
        let width = self.width();
        let values = samples
            .iter()
            .flat_map(|&sample| &self.output.values()[sample * width..][..width]);
        let output = Array::new([samples.len(), width], values.copied().collect());
        let output = Rule::CasesExist.works("an output", output)?;
        Ok((output, self.targets.select(samples)))
    }

    fn check_losses(&mut self) -> Result<(), Violation> {
        let mean = self.mean()?;
        let loss = differentiate(self.criterion.as_mut(), self.output, &self.targets);
        let (loss, _) = Rule::LossIsMean.works("the loss and its gradient", loss)?;
        close(Rule::LossIsMean, "the mean", mean, loss, 1e-4)
    }

    /// Where the loss has a kink, any slope between those of its two sides will do.
    fn check_gradients(&mut self) -> Result<(), Violation> {
        let rule = Rule::GradientIsOfLoss;
        let differentiated = differentiate(self.criterion.as_mut(), self.output, &self.targets);
        let (_, gradient) = rule.works("the loss and its gradient", differentiated)?;
        let here = self.mean()?;
        for element in 0..self.output.len() {
            let at = self.output.values()[element];
            let side = |to: f32| -> Result<f64, Violation> {
                let mut moved = self.output.clone();
                moved.values_mut()[element] = to;
                let there = mean_of(&self.losses(&moved, &self.targets)?).unwrap_or(f64::NAN);
                Ok((there - here) / (f64::from(to) - f64::from(at)))
            };
            let sides = [side(at - STEP)?, side(at + STEP)?];
            between(
                sides,
                gradient.values()[element],
                &format!("element {element} of the output"),
            )?;
        }
        self.check_parameters(here)
    }

    fn check_parameters(&mut self, here: f64) -> Result<(), Violation> {
        let rule = Rule::GradientIsOfLoss;
        let leaf = Leaf::new(self.output.values().to_vec(), self.output.shape());
        let leaf = Rule::CasesExist.works("an output", leaf)?;
        let loss = loss_on(self.criterion.as_mut(), &leaf, &self.targets);
        let mut gradients = rule.works("the backward pass", loss.and_then(backward))?;
        let mut found: Vec<(String, Array, Array)> = Vec::new();
        each_parameter(self.criterion.as_mut(), |path, param| {
            found.push((
                path.to_string(),
                param.to_array(),
                param.gradient(&mut gradients)?,
            ));
            Ok(())
        })?;
        for (path, values, gradient) in found {
            for element in 0..values.len() {
                let at = values.values()[element];
                let mut sides = [0.0; 2];
                for (side, to) in sides.iter_mut().zip([at - STEP, at + STEP]) {
                    let mut moved = values.clone();
                    moved.values_mut()[element] = to;
                    self.set(&path, &moved)?;
                    *side = (self.mean()? - here) / (f64::from(to) - f64::from(at));
                }
                self.set(&path, &values)?;
                between(
                    sides,
                    gradient.values()[element],
                    &format!("element {element} of `{path}`"),
                )?;
            }
        }
        Ok(())
    }

    fn set(&mut self, path: &str, values: &Array) -> Result<(), Violation> {
        each_parameter(self.criterion.as_mut(), |found, mut param| {
            match found.as_str() == path {
                true => param.set(values),
                false => Ok(()),
            }
        })
    }

    fn check_order(&mut self) -> Result<(), Violation> {
        let order: Vec<usize> = (0..SAMPLES).rev().collect();
        let (output, targets) = self.select(&order)?;
        let (here, there) = (
            self.losses(self.output, &self.targets)?,
            self.losses(&output, &targets)?,
        );
        for (&sample, there) in order.iter().zip(&there) {
            let (here, there) = (here[sample].unwrap_or(0.0), there.unwrap_or(0.0));
            close(Rule::LossFollowsSample, "the loss of a sample", here, there, 1e-9)?;
        }
        let rule = Rule::MetricsKnowNoOrder;
        let metrics = |output: &Array, losses: &[Option<f64>], targets: &Targets| {
            let scores = self.criterion.scores(output)?;
            self.criterion.metrics(&scores, losses, targets)
        };
        let first = rule.works("metrics", metrics(self.output, &here, &self.targets))?;
        let second = rule.works("metrics", metrics(&output, &there, &targets))?;
        let kinds = self.criterion.metric_kinds().len();
        Rule::MetricsAreTold.holds(first.len() == kinds, format!("{kinds} values"), &first)?;
        same_metrics(rule, &first, &second)?;
        self.check_main_figure(&here, first.first().copied().flatten())
    }

    fn check_main_figure(&self, losses: &[Option<f64>], main: Option<f64>) -> Result<(), Violation> {
        let rule = Rule::MainFigureIsMean;
        let scores = rule.works("scores", self.criterion.scores(self.output))?;
        let each = self.criterion.main_figure_of_each(&scores, losses, &self.targets);
        let Some(each) = rule.works("the main metric of each sample", each)? else {
            return Ok(());
        };
        rule.holds(
            each.len() == SAMPLES,
            format!("one for each of {SAMPLES} samples"),
            &each,
        )?;
        match (mean_of(&each), main) {
            (Some(mean), Some(main)) => close(rule, "the mean", main, mean, 1e-9),
            (None, None) => Ok(()),
            (mean, main) => rule.holds(false, format!("the mean {main:?}"), mean),
        }
    }

    /// What other programs are told of its scores.
    fn check_score_function(&self, scores: &[Vec<f64>]) -> Result<(), Violation> {
        let rule = Rule::ScoresAreTheirFunction;
        let Some(function) = self.criterion.score_function() else {
            return Ok(());
        };
        let told = rule.works("scores by the function", function.scores(self.output))?;
        let (told_values, values) = (told.concat(), scores.concat());
        rule.holds(
            told_values.len() == values.len(),
            format!("{} scores", values.len()),
            told_values.len(),
        )?;
        for (&expected, &found) in values.iter().zip(&told_values) {
            close(rule, "the score", expected, found, 1e-6)?;
        }
        if let [first, second, ..] = scores {
            let heads = [(0.25, Some(first.as_slice())), (0.75, Some(second.as_slice()))];
            let (expected, found) = (weighted_mean(&heads), self.criterion.pool(&heads));
            rule.holds(expected == found, format!("{expected:?}"), &found)?;
        }
        Ok(())
    }

    fn check_scores(&mut self) -> Result<(), Violation> {
        let rule = Rule::ScoresTellLosses;
        let scores = rule.works("scores", self.criterion.scores(self.output))?;
        let width = scores.first().map_or(0, Vec::len);
        let told = scores.len() == SAMPLES
            && scores
                .iter()
                .all(|row| row.len() == width && row.iter().all(|score| score.is_finite()));
        rule.holds(told, format!("{SAMPLES} rows of finite scores"), &scores)?;
        let expected = self.losses(self.output, &self.targets)?;
        let losses = rule.works(
            "losses of scores",
            self.criterion.losses_of_scores(&scores, &self.targets),
        )?;
        rule.holds(losses.len() == SAMPLES, format!("{SAMPLES} losses"), &losses)?;
        for (expected, found) in expected.iter().zip(&losses) {
            let (expected, found) = (expected.unwrap_or(0.0), found.unwrap_or(0.0));
            close(rule, "the loss of the output", expected, found, 1e-5)?;
        }
        self.check_score_function(&scores)?;
        let made = Rule::ScoresMakeOutput.works("an output of scores", self.criterion.output_of(&scores))?;
        all_finite(Rule::ScoresMakeOutput, "an output", made.shape(), made.values())?;
        let again = Rule::ScoresMakeOutput.works("its scores", self.criterion.scores(&made))?;
        for (&expected, &found) in scores.iter().flatten().zip(again.iter().flatten()) {
            close(Rule::ScoresMakeOutput, "the score", expected, found, 1e-5)?;
        }
        let sure = self.criterion.confidence(&scores, &self.targets);
        let sure = Rule::ConfidenceIsShare.works("confidence", sure)?;
        let share = sure.len() == SAMPLES && sure.iter().flatten().all(|sure| (0.0..=1.0).contains(sure));
        Rule::ConfidenceIsShare.holds(share, format!("{SAMPLES} shares"), &sure)?;
        for row in &scores {
            self.criterion.answer(row);
            if let Some(pooled) = self.criterion.pool(&[(1.0, Some(row))]) {
                same_values(Rule::PoolOfOneIsIt, "the scores", row, &pooled, |a, b| a == b)?;
            }
        }
        Ok(())
    }

    fn check_missing(&mut self) -> Result<(), Violation> {
        let rule = Rule::MissingCountsForNothing;
        let known: Vec<usize> = (0..SAMPLES).filter(|sample| sample % 3 != 1).collect();
        let mut some = self.targets.clone();
        for (sample, label) in some.labels.iter_mut().enumerate() {
            if !known.contains(&sample) {
                *label = Label::Missing;
            }
        }
        let (output, targets) = self.select(&known)?;
        let (with, without) = (self.losses(self.output, &some)?, self.losses(&output, &targets)?);
        for (&sample, &expected) in known.iter().zip(&without) {
            let (expected, found) = (expected.unwrap_or(0.0), with[sample].unwrap_or(f64::NAN));
            close(rule, "the loss of a sample", expected, found, 1e-9)?;
        }
        let expected = differentiate(self.criterion.as_mut(), &output, &targets);
        let (expected, gradient) = rule.works("the loss of the others", expected)?;
        let found = differentiate(self.criterion.as_mut(), self.output, &some);
        let (found, with_gradient) = rule.works("the loss of a batch with a missing label", found)?;
        close(rule, "the loss of the others", expected, found, 1e-5)?;
        let width = self.width();
        for (sample, row) in with_gradient.values().chunks_exact(width).enumerate() {
            let place = known.iter().position(|&known| known == sample);
            for (element, &found) in row.iter().enumerate() {
                let expected = place.map_or(0.0, |place| gradient.values()[place * width + element]);
                close(rule, "the gradient", expected.into(), found.into(), 1e-5)?;
            }
        }
        let metrics = |output: &Array, losses: &[Option<f64>], targets: &Targets| {
            let scores = self.criterion.scores(output)?;
            self.criterion.metrics(&scores, losses, targets)
        };
        let expected = rule.works("metrics of the others", metrics(&output, &without, &targets))?;
        let found = rule.works("metrics with a missing label", metrics(self.output, &with, &some))?;
        same_metrics(rule, &expected, &found)?;

        let nothing = Targets::new(vec![Label::Missing; SAMPLES]);
        self.losses(self.output, &nothing)?;
        let loss = differentiate(self.criterion.as_mut(), self.output, &nothing);
        Rule::NothingKnownRefused.refused("a batch without a label", loss)
    }

    fn check_refused(&mut self, label: Label) -> Result<(), Violation> {
        let rule = Rule::OtherLabelRefused;
        let what = format!("the label {label:?}");
        let mut targets = self.targets.clone();
        targets.labels[SAMPLES - 1] = label;
        rule.refused(&what, self.criterion.losses(self.output, &targets))?;
        rule.refused(
            &what,
            differentiate(self.criterion.as_mut(), self.output, &targets),
        )?;
        let scores = rule.works("scores", self.criterion.scores(self.output))?;
        rule.refused(&what, self.criterion.losses_of_scores(&scores, &targets))?;
        rule.refused(&what, self.criterion.confidence(&scores, &targets))
    }

    fn check_shapes(&mut self) -> Result<(), Violation> {
        let rule = Rule::OtherOutputRefused;
        let width = self.width();
        let fewer = Array::zeros([SAMPLES - 1, width]);
        let mut shapes = vec![fewer, Array::zeros([SAMPLES * width])];
        // Projections side by side may be of any number of modalities.
        if self.needs_label {
            shapes.push(Array::zeros([SAMPLES, width + 1]));
        }
        for output in &shapes {
            let what = format!("an output of shape {:?}", output.shape());
            rule.refused(&what, self.criterion.losses(output, &self.targets))?;
        }
        Ok(())
    }
}

/// The slope of the loss is one between those of its two sides.
fn between(sides: [f64; 2], found: f32, what: &str) -> Result<(), Violation> {
    let found = f64::from(found);
    let [low, high] = [sides[0].min(sides[1]), sides[0].max(sides[1])];
    let slack = 2e-3 * (1.0 + low.abs().max(high.abs()));
    Rule::GradientIsOfLoss.holds(
        found >= low - slack && found <= high + slack,
        format!("for {what} a slope from {low} to {high}"),
        found,
    )
}

fn close(rule: Rule, what: &str, expected: f64, found: f64, tolerance: f64) -> Result<(), Violation> {
    let near = (expected - found).abs() <= tolerance * expected.abs().max(1.0);
    rule.holds(near, format!("{what}, {expected}"), found)
}

fn same_metrics(rule: Rule, expected: &[Option<f64>], found: &[Option<f64>]) -> Result<(), Violation> {
    same_values(rule, "the metrics", expected, found, |a, b| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
        (a, b) => a.is_none() && b.is_none(),
    })
}
