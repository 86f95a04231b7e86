//! `gblend predict`.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use clap::Args;
use gblend_core::Task;
use gblend_core::registry::nearest;
use serde::Serialize;

use super::device::DeviceOption;
use super::evaluate::with_trained;
use super::{print, print_json};
use crate::data::{Evaluable, SampleIndex};
use crate::error::{Error, Result};
use crate::evaluation::predicted;
use crate::progress::Reporter;
use crate::tables::{percent, table};

/// Predicts the classes of samples of the run's dataset.
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

/// What stands for each class that is named: one where a sample has one class, a list where it may have several.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Named<T> {
    One(T),
    Several(Vec<T>),
}

impl<T> Named<T> {
    fn new(task: Task, mut named: Vec<T>) -> Self {
        match (task, named.len()) {
            (Task::SingleLabel, 1) => Self::One(named.remove(0)),
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

#[derive(Debug, Serialize)]
struct Prediction {
    id: String,
    /// By what the configuration says predictions are taken from: the class, or every class with a probability of at
    /// least one half.
    predicted: Named<String>,
    /// The probability of each of them.
    probability: Named<f64>,
    /// What the dataset says.
    label: Named<String>,
    /// Head to class to probability, by the heads that see the sample.
    heads: BTreeMap<String, BTreeMap<String, f64>>,
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
            let probabilities: Vec<Vec<Option<Vec<f64>>>> = (0..heads.len())
                .map(|head| evaluation.probabilities(head))
                .collect::<Result<_>>()?;
            let rule = trained.session.config.blend.pipeline.predict;
            let mixed = rule.probabilities(&evaluation, &trained.weights)?;
            let prediction = |(row, &sample): (usize, &usize)| {
                let location = || format!("the prediction of sample {}", ids[sample]);
                let mixed = mixed[row].as_ref().ok_or_else(|| {
                    let problem = "none of the heads that predictions are taken from sees the sample";
                    gblend_core::Error::data(location(), problem)
                })?;
                if mixed.iter().any(|p| p.is_nan()) {
                    let (location, value) = (location(), f64::NAN);
                    return Err(gblend_core::Error::NonFinite { location, value }.into());
                }
                let task = evaluation.targets.task();
                let predicted = predicted(task, mixed, 0.5);
                let named = |named: &[usize]| {
                    Named::new(task, named.iter().map(|&class| classes[class].clone()).collect())
                };
                let by_class = |row: &Vec<f64>| classes.iter().cloned().zip(row.iter().copied()).collect();
                Ok(Prediction {
                    id: source.sample(sample).id,
                    probability: Named::new(task, predicted.iter().map(|&class| mixed[class]).collect()),
                    predicted: named(&predicted),
                    label: named(evaluation.targets.classes(row)),
                    heads: heads
                        .iter()
                        .zip(&probabilities)
                        .filter_map(|(head, rows)| Some((head.clone(), by_class(rows[row].as_ref()?))))
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
        let rows = predictions.into_iter().map(|prediction| {
            let Prediction {
                id,
                predicted,
                probability,
                label,
                ..
            } = prediction;
            let same = |name| name;
            vec![
                id,
                predicted.text(same),
                probability.text(percent),
                label.text(same),
            ]
        });
        print(&table(&["sample", "predicted", "probability", "label"], 2, rows))
    }
}
