//! `gblend predict --query`: what a text or a picture is nearest to, in a model that matches modalities.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use gblend_core::{Batch, FurtherPlace, Media, MediaKind, Pass, Source};
use serde::Serialize;

use super::page::{Shown, page};
use crate::commands::device::DeviceOption;
use crate::commands::evaluate::with_trained;
use crate::commands::{print, print_json};
use crate::config::Config;
use crate::data::export::picture;
use crate::data::{Evaluable, as_kept};
use crate::error::{Error, Result};
use crate::evaluation::{Evaluation, Vectors};
use crate::files::write_whole;
use crate::network::{ActiveHeads, Inputs};
use crate::progress::Reporter;
use crate::run_folder::TrainedRun;
use crate::tables::table;
use crate::training::session::with_threads;
use crate::training::{Predictor, fitted_of, network_without_data};

/// Options of a query.
#[derive(Debug, Default, Args)]
pub(super) struct QueryOptions {
    /// Finds the samples that are nearest to this text, in a model that matches modalities. Given several times, each sample is told
    /// the text that it is nearest to: classification by names or prompts that no head was trained for. A query that is not a text
    /// is an --input.
    #[arg(long, value_name = "TEXT")]
    query: Vec<String>,
    /// Where they are looked for: a table of samples, as --table takes it, or `test`, `validation` or `train` of the run's own.
    #[arg(long, value_name = "TABLE")]
    among: Option<PathBuf>,
    /// The modality that is looked at. Default: the first that is not the query's.
    #[arg(long, value_name = "MODALITY", requires = "among")]
    look_for: Option<String>,
    /// How many are told.
    #[arg(long, value_name = "COUNT", requires = "among")]
    nearest: Option<NonZeroUsize>,
    /// Also writes a page with pictures, or texts, of them.
    #[arg(long, value_name = "FILE", requires = "among")]
    page: Option<PathBuf>,
}

/// How many are told unless someone says so.
const NEAREST: usize = 10;

/// One that was found.
#[derive(Debug, Serialize)]
struct Found {
    sample: String,
    /// The query that it is nearest to, of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    /// The cosine between the projections of both.
    similarity: f64,
    #[serde(skip)]
    shown: Option<Shown>,
}

/// What is asked with: the modality, what it is called, and its direction.
struct Query {
    modality: usize,
    name: String,
    direction: Vec<f32>,
}

impl QueryOptions {
    /// Whether something is looked for.
    pub(super) fn are_given(&self) -> bool {
        !self.query.is_empty() || self.among.is_some()
    }

