//! `gblend evaluate`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use gblend_core::params::load_state;
use serde::Serialize;

use super::device::DeviceOption;
use super::{print, print_json};
use crate::config::{Config, Override};
use crate::data::{Evaluable, Splits};
use crate::error::{Error, Result};
use crate::evaluation::{Evaluation, MOST_MODALITIES, evaluate, score_subsets};
use crate::network::{ActiveHeads, Multimodal};
use crate::progress::Reporter;
use crate::records::{PredictionRule, SubsetScore};
use crate::run_folder::FinishedRun;
use crate::tables::{percent, predictions_line, table};
use crate::training::session::{Session, with_threads};

/// Evaluates a trained model.
#[derive(Debug, Args)]
pub(super) struct Evaluate {
    /// The run folder.
    run: PathBuf,
    /// The samples to evaluate on.
    #[arg(long, value_enum, default_value_t = Split::Test)]
    split: Split,
    /// Also runs the joint head on every subset of the modalities.
    #[arg(long)]
    subsets: bool,
    #[command(flatten)]
    device: DeviceOption,
    /// Prints JSON in place of the table.
    #[arg(long)]
    json: bool,
    /// Shows no progress.
    #[arg(long)]
    quiet: bool,
}

/// A part of the dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Split {
    Train,
    Validation,
    Test,
}

#[derive(Debug, Serialize)]
struct Report {
    split: Split,
    samples: usize,
    heads: Vec<HeadReport>,
    predict: PredictionRule,
    predictions: Vec<PredictionReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subsets: Vec<SubsetScore>,
}

#[derive(Debug, Serialize)]
struct HeadReport {
    name: String,
    /// Those that it sees.
    samples: usize,
    accuracy: f64,
    macro_f1: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_average_precision: Option<f64>,
    loss: f64,
}

#[derive(Debug, Serialize)]
struct PredictionReport {
    rule: PredictionRule,
    accuracy: f64,
    macro_f1: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_average_precision: Option<f64>,
    loss: f64,
}

impl Evaluate {
    pub(super) fn run(self) -> Result<()> {
        let reporter = Reporter::new(self.quiet);
        let report = with_trained(&self.run, &self.device, &reporter, |trained, splits| {
            let (train, validation, test);
            let samples: &dyn Evaluable = match self.split {
                Split::Train => {
                    train = splits.train;
                    &train
                }
                Split::Validation => {
                    validation = splits.validation;
                    &validation
                }
                Split::Test => {
                    test = splits.into_test();
                    &test
                }
            };
            let evaluation = trained.evaluate(samples)?;
            let subsets = if self.subsets {
                trained.score_subsets(samples)?
            } else {
                Vec::new()
            };
            let names = trained.session.heads.names().iter();
            let heads = names.zip(&evaluation.heads).zip(evaluation.metrics()?);
            let heads = heads.filter_map(|((name, scores), metrics)| {
                let metrics = metrics?;
                Some(HeadReport {
                    name: name.clone(),
                    samples: scores.as_ref()?.rows.len(),
                    accuracy: metrics.accuracy,
                    macro_f1: metrics.macro_f1,
                    mean_average_precision: metrics.mean_average_precision,
                    loss: metrics.loss,
                })
            });
            let predictions = PredictionRule::ALL.into_iter().map(|rule| {
                let metrics = rule.metrics(&evaluation, &trained.weights)?;
                Ok(metrics.map(|metrics| PredictionReport {
                    rule,
                    accuracy: metrics.accuracy,
                    macro_f1: metrics.macro_f1,
                    mean_average_precision: metrics.mean_average_precision,
                    loss: metrics.loss,
                }))
            });
            let predictions = predictions.collect::<Result<Vec<_>>>()?;
            Ok(Report {
                split: self.split,
                samples: evaluation.samples.len(),
                heads: heads.collect(),
                predict: trained.session.config.blend.pipeline.predict,
                predictions: predictions.into_iter().flatten().collect(),
                subsets,
            })
        })?;
        reporter.finish();
        if report.samples == 0 {
            let problem = "the run has no samples in this split; run.validation sets some aside".to_owned();
            return Err(Error::Run {
                folder: self.run,
                problem,
            });
        }
        if self.json {
            return print_json(&report);
        }
        let several_labels = report
            .heads
            .iter()
            .any(|head| head.mean_average_precision.is_some());
        let rows = report.heads.iter();
        let rows = rows.map(|head| {
            let mut row = vec![
                head.name.clone(),
                head.samples.to_string(),
                percent(head.accuracy),
                percent(head.macro_f1),
            ];
            if several_labels {
                row.push(
                    head.mean_average_precision
                        .map_or_else(|| "-".to_owned(), percent),
                );
            }
            row.push(format!("{:.3}", head.loss));
            row
        });
        let predictions = report.predictions.iter();
        let predictions = predictions.map(|prediction| (prediction.rule, prediction.accuracy));
        let predictions = predictions_line(report.predict, predictions);
        let mut header = vec!["head", "samples", "accuracy", "macro F1"];
        header.extend(several_labels.then_some("mAP"));
        header.push("loss");
        let heads = table(&header, 1, rows);
        let mut text = format!("{heads}\n\n{predictions}");
        if !report.subsets.is_empty() {
            let rows = report.subsets.iter().map(|subset| {
                vec![
                    subset.modalities.join(" + "),
                    percent(subset.accuracy),
                    format!("{:.3}", subset.loss),
                ]
            });
            let header = ["the joint head on", "accuracy", "loss"];
            text = format!("{text}\n\n{}", table(&header, 1, rows));
        }
        print(&text)
    }
}

