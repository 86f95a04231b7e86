//! `gblend evaluate`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use gblend_core::MetricKind;
use gblend_core::params::load_state;
use serde::Serialize;

use super::device::DeviceOption;
use super::feature_space::FeatureSpaceOptions;
use super::further::{FurtherFiles, Oddities};
use super::{print, print_json};
use crate::data::{Differences, Evaluable, Splits};
use crate::error::{Error, Result};
use crate::evaluation::{Ensemble, Evaluation, MOST_MODALITIES, Scored};
use crate::progress::Reporter;
use crate::records::{
    ClassWeight, FeatureSpace, Metrics, ObjectiveDescription, PredictionRule, SplitName, SubsetScore,
};
use crate::tables::{feature_space_tables, metrics_table, predictions_line, weighted_losses};
use crate::training::session::{Session, with_threads};
use crate::training::{Predicted, Predictor, TrainedModel};

/// Evaluates a trained model.
#[derive(Debug, Args)]
pub(super) struct Evaluate {
    /// The run folder.
    run: PathBuf,
    /// The samples to evaluate on.
    #[arg(long, value_enum, default_value_t = Split::Test, conflicts_with_all = ["table", "shards"])]
    split: Split,
    #[command(flatten)]
    further: FurtherFiles,
    /// Also runs the joint head on every subset of the modalities.
    #[arg(long, conflicts_with_all = ["table", "shards"])]
    subsets: bool,
    #[command(flatten)]
    space: FeatureSpaceOptions,
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

impl Split {
    /// The name that the run has for it.
    fn name(self) -> SplitName {
        match self {
            Self::Train => SplitName::Training,
            Self::Validation => SplitName::Validation,
            Self::Test => SplitName::Test,
        }
    }
}

#[derive(Debug, Serialize)]
struct Report {
    /// Absent of samples that are not those of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<Split>,
    samples: usize,
    /// What predictions are judged by; absent for classification.
    #[serde(skip_serializing_if = "Option::is_none")]
    objective: Option<ObjectiveDescription>,
    /// How much samples count by their classes in losses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    class_weights: Vec<ClassWeight>,
    heads: Vec<HeadReport>,
    predict: PredictionRule,
    predictions: Vec<PredictionReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subsets: Vec<SubsetScore>,
    /// What the features of the modalities tell, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    feature_space: Option<FeatureSpace>,
    /// The kinds of figures that there may be, those of predictions first.
    #[serde(skip)]
    kinds: Vec<MetricKind>,
}

#[derive(Debug, Serialize)]
struct HeadReport {
    name: String,
    /// Those that it sees, and that have a label if it needs one.
    samples: usize,
    #[serde(flatten, with = "InPrintedOrder")]
    metrics: Metrics,
}

#[derive(Debug, Serialize)]
struct PredictionReport {
    rule: PredictionRule,
    #[serde(flatten, with = "InPrintedOrder")]
    metrics: Metrics,
}

/// The keys of [`Metrics`] as the table has its columns.
#[derive(Serialize)]
#[serde(remote = "Metrics")]
struct InPrintedOrder {
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    macro_f1: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_average_precision: Option<f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metrics: BTreeMap<String, f64>,
    loss: f64,
}

/// What an evaluation is of.
struct Evaluated<'a> {
    evaluation: &'a Evaluation,
    ensemble: Ensemble<'a>,
    /// Of the heads, the joint one's last.
    names: &'a [String],
    classes: &'a [String],
    predict: PredictionRule,
}

impl Report {
    fn of(evaluated: &Evaluated<'_>, split: Option<Split>, subsets: Vec<SubsetScore>) -> Result<Self> {
        let Evaluated {
            evaluation,
            ensemble,
            names,
            classes,
            predict,
        } = evaluated;
        let criteria = ensemble.criteria;
        let heads = evaluation
            .results(criteria)?
            .into_iter()
            .map(|result| HeadReport {
                name: names[result.head].clone(),
                samples: result.samples,
                metrics: result.metrics,
            });
        let predictions = evaluation
            .predictions(ensemble, &Scored::of(evaluation, ensemble)?)?
            .into_iter();
        let predictions = predictions.map(|(rule, metrics)| PredictionReport { rule, metrics });
        let asked = ensemble.lead();
        let all = [asked]
            .into_iter()
            .chain((0..criteria.heads()).map(|head| criteria.of(head)));
        Ok(Self {
            split,
            samples: evaluation.samples.len(),
            objective: asked.description().written(),
            class_weights: ClassWeight::of_each(asked.class_weights(), classes),
            heads: heads.collect(),
            predict: *predict,
            predictions: predictions.collect(),
            subsets,
            feature_space: None,
            kinds: all.flat_map(|head| head.get().metric_kinds()).cloned().collect(),
        })
    }
}

