//! `gblend predict`.

mod answer;
mod columns;
mod file;
mod page;
mod query;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use clap::Args;
use gblend_core::FurtherPlace;
use gblend_core::registry::nearest;

use super::device::DeviceOption;
use super::evaluate::with_trained;
use super::further::{FurtherFiles, Oddities};
use super::{print, print_json};
use crate::data::{Evaluable, SampleIndex};
use crate::error::{Error, Result};
use crate::progress::Reporter;
use crate::records::ModelDescription;
use crate::tables::{percent, table};
use crate::training::session::with_threads;
use crate::training::{Predicted, Predictor};
use answer::{Answers, Prediction, Said};
use columns::Columns;
use file::PredictionFile;
use query::QueryOptions;

/// Predicts the classes of samples, or their numbers: of new files, or of the run's own dataset.
#[derive(Debug, Args)]
pub(super) struct Predict {
    /// The run folder.
    run: PathBuf,
    /// Names of samples of the run's dataset, such as scene-1003; `gblend check` lists some.
    #[arg(
        required_unless_present_any = ["table", "shards", "input", "query", "among"],
        conflicts_with_all = ["table", "shards", "input", "query", "among"]
    )]
    samples: Vec<String>,
    #[command(flatten)]
    further: FurtherFiles,
    /// One new sample: for each modality that it has, its file, or its text where the modality is one of texts.
    #[arg(long, value_name = "MODALITY=FILE", value_parser = input, conflicts_with_all = ["table", "shards"])]
    input: Vec<(String, String)>,
    /// Writes the predictions to a file in place of printing them: .csv, .jsonl or .parquet, with a line for each sample and the
    /// probabilities of every class, by every trained head.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    out: Option<PathBuf>,
    #[command(flatten)]
    query: QueryOptions,
    #[command(flatten)]
    device: DeviceOption,
    /// Prints JSON in place of the table: the probabilities of every class, by every trained head.
    #[arg(long)]
    json: bool,
    /// Shows no progress.
    #[arg(long)]
    quiet: bool,
}

fn input(argument: &str) -> Result<(String, String), String> {
    match argument.split_once('=') {
        Some((name, given)) if !name.is_empty() && !given.is_empty() => {
            Ok((name.to_owned(), given.to_owned()))
        }
        _ => Err("expected MODALITY=FILE, as in --input camera=clip.mp4".to_owned()),
    }
}

/// Samples that the user named.
struct Asked(Vec<SampleIndex>);

impl Evaluable for Asked {
    fn samples(&self) -> &[SampleIndex] {
        &self.0
    }
}

/// Where predictions go.
enum Destination {
    Screen(Vec<Prediction>),
    File(PathBuf, Option<Box<PredictionFile>>),
}

impl Destination {
    fn take(
        &mut self,
        predictions: Vec<Prediction>,
        columns: impl FnOnce() -> Result<Columns>,
    ) -> Result<()> {
        match self {
            Self::Screen(all) => all.extend(predictions),
            Self::File(path, file) => {
                let file = match file {
                    Some(file) => file,
                    none => none.insert(Box::new(PredictionFile::create(path, columns()?)?)),
                };
                file.write(predictions)?;
            }
        }
        Ok(())
    }
}

impl Predict {
    pub(super) fn run(mut self) -> Result<()> {
        let reporter = Reporter::new(self.quiet);
        if self.query.are_given() {
            let (run, _) = self.device.open_run(&self.run, &reporter)?;
            let streams = streams_of(&self.input, &run.model)?;
            return self.query.run(
                &self.run,
                &self.input,
                &streams,
                &self.device,
                self.json,
                &reporter,
            );
        }
        let mut destination = match self.out.take() {
            Some(path) => {
                // Before the work.
                PredictionFile::check(&path)?;
                Destination::File(path, None)
            }
            None => Destination::Screen(Vec::new()),
        };
        let further = std::mem::take(&mut self.further);
        let input = std::mem::take(&mut self.input);
        if further.are_given() {
            let given = further.open()?;
            self.predict_further(|_| Ok(given.place()), &reporter, &mut destination)?;
        } else if !input.is_empty() {
            let mut files = BTreeMap::new();
            self.predict_further(
                |model| {
                    files = streams_of(&input, model)?;
                    Ok(FurtherPlace::One(&files))
                },
                &reporter,
                &mut destination,
            )?;
        } else {
            self.predict_named(&reporter, &mut destination)?;
        }
        reporter.finish();
        match destination {
            Destination::File(path, file) => {
                if let Some(file) = file {
                    file.finish()?;
                }
                reporter.line(&format!("predictions: {}", path.display()));
                Ok(())
            }
            Destination::Screen(predictions) if self.json => print_json(&predictions),
            Destination::Screen(predictions) => print(&shown(predictions)),
        }
    }

