//! `gblend predict`.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use clap::Args;
use gblend_core::registry::nearest;
use gblend_core::{Answer, Label, LabelKind};
use serde::Serialize;

use super::device::DeviceOption;
use super::evaluate::with_trained;
use super::{print, print_json};
use crate::data::{Evaluable, SampleIndex};
use crate::error::{Error, Result};
use crate::progress::Reporter;
use crate::records::three_digits;
use crate::tables::{percent, table};

/// Predicts the classes of samples of the run's dataset, or their numbers.
#[derive(Debug, Args)]
pub(super) struct Predict {
    /// The run folder.
    run: PathBuf,
    /// Names of samples, such as scene-1003; `gblend check` lists some.
    #[arg(required = true)]
    samples: Vec<String>,
    #[command(flatten)]
    device: DeviceOption,
    /// Prints JSON in place of the table: the probabilities of every class, by every head.
    #[arg(long)]
    json: bool,
    /// Shows no progress.
    #[arg(long)]
    quiet: bool,
}

/// What stands for what is named: for a class where a sample has one, for each of a list where it may have several.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Named<T> {
    One(T),
    Several(Vec<T>),
}

impl<T> Named<T> {
    fn new(labels: LabelKind, mut named: Vec<T>) -> Self {
        match (labels, named.len()) {
            (LabelKind::Class, 1) => Self::One(named.remove(0)),
            _ => Self::Several(named),
        }
    }

    fn text(self, of: impl Fn(T) -> String) -> String {
        match self {
            Self::One(named) => of(named),
            Self::Several(named) => named.into_iter().map(of).collect::<Vec<_>>().join(", "),
        }
    }
}

/// Samples that the user named.
struct Asked(Vec<SampleIndex>);

impl Evaluable for Asked {
    fn samples(&self) -> &[SampleIndex] {
        &self.0
    }
}

/// What is said of a sample, or right: classes, or a number.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Said {
    Classes(Named<String>),
    Number(f64),
}

impl Said {
    fn text(self) -> String {
        match self {
            Self::Classes(named) => named.text(|name| name),
            Self::Number(number) => three_digits(number),
        }
    }
}

/// What a head says.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum HeadSaid {
    /// Class to probability.
    Classes(BTreeMap<String, f64>),
    Number(f64),
    /// What no label could say.
    Scores(Vec<f64>),
}

#[derive(Debug, Serialize)]
struct Prediction {
    id: String,
    /// By what the configuration says predictions are taken from: the class, or every class with a probability of at
    /// least one half, or the number; null if that says nothing that a label could.
    predicted: Option<Said>,
    /// The probability of each class.
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<Named<f64>>,
    /// Where no class passes, those that come nearest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    likely: Vec<LikelyClass>,
    /// What the dataset says; null without a label.
    label: Option<Said>,
    /// What each head says that sees the sample.
    heads: BTreeMap<String, HeadSaid>,
}

/// A class that is not said, and how probable it is.
#[derive(Clone, Debug, Serialize)]
struct LikelyClass {
    class: String,
    probability: f64,
}

/// The classes that come nearest, the most probable first.
fn likely(classes: &[String], scores: &[f64]) -> Vec<LikelyClass> {
    /// As many as a table has room for.
    const NEAREST: usize = 3;
    let mut likely: Vec<LikelyClass> = classes
        .iter()
        .zip(scores)
        .map(|(class, &probability)| LikelyClass {
            class: class.clone(),
            probability,
        })
        .collect();
    likely.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    likely.truncate(NEAREST);
    likely
}