impl Evaluate {
    pub(super) fn run(mut self) -> Result<()> {
        let reporter = Reporter::new(self.quiet);
        let further = std::mem::take(&mut self.further);
        let report = match further.are_given() {
            true => self.of_further(further, &reporter)?,
            false => self.of_split(&reporter)?,
        };
        reporter.finish();
        if report.samples == 0 {
            let problem = match self.split {
                Split::Test => {
                    "the run has no test samples: it was trained without a test; --table takes others, and --split the \
                                run's own"
                }
                _ => "the run has no samples in this split; run.validation sets some aside",
            };
            let problem = problem.to_owned();
            return Err(Error::Run {
                folder: self.run,
                problem,
            });
        }
        if self.json {
            return print_json(&report);
        }
        let rows = report.heads.iter();
        let rows = rows.map(|head| {
            let columns = vec![head.name.clone(), head.samples.to_string()];
            (columns, Some(head.metrics.clone()))
        });
        let heads = metrics_table(&["head", "samples"], 1, "", &report.kinds, rows);
        let predictions = report.predictions.iter();
        let predictions = predictions.map(|prediction| (prediction.rule, prediction.metrics.clone()));
        let main = ObjectiveDescription::main(report.objective.as_ref());
        let predictions = predictions_line(report.predict, main, predictions);
        let losses = weighted_losses(&report.class_weights);
        let losses = losses.map_or_else(String::new, |losses| format!("{losses}\n"));
        let mut text = format!("{heads}\n{losses}\n{predictions}");
        if !report.subsets.is_empty() {
            let rows = report.subsets.iter();
            let rows = rows.map(|subset| (vec![subset.modalities.join(" + ")], Some(subset.all())));
            let subsets = metrics_table(&["the joint head on"], 1, "", &report.kinds, rows);
            text = format!("{text}\n\n{subsets}");
        }
        if let Some(space) = &report.feature_space {
            text = format!("{text}\n\n{}", feature_space_tables(space));
        }
        print(&text)
    }
}

impl Evaluate {
    /// On samples of the run's dataset.
    fn of_split(&self, reporter: &Reporter) -> Result<Report> {
        with_trained(&self.run, &self.device, reporter, |trained, splits| {
            if trained.refitted && self.split == Split::Validation {
                let problem = "the model was trained on its validation samples, too (run.refit): how good it is on them says \
                               nothing; take --split test, or a run without run.refit"
                    .to_owned();
                let folder = self.run.clone();
                return Err(Error::Run { folder, problem });
            }
            match &trained.session.differences {
                Some(differences) => check_differences(&self.run, differences, self.split.name(), reporter)?,
                None => reporter.warn(
                    "the run is of a version of gblend that did not keep which sample was in which split; they are drawn again, \
                     and if the dataset was changed since, even sorted otherwise, samples that were trained on may be among \
                     those of the test",
                ),
            }
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
                check_subsets(trained)?;
                trained.score_subsets(samples)?
            } else {
                Vec::new()
            };
            let feature_space = self.space.measure(trained, samples)?;
            let evaluated = Evaluated {
                evaluation: &evaluation,
                ensemble: trained.ensemble(),
                names: trained.session.heads.names(),
                classes: trained.session.source.classes(),
                predict: trained.session.config.blend.pipeline.predict,
            };
            let report = Report::of(&evaluated, Some(self.split), subsets)?;
            Ok(Report {
                feature_space,
                ..report
            })
        })
    }

    /// On labeled samples of other files.
    fn of_further(&self, further: FurtherFiles, reporter: &Reporter) -> Result<Report> {
        let given = further.open()?;
        let (run, config) = self.device.open_run(&self.run, reporter)?;
        with_threads(config.run.threads, || {
            let (mut predictor, notes) = Predictor::open(&run, &config, given.place(), true)?;
            notes.iter().for_each(|note| reporter.warn(note));
            let (samples, left_out) = (predictor.source().len(), predictor.source().left_out());
            if let Some(first) = left_out.first() {
                let (count, all) = (left_out.len(), samples + left_out.len());
                reporter.warn(&format!("{count} of {all} samples are left out, such as {first}"));
            }
            let mut oddities = Oddities::default();
            let (mut all_learned, mut first_learned) = (0, None);
            let mut whole: Option<Evaluation> = None;
            for block in predictor.blocks() {
                let end = block.end;
                let predicted = predictor.predict(block)?;
                oddities.count(&predicted);
                let Predicted {
                    evaluation, learned, ..
                } = predicted;
                if let (None, Some(&first)) = (&first_learned, learned.first()) {
                    first_learned = Some(predictor.source().sample(first).id);
                }
                all_learned += learned.len();
                match &mut whole {
                    Some(whole) => whole.append(evaluation)?,
                    None => whole = Some(evaluation),
                }
                reporter.predicted(end, samples);
            }
            oddities.tell(&predictor, reporter)?;
            if let Some(first) = first_learned {
                reporter.warn(&format!(
                    "{all_learned} of {samples} samples, such as `{first}`, are the very ones that the model was trained or selected \
                     on: how good it is on those says nothing of others"
                ));
            }
            let Some(evaluation) = whole else {
                return Err(Error::Usage(
                    "there is no labeled sample that can be evaluated".into(),
                ));
            };
            let unlabeled = evaluation
                .targets
                .labels
                .iter()
                .filter(|label| label.is_missing())
                .count();
            if unlabeled > 0 {
                reporter.warn(&format!(
                    "{unlabeled} of {samples} samples have no label and say nothing"
                ));
            }
            let evaluated = Evaluated {
                evaluation: &evaluation,
                ensemble: predictor.ensemble(),
                names: predictor.heads().names(),
                classes: predictor.source().classes(),
                predict: config.blend.pipeline.predict,
            };
            Report::of(&evaluated, None, Vec::new())
        })
    }
}