    /// Finds it; `input` are files of a query that is no text.
    ///
    /// # Errors
    /// [`Error::Usage`] if something is missing or the model matches nothing; what the model and the samples have to complain of.
    pub(super) fn run(
        &self,
        folder: &Path,
        input: &[(String, String)],
        streams: &BTreeMap<String, String>,
        device: &DeviceOption,
        json: bool,
        reporter: &Reporter,
    ) -> Result<()> {
        let Some(among) = &self.among else {
            return Err(Error::Usage(
                "--query: say where to look with --among TABLE, or --among test".into(),
            ));
        };
        let (run, config) = device.open_run(folder, reporter)?;
        let matches = config
            .objective
            .as_ref()
            .is_some_and(|objective| objective.typetag_name() == "match");
        let trained = run.summary.heads.last().is_some_and(|head| head.weight > 0.0);
        if !matches || !trained {
            return Err(Error::Run {
                folder: folder.to_owned(),
                problem: "a query needs a model that matches modalities: one whose joint head was trained with objective.kind = \
                          \"match\""
                    .to_owned(),
            });
        }
        let queries = with_threads(config.run.threads, || match input.first() {
            None => self.texts(&run, &config, reporter),
            Some((name, _)) => by_files(&run, &config, name, streams).map(|query| vec![query]),
        })?;
        let Some(first) = queries.first() else {
            return Err(Error::Usage(
                "--among: say what is looked for with --query or --input".into(),
            ));
        };
        let target = self.target(&config, first.modality)?;
        let part = match among.to_str() {
            Some(name @ ("test" | "validation" | "train")) if !among.exists() => Some(name),
            _ => None,
        };
        let found = match part {
            Some(part) => with_trained(folder, device, reporter, |trained, splits| {
                let (train, validation, test);
                let samples: &dyn Evaluable = match part {
                    "train" => {
                        train = splits.train;
                        &train
                    }
                    "validation" => {
                        validation = splits.validation;
                        &validation
                    }
                    _ => {
                        test = splits.into_test();
                        &test
                    }
                };
                let evaluation = trained.evaluate(samples)?;
                let session = &trained.session;
                let stream = session.prepared.stream(target);
                let candidates = Candidates::of(vec![evaluation], config.modalities.len(), target)?;
                self.found(&queries, &candidates, session.source.as_ref(), stream)
            })?,
            None => with_threads(config.run.threads, || {
                let place = FurtherPlace::Files {
                    table: Some(among),
                    root: None,
                    shards: &[],
                };
                let (mut predictor, notes) = Predictor::open(&run, &config, place, false)?;
                notes.iter().for_each(|note| reporter.warn(note));
                let mut evaluations = Vec::new();
                let mut left_out = 0;
                for block in predictor.blocks() {
                    let end = block.end;
                    let predicted = predictor.predict(block)?;
                    left_out += predicted.faults.len();
                    evaluations.push(predicted.evaluation);
                    reporter.predicted(end, predictor.source().len());
                }
                if left_out > 0 {
                    reporter.warn(&format!(
                        "{left_out} samples cannot be read and are not looked at"
                    ));
                }
                let candidates = Candidates::of(evaluations, config.modalities.len(), target)?;
                self.found(
                    &queries,
                    &candidates,
                    predictor.source(),
                    predictor.stream(target),
                )
            })?,
        };
        reporter.finish();
        if let Some(path) = &self.page {
            let asked: Vec<&str> = queries.iter().map(|query| query.name.as_str()).collect();
            let shown = found.iter().filter_map(|found| {
                let caption = match &found.query {
                    Some(query) => format!("{}: {query}, {:.3}", found.sample, found.similarity),
                    None => format!("{}, {:.3}", found.sample, found.similarity),
                };
                Some((caption, found.shown.as_ref()?))
            });
            write_whole(path, page(&asked, shown).as_bytes())?;
            reporter.line(&format!("page: {}", path.display()));
        }
        if json {
            return print_json(&found);
        }
        let several = queries.len() > 1;
        let rows = found.into_iter().enumerate().map(|(rank, found)| {
            let mut row = vec![(rank + 1).to_string(), found.sample];
            row.extend(found.query);
            row.push(format!("{:.3}", found.similarity));
            row
        });
        let mut header = vec!["", "sample"];
        header.extend(several.then_some("nearest query"));
        header.push("similarity");
        print(&table(&header, header.len() - 1, rows))
    }

    /// The texts that are asked with.
    fn texts(&self, run: &TrainedRun, config: &Config, reporter: &Reporter) -> Result<Vec<Query>> {
        if self.query.is_empty() {
            return Ok(Vec::new());
        }
        let is_text = |media: MediaKind| media == MediaKind::Text;
        let modality = config
            .modalities
            .iter()
            .position(|modality| is_text(modality.plugin.media()));
        let modality =
            modality.ok_or_else(|| Error::Usage("--query: the model has no modality of texts".into()))?;
        let fitted = fitted_of(run, config);
        let device = crate::network::device::open(config.run.device)?;
        let mut model = network_without_data(run, config, &fitted, &device)?;
        let settings = &config.modalities[modality];
        let modalities = config.modalities.len();
        let active = ActiveHeads::only(modalities + 1, modalities);
        let queries = self.query.iter().map(|text| {
            if text.trim().is_empty() {
                return Err(Error::Usage("--query: found an empty text, expected words".into()));
            }
            let prepared = settings.prepare(&Media::Text(text.clone()))?;
            let prepared = as_kept(prepared, settings, config.run.samples_as)?;
            if !settings.unfamiliar(&prepared, &fitted[modality])?.is_empty() {
                reporter.warn(&format!(
                    "--query \"{text}\": no part of it was in a training text as it is written here, so what is found is what any \
                     unknown text would find; write it as texts of the training samples are"
                ));
            }
            let seen = settings.view(settings.apply(prepared, &fitted[modality])?, 0)?;
            let inputs = Inputs::of_one(modalities, modality, Batch::stack(&device, &[&seen])?);
            let mut heads = model.forward(&inputs, &Pass::evaluate(), &active)?;
            let joint = heads
                .pop()
                .flatten()
                .map_or_else(Vec::new, |joint| joint.to_vec());
            Ok(Query {
                modality,
                name: text.clone(),
                direction: part_of(&joint, modalities, modality).to_vec(),
            })
        });
        queries.collect()
    }

    /// The modality that is looked at.
    fn target(&self, config: &Config, asked: usize) -> Result<usize> {
        let names: Vec<&str> = config
            .modalities
            .iter()
            .map(|modality| modality.name.as_str())
            .collect();
        match &self.look_for {
            Some(name) => names.iter().position(|known| known == name).ok_or_else(|| {
                Error::Usage(format!("--look-for {name}: expected one of {}", names.join(", ")))
            }),
            None => Ok((0..names.len())
                .find(|&modality| modality != asked)
                .unwrap_or(asked)),
        }
    }