    /// Samples of the run's own dataset.
    fn predict_named(&self, reporter: &Reporter, destination: &mut Destination) -> Result<()> {
        let found = with_trained(&self.run, &self.device, reporter, |trained, _| {
            let source = trained.session.source.as_ref();
            let ids: Vec<String> = (0..source.len()).map(|index| source.sample(index).id).collect();
            let asked = Asked(find(&self.samples, &ids)?);
            let evaluation = trained.evaluate(&asked)?;
            let answers = Answers {
                ensemble: trained.ensemble(),
                rule: trained.session.config.blend.pipeline.predict,
                names: trained.session.heads.names(),
                source: trained.session.source.as_ref(),
            };
            let columns = Columns::of(&answers, trained.model.criteria())?;
            Ok((answers.of(&evaluation)?, columns))
        });
        let (predictions, columns) = found?;
        destination.take(predictions, || Ok(columns))
    }

    /// Samples of other files.
    fn predict_further<'p>(
        &self,
        place: impl FnOnce(&ModelDescription) -> Result<FurtherPlace<'p>>,
        reporter: &Reporter,
        destination: &mut Destination,
    ) -> Result<()> {
        let (run, config) = self.device.open_run(&self.run, reporter)?;
        let place = place(&run.model)?;
        with_threads(config.run.threads, || {
            let (mut predictor, notes) = Predictor::open(&run, &config, place, false)?;
            notes.iter().for_each(|note| reporter.warn(note));
            let total = predictor.source().len();
            let mut oddities = Oddities::default();
            for block in predictor.blocks() {
                let end = block.end;
                let predicted = predictor.predict(block.clone())?;
                oddities.count(&predicted);
                let Predicted {
                    evaluation,
                    mut faults,
                    ..
                } = predicted;
                let answers = Answers {
                    ensemble: predictor.ensemble(),
                    rule: config.blend.pipeline.predict,
                    names: predictor.heads().names(),
                    source: predictor.source(),
                };
                let mut said = answers.of(&evaluation)?.into_iter();
                // A line for each sample, in their order, so that lines of predictions and samples are those of each other.
                let lines = block.filter_map(|sample| match faults.remove(&sample) {
                    Some(problem) => Some(answers.nothing(sample, problem)),
                    None => said.next(),
                });
                destination.take(lines.collect(), || {
                    Columns::of(&answers, predictor.model().criteria())
                })?;
                reporter.predicted(end, total);
            }
            oddities.tell(&predictor, reporter)
        })
    }
}

/// Where samples with these names are in the dataset.
fn find(names: &[String], ids: &[String]) -> Result<Vec<SampleIndex>> {
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
            let file = match Path::new(name).exists() {
                true => "; new files are predicted with --table or --input",
                false => "",
            };
            Error::Usage(format!(
                "no sample is called `{name}`; one is called `{near}`{file}"
            ))
        })
    };
    names.iter().map(find).collect()
}

/// What was given for each stream, where modalities are named or the streams themselves.
fn streams_of(input: &[(String, String)], model: &ModelDescription) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for (name, given) in input {
        let mut modalities = model.modalities.iter();
        let stream = modalities
            .find(|known| known.name == *name)
            .and_then(|known| known.stream.clone());
        let stream = stream.unwrap_or_else(|| name.clone());
        if files.insert(stream, given.clone()).is_some() {
            return Err(Error::Usage(format!("--input {name}: is given twice")));
        }
    }
    Ok(files)
}

/// The table of predictions.
fn shown(predictions: Vec<Prediction>) -> String {
    let with_probability = predictions.iter().any(|one| one.probability.is_some());
    let with_label = predictions.iter().any(|one| one.label.is_some());
    let dash = || "-".to_owned();
    let rows = predictions.into_iter().map(|prediction| {
        let nearest = prediction.likely.iter();
        let nearest = nearest.map(|one| format!("{} {}", one.class, percent(one.probability)));
        let nearest: Vec<String> = nearest.collect();
        let said = match (&prediction.problem, nearest.is_empty()) {
            (Some(problem), _) => format!("nothing: {problem}"),
            (None, true) => prediction.predicted.map_or_else(dash, Said::text),
            (None, false) => "(none)".to_owned(),
        };
        let mut row = vec![prediction.id, said];
        if with_probability {
            row.push(match nearest.is_empty() {
                true => prediction.probability.map_or_else(dash, |one| one.text(percent)),
                false => format!("nearest: {}", nearest.join(", ")),
            });
        }
        row.extend(with_label.then(|| prediction.label.map_or_else(dash, Said::text)));
        row
    });
    let mut header = vec!["sample", "predicted"];
    header.extend(with_probability.then_some("probability"));
    header.extend(with_label.then_some("label"));
    table(&header, 2, rows)
}