/// A trained model with the data that it was trained on.
pub(super) struct TrainedModel<'a> {
    pub(super) session: Session<'a>,
    pub(super) model: Multimodal,
    /// The weights of the heads' losses; a head of weight 0 was not trained.
    pub(super) weights: Vec<f64>,
}

impl TrainedModel<'_> {
    /// The joint head with every subset of the modalities.
    fn score_subsets(&mut self, samples: &dyn Evaluable) -> Result<Vec<SubsetScore>> {
        let names = &self.session.heads.names()[..self.session.heads.joint()];
        if self.weights.last().is_none_or(|&weight| weight == 0.0) {
            let problem = "--subsets: the joint head of this run was not trained";
            return Err(Error::Usage(problem.to_owned()));
        }
        if names.len() > MOST_MODALITIES {
            return Err(Error::Usage(format!(
                "--subsets: {} modalities, expected at most {MOST_MODALITIES}",
                names.len()
            )));
        }
        let loader = self.session.loader(vec![true; names.len()]);
        let (batch_size, device) = (self.session.batch_size(), &self.session.device);
        score_subsets(&mut self.model, &loader, samples, batch_size, device, names)
    }

    /// Every head on some samples.
    pub(super) fn evaluate(&mut self, samples: &dyn Evaluable) -> Result<Evaluation> {
        let active = ActiveHeads::all(self.session.heads.len());
        let loader = self.session.loader(active.encoders());
        let (batch_size, device) = (self.session.batch_size(), &self.session.device);
        evaluate(&mut self.model, &loader, samples, batch_size, device, &active)
    }
}

/// Opens a run and its data, and runs `work` on the configured threads.
pub(super) fn with_trained<T: Send>(
    folder: &Path,
    device: &DeviceOption,
    reporter: &Reporter,
    work: impl FnOnce(&mut TrainedModel<'_>, Splits) -> Result<T> + Send,
) -> Result<T> {
    let run = FinishedRun::open(folder)?;
    let overrides: Vec<Override> = device.overrides().into_iter().collect();
    let config = Config::load(Some(&run.config_path()), &overrides)?;
    with_threads(config.run.threads, || {
        let (session, splits) = Session::open(&config, reporter)?;
        let classes = session.source.classes();
        let shapes = session.sample_shapes()?;
        let trained_on = run.model.modalities.iter().map(|modality| &modality.sample_shape);
        if classes != run.model.classes || !trained_on.eq(shapes.iter()) {
            let problem = "the dataset has other classes or samples of other shapes than when the model was \
                           trained; bring the data back, or train again"
                .to_owned();
            return Err(Error::Run {
                folder: run.path.clone(),
                problem,
            });
        }
        let mut model = session.build_model()?;
        load_state(&mut model, &run.state)?;
        let weights = run.summary.heads.iter().map(|head| head.weight).collect();
        work(
            &mut TrainedModel {
                session,
                model,
                weights,
            },
            splits,
        )
    })
}