impl Predict {
    pub(super) fn run(self) -> Result<()> {
        let reporter = Reporter::new(self.quiet);
        let predictions = with_trained(&self.run, &self.device, &reporter, |trained, _| {
            let source = trained.session.source.as_ref();
            let ids: Vec<String> = (0..source.len()).map(|index| source.sample(index).id).collect();
            let positions: HashMap<&str, SampleIndex> = ids
                .iter()
                .zip(0..)
                .map(|(id, index)| (id.as_str(), index))
                .collect();
            let find = |name: &String| {
                positions.get(name.as_str()).copied().ok_or_else(|| {
                    let known = ids.iter().map(String::as_str);
                    let near = nearest(name, known).into_iter().next();
                    let near = near.or_else(|| ids.first().cloned()).unwrap_or_default();
                    Error::Usage(format!("no sample is called `{name}`; one is called `{near}`"))
                })
            };
            let asked = Asked(self.samples.iter().map(find).collect::<Result<_>>()?);
            let evaluation = trained.evaluate(&asked)?;
            let source = trained.session.source.as_ref();
            let classes = source.classes();
            let heads = trained.session.heads.names();
            let criteria = trained.model.criteria();
            let scores: Vec<Vec<Option<Vec<f64>>>> = (0..heads.len())
                .map(|head| evaluation.scores(criteria, head))
                .collect::<Result<_>>()?;
            let rule = trained.session.config.blend.pipeline.predict;
            let mixed = rule.scores(&evaluation, &trained.ensemble())?;
            let predicted = criteria.of_predictions(&trained.weights).get();
            let labels = source.label_kind();
            let named = |named: &[usize]| {
                let names = named.iter().filter_map(|&class| classes.get(class).cloned());
                Said::Classes(Named::new(labels, names.collect()))
            };
            let head_said = |head: usize, row: usize| {
                let scores = scores[head][row].as_ref()?;
                Some(match criteria.of(head).get().answer(scores) {
                    Answer::Classes(_) => {
                        HeadSaid::Classes(classes.iter().cloned().zip(scores.iter().copied()).collect())
                    }
                    Answer::Number(number) => HeadSaid::Number(number),
                    _ => HeadSaid::Scores(scores.clone()),
                })
            };
            let prediction = |(row, &sample): (usize, &usize)| {
                let location = || format!("the prediction of sample {}", ids[sample]);
                let mixed = mixed[row].as_ref().ok_or_else(|| {
                    let problem = "none of the heads that predictions are taken from sees the sample";
                    gblend_core::Error::data(location(), problem)
                })?;
                if mixed.iter().any(|score| score.is_nan()) {
                    let (location, value) = (location(), f64::NAN);
                    return Err(gblend_core::Error::NonFinite { location, value }.into());
                }
                let (predicted, probability, likely) = match predicted.answer(mixed) {
                    Answer::Classes(said) => {
                        let probabilities = said.iter().filter_map(|&class| mixed.get(class).copied());
                        let probabilities = Named::new(labels, probabilities.collect());
                        let likely = said.is_empty().then(|| likely(classes, mixed));
                        (Some(named(&said)), Some(probabilities), likely)
                    }
                    Answer::Number(number) => (Some(Said::Number(number)), None, None),
                    _ => (None, None, None),
                };
                Ok(Prediction {
                    id: source.sample(sample).id,
                    predicted,
                    probability,
                    likely: likely.unwrap_or_default(),
                    label: match &evaluation.targets.labels[row] {
                        Label::Missing => None,
                        Label::Number(number) => Some(Said::Number(*number)),
                        label => Some(named(label.classes())),
                    },
                    heads: heads
                        .iter()
                        .enumerate()
                        .filter_map(|(head, name)| Some((name.clone(), head_said(head, row)?)))
                        .collect(),
                })
            };
            evaluation
                .samples
                .iter()
                .enumerate()
                .map(prediction)
                .collect::<Result<Vec<_>>>()
        })?;
        reporter.finish();
        if self.json {
            return print_json(&predictions);
        }
        let with_probability = predictions.iter().any(|one| one.probability.is_some());
        let dash = || "-".to_owned();
        let rows = predictions.into_iter().map(|prediction| {
            let nearest = prediction.likely.iter();
            let nearest = nearest.map(|one| format!("{} {}", one.class, percent(one.probability)));
            let nearest: Vec<String> = nearest.collect();
            let said = match nearest.is_empty() {
                true => prediction.predicted.map_or_else(dash, Said::text),
                false => "(none)".to_owned(),
            };
            let mut row = vec![prediction.id, said];
            if with_probability {
                row.push(match nearest.is_empty() {
                    true => prediction.probability.map_or_else(dash, |one| one.text(percent)),
                    false => format!("nearest: {}", nearest.join(", ")),
                });
            }
            row.push(prediction.label.map_or_else(dash, Said::text));
            row
        });
        let mut header = vec!["sample", "predicted"];
        header.extend(with_probability.then_some("probability"));
        header.push("label");
        print(&table(&header, 2, rows))
    }
}