/// Whether subsets of the modalities can be scored.
fn check_subsets(trained: &TrainedModel<'_>) -> Result<()> {
    if !trained.has_joint_head() {
        let problem = "--subsets: the joint head of this run was not trained";
        return Err(Error::Usage(problem.to_owned()));
    }
    match trained.modalities().len() {
        0..=MOST_MODALITIES => Ok(()),
        modalities => Err(Error::Usage(format!(
            "--subsets: {modalities} modalities, expected at most {MOST_MODALITIES}"
        ))),
    }
}

/// Refuses a split whose samples are not those of the run, and warns of what has no part in it.
fn check_differences(
    run: &Path,
    differences: &Differences,
    split: SplitName,
    reporter: &Reporter,
) -> Result<()> {
    if let Some(problem) = differences.of(split) {
        return Err(Error::Run {
            folder: run.to_owned(),
            problem: format!(
                "{problem}: figures would be of other samples than those of the run; bring them back, or train again"
            ),
        });
    }
    let others = SplitName::ALL.into_iter().filter(|&other| other != split);
    for problem in others.filter_map(|other| differences.of(other)) {
        reporter.warn(&format!("{problem}; they have no part in what is evaluated"));
    }
    if let Some(example) = &differences.new.example {
        let count = differences.new.count;
        reporter.warn(&format!(
            "{count} samples were not there when the model was trained, such as `{example}`; they are in no split of the run \
             and not evaluated"
        ));
    }
    Ok(())
}

/// Opens a run and its data, and runs `work` on the configured threads.
pub(super) fn with_trained<T: Send>(
    folder: &Path,
    device: &DeviceOption,
    reporter: &Reporter,
    work: impl FnOnce(&mut TrainedModel<'_>, Splits) -> Result<T> + Send,
) -> Result<T> {
    let (run, config) = device.open_run(folder, reporter)?;
    with_threads(config.run.threads, || {
        let (mut session, splits) = match &run.membership {
            Some(membership) => Session::open_remembering(&config, &run.fitted, membership, reporter)?,
            None => Session::open_with(&config, &run.fitted, reporter)?,
        };
        let trained_on = || run.model.modalities.iter().map(|modality| &modality.sample_shape);
        session.bring_to_shapes(trained_on());
        let classes = session.source.classes();
        let shapes = session.sample_shapes()?;
        if classes != run.model.classes || !trained_on().eq(shapes.iter()) {
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
                pool: run.model.pool.clone(),
                refitted: run.summary.refitted,
            },
            splits,
        )
    })
}