    /// The nearest candidates to one query, or of each candidate the nearest of several queries.
    fn found(
        &self,
        queries: &[Query],
        candidates: &Candidates,
        source: &dyn Source,
        stream: usize,
    ) -> Result<Vec<Found>> {
        let width = candidates.vectors.width();
        let asked: Vec<f32> = queries.iter().flat_map(|query| query.direction.clone()).collect();
        let asked = Vectors::new(&asked, width).directions();
        let nearest = candidates.vectors.directions().compared(&asked, |_, cosines| {
            let mut best = (0, f64::NEG_INFINITY);
            for (query, &cosine) in cosines.iter().enumerate() {
                if cosine > best.1 {
                    best = (query, cosine);
                }
            }
            best
        });
        let mut order: Vec<usize> = (0..nearest.len()).collect();
        let most = self.nearest.map(NonZeroUsize::get);
        if let [_] = queries {
            order.sort_by(|&a, &b| nearest[b].1.total_cmp(&nearest[a].1).then(a.cmp(&b)));
            order.truncate(most.unwrap_or(NEAREST));
        } else {
            order.truncate(most.unwrap_or(order.len()));
        }
        let found = order.into_iter().map(|place| {
            let (query, similarity) = nearest[place];
            let sample = candidates.samples[place];
            let shown = match self.page {
                Some(_) => Some(shown(source, sample, stream)?),
                None => None,
            };
            Ok(Found {
                sample: source.sample(sample).id,
                query: (queries.len() > 1).then(|| queries[query].name.clone()),
                similarity,
                shown,
            })
        });
        found.collect()
    }
}

/// What a page shows of a sample.
fn shown(source: &dyn Source, sample: usize, stream: usize) -> Result<Shown> {
    Ok(match source.read(sample, stream)? {
        Media::Text(text) => Shown::Text(text),
        media => match picture(&media) {
            Some(png) => Shown::Picture(png),
            None => Shown::Text(media.kind().to_string()),
        },
    })
}

/// A file that is asked with.
fn by_files(
    run: &TrainedRun,
    config: &Config,
    name: &str,
    streams: &BTreeMap<String, String>,
) -> Result<Query> {
    let modalities = config.modalities.len();
    let modality = config
        .modalities
        .iter()
        .position(|modality| modality.name == name);
    let modality = modality.ok_or_else(|| {
        let names: Vec<&str> = config
            .modalities
            .iter()
            .map(|modality| modality.name.as_str())
            .collect();
        Error::Usage(format!("--input {name}: expected one of {}", names.join(", ")))
    })?;
    let (mut predictor, _) = Predictor::open(run, config, FurtherPlace::One(streams), false)?;
    let predicted = predictor.predict(0..1)?;
    if let Some(problem) = predicted.faults.values().next() {
        return Err(Error::Usage(format!("--input {name}: {problem}")));
    }
    let joint = predicted.evaluation.heads.last().and_then(Option::as_ref);
    let joint = joint.map_or(&[][..], |joint| joint.output.values());
    Ok(Query {
        modality,
        name: streams.values().next().cloned().unwrap_or_default(),
        direction: part_of(joint, modalities, modality).to_vec(),
    })
}

/// The projection of one modality of a row of them.
fn part_of(row: &[f32], modalities: usize, modality: usize) -> &[f32] {
    let width = row.len() / modalities.max(1);
    row.get(modality * width..(modality + 1) * width)
        .unwrap_or_default()
}

/// Samples among which something is looked for.
struct Candidates {
    /// Positions in the source.
    samples: Vec<usize>,
    vectors: Vectors,
}

impl Candidates {
    /// Those of evaluations that have the modality.
    fn of(evaluations: Vec<Evaluation>, modalities: usize, target: usize) -> Result<Self> {
        let (mut samples, mut values, mut width) = (Vec::new(), Vec::new(), 1);
        for evaluation in evaluations {
            let Some(joint) = evaluation.heads.last().and_then(Option::as_ref) else {
                continue;
            };
            let length = joint.output.shape().last().copied().unwrap_or(0).max(1);
            width = length / modalities.max(1);
            for (row, &place) in joint.output.values().chunks_exact(length).zip(&joint.rows) {
                let part = part_of(row, modalities, target);
                // A sample that lacks the modality has zeros in its place.
                if part.iter().any(|&value| value != 0.0) {
                    samples.push(evaluation.samples[place]);
                    values.extend(part);
                }
            }
        }
        if samples.is_empty() {
            return Err(Error::Usage(
                "--among: there is no sample with the modality that is looked for".into(),
            ));
        }
        Ok(Self {
            samples,
            vectors: Vectors::new(&values, width),
        })
    }
}
