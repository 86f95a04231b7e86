//! `gblend predict`.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use clap::Args;
use gblend_core::registry::nearest;
use serde::Serialize;

use super::evaluate::with_trained;
use super::table::{percent, table};
use super::{print, print_json};
use crate::data::split::Evaluable;
use crate::error::{Error, Result};
use crate::eval::highest;
use crate::progress::Reporter;

/// Predicts the classes of samples of the run's dataset.
#[derive(Debug, Args)]
pub(super) struct Predict {
    /// The run folder.
    run: PathBuf,
    /// Names of samples, such as scene-1003; `gblend check` lists some.
    #[arg(required = true)]
    samples: Vec<String>,
    /// Prints JSON in place of the table: the probabilities of every class, by every head.
    #[arg(long)]
    json: bool,
    /// Shows no progress.
    #[arg(long)]
    quiet: bool,
}

/// Samples that the user named.
struct Named(Vec<usize>);

impl Evaluable for Named {
    fn samples(&self) -> &[usize] {
        &self.0
    }
}

#[derive(Debug, Serialize)]
struct Prediction {
    id: String,
    /// By what the configuration says predictions are taken from.
    predicted: String,
    probability: f64,
    /// What the dataset says.
    label: String,
    /// Head to class to probability.
    heads: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Predict {
    pub(super) fn run(self) -> Result<()> {
        let reporter = Reporter::new(self.quiet);
        let predictions = with_trained(&self.run, &reporter, |trained, _| {
            let source = trained.session.source.as_ref();
            let ids: Vec<String> = (0..source.len()).map(|index| source.sample(index).id).collect();
            let positions: HashMap<&str, usize> = ids
                .iter()
                .enumerate()
                .map(|(index, id)| (id.as_str(), index))
                .collect();
            let find = |name: &String| {
                positions.get(name.as_str()).copied().ok_or_else(|| {
                    let known = ids.iter().map(String::as_str);
                    let near = nearest(name, known).into_iter().next();
                    let near = near.or_else(|| ids.first().cloned()).unwrap_or_default();
                    Error::Usage(format!("no sample is called `{name}`; one is called `{near}`"))
                })
            };
            let named = Named(self.samples.iter().map(find).collect::<Result<_>>()?);
            let evaluation = trained.evaluate(&named)?;
            let source = trained.session.source.as_ref();
            let classes = source.classes();
            let heads = trained.session.heads.names();
            let probabilities: Vec<Vec<Vec<f64>>> = (0..heads.len())
                .map(|head| evaluation.probabilities(head))
                .collect::<Result<_>>()?;
            let rule = trained.session.config.blend.pipeline.predict;
            let mixed = rule.probabilities(&evaluation, &trained.weights)?;
            let prediction = |(row, &sample): (usize, &usize)| {
                let mixed = &mixed[row];
                let best = highest(mixed).ok_or_else(|| gblend_core::Error::NonFinite {
                    location: format!("the prediction of sample {}", ids[sample]),
                    value: f64::NAN,
                })?;
                let by_class = |row: &Vec<f64>| classes.iter().cloned().zip(row.iter().copied()).collect();
                Ok(Prediction {
                    id: source.sample(sample).id,
                    predicted: classes[best].clone(),
                    probability: mixed[best],
                    label: classes[evaluation.labels[row]].clone(),
                    heads: heads
                        .iter()
                        .zip(&probabilities)
                        .map(|(head, rows)| (head.clone(), by_class(&rows[row])))
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
            vec![id, predicted, percent(probability), label]
        });
        print(&table(&["sample", "predicted", "probability", "label"], 2, rows))
    }
}
