//! A trained model without the data that it was trained on.
//!
//! Everything that a prediction depends on is in the run folder: settings, parameters, classes, the pool, and what modalities
//! have fitted. Samples go through block by block, so that memory does not grow with their number, and one that cannot be used
//! keeps no other from being predicted.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use gblend_core::params::load_state;
use gblend_core::{
    Array, AutoDevice, Error as CoreError, Fitted, Further, FurtherPlace, FurtherSource, Heads, Label,
    LabelKind, Labels, OpenContext, Role, Sameness, Seed, Source,
};

use super::session::workers;
use crate::config::{Config, Objectives};
use crate::data::{
    Evaluable, Faults, Loader, Part, Prepared, SampleIndex, Storage, bind, content_of, tell_apart,
};
use crate::error::{Error, Result};
use crate::evaluation::{Ensemble, Evaluation, evaluate};
use crate::network::{ActiveHeads, LabelContext, Multimodal, device};
use crate::records::{
    FittedPool, HeadSummary, Membership, Metrics, ModelDescription, PredictionSummary, SplitName,
};
use crate::run_folder::TrainedRun;

/// Samples that are predicted at a time, if they are small.
const MOST_SAMPLES: usize = 4096;

/// A trained model and samples that it was not trained on.
pub struct Predictor<'a> {
    config: &'a Config,
    source: Arc<dyn Source>,
    heads: Heads,
    model: Multimodal,
    weights: Vec<f64>,
    pool: Option<FittedPool>,
    fitted: Vec<Fitted>,
    /// Of prepared samples; none for a run that did not keep them.
    shapes: Option<Vec<Vec<usize>>>,
    /// As encoders see them.
    sample_shapes: Vec<Vec<usize>>,
    streams: Vec<usize>,
    /// Of each modality, the columns that its arrays are made of, if they are.
    columns: Vec<Option<Vec<String>>>,
    /// What the samples were made of that the run learned or chose something from, where labels are wanted.
    learned: HashSet<u64>,
    device: AutoDevice,
}

/// What the heads say of some samples.
pub struct Predicted {
    /// Of those that can be used; positions are those of the source.
    pub evaluation: Evaluation,
    /// What is wrong with the others, by their positions in the source.
    pub faults: BTreeMap<usize, String>,
    /// Positions of those that are, label and contents, ones that the model was trained or selected on.
    pub learned: Vec<usize>,
    /// Values that are unlike any of the training samples, by the position of the modality and theirs in a sample.
    pub unfamiliar: BTreeMap<(usize, usize), Unfamiliar>,
}

/// Samples with a value that is unlike any of the training samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfamiliar {
    /// How many.
    pub samples: usize,
    /// The first of them.
    pub first: usize,
}

/// Positions in a part.
struct Sound(Vec<SampleIndex>);

impl Evaluable for Sound {
    fn samples(&self) -> &[SampleIndex] {
        &self.0
    }
}

impl<'a> Predictor<'a> {
    /// Opens samples of other files than the run's, and the model to predict them. `config` is the run's. Also returns what
    /// someone should know who reads the predictions.
    ///
    /// # Errors
    /// What the dataset, the samples or the model have to complain about.
    pub fn open(
        run: &TrainedRun,
        config: &'a Config,
        place: FurtherPlace<'_>,
        labeled: bool,
    ) -> Result<(Self, Vec<String>)> {
        let seed = Seed::new(config.run.seed);
        let columns = columns(&run.model);
        let further = Further {
            place,
            labeled,
            classes: &run.model.classes,
            columns: &columns,
        };
        // What is named on a command line starts from where one is.
        let here = Path::new(".");
        let cx = OpenContext {
            base: &std::path::absolute(here).map_err(Error::read(here))?,
            seed: seed.derive("data"),
        };
        let opened = config.data.open_further(&further, &cx);
        let FurtherSource { source, notes } = opened.map_err(|error| error.in_table(Role::Data.name()))?;
        let source: Arc<dyn Source> = Arc::from(source);
        let streams = bind(&config.modalities, source.as_ref())?;
        let device = device::open(config.run.device)?;
        let fitted = fitted_of(run, config);
        let modalities = &run.model.modalities;
        let sample_shapes: Vec<Vec<usize>> = modalities
            .iter()
            .map(|known| known.sample_shape.clone())
            .collect();
        let model = network_of(run, config, source.label_kind(), &fitted, &device)?;
        let predictor = Self {
            config,
            source,
            heads: config.heads()?,
            model,
            weights: run.summary.heads.iter().map(|head| head.weight).collect(),
            pool: run.model.pool.clone(),
            fitted,
            shapes: modalities
                .iter()
                .map(|known| known.prepared_shape.clone())
                .collect(),
            sample_shapes,
            streams,
            columns: modalities.iter().map(|known| known.columns.clone()).collect(),
            learned: match labeled {
                true => learned(run),
                false => HashSet::new(),
            },
            device,
        };
        Ok((predictor, notes))
    }

    /// The samples.
    pub fn source(&self) -> &dyn Source {
        self.source.as_ref()
    }

    /// The stream that feeds a modality, as a position in the source's.
    pub fn stream(&self, modality: usize) -> usize {
        self.streams[modality]
    }

    /// The names of the heads, the joint one's last.
    pub fn heads(&self) -> &Heads {
        &self.heads
    }

    /// The network.
    pub fn model(&self) -> &Multimodal {
        &self.model
    }

    /// What predicts.
    pub fn ensemble(&self) -> Ensemble<'_> {
        Ensemble {
            criteria: self.model.criteria(),
            weights: &self.weights,
            pool: self.pool.as_ref(),
        }
    }

    /// The samples in blocks that memory has room for, in order.
    pub fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let each: usize = self
            .shapes
            .iter()
            .flatten()
            .map(|shape| shape.iter().product::<usize>())
            .sum();
        // A half for prepared samples, of which each takes part in one batch, too.
        let room = self.config.run.memory.saturating_mul(1 << 20) / 2;
        let room = room / (size_of::<f32>() as u64).saturating_mul(each.max(1) as u64);
        let batch = self.batch_size().get();
        let block = usize::try_from(room).unwrap_or(usize::MAX).clamp(1, MOST_SAMPLES);
        // Whole batches, unless not even one has room.
        let block = if block > batch {
            block / batch * batch
        } else {
            block
        };
        let samples = self.source.len();
        (0..samples)
            .step_by(block)
            .map(move |start| start..samples.min(start + block))
    }

    /// What the trained heads say of some samples.
    ///
    /// # Errors
    /// What is no sample's own fault.
    pub fn predict(&mut self, range: Range<usize>) -> Result<Predicted> {
        let first = range.start;
        let part: Arc<dyn Source> = Arc::new(Part::new(Arc::clone(&self.source), range));
        let storage = Storage {
            cache: None,
            shapes: self.shapes.as_deref(),
            memory: self.config.run.memory.saturating_mul(1 << 20),
            samples_as: self.config.run.samples_as,
            waiting: Loader::most_batches(workers().get()).saturating_mul(self.config.run.batch_size),
            progress: &|_, _| {},
            warn: &|_| {},
            faults: Faults::Gather,
            contents: !self.learned.is_empty(),
        };
        let mut prepared = Prepared::new(&part, &self.config.modalities, &self.streams, &storage)?;
        self.check_shapes(&prepared)?;
        let objectives = Objectives::of(self.config, part.label_kind())?;
        let respects = (0..objectives.heads()).map(|head| objectives.of_head(head).sameness());
        // Of further labels nothing is known here.
        let known = respects.filter(|sameness| !matches!(sameness, Sameness::Column(_)));
        tell_apart(&mut prepared, part.as_ref(), known)?;
        let faults = prepared.faults().iter().map(|(&sample, problems)| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            (first + sample, problems.join("; "))
        });
        let faults: BTreeMap<usize, String> = faults.collect();
        let sound = (0..part.len()).filter(|sample| !prepared.faults().contains_key(sample));
        let sound = sound.filter_map(|sample| SampleIndex::try_from(sample).ok());
        let sound = Sound(sound.collect());
        let content =
            |&sample: &SampleIndex| content_of(&prepared, sample, &part.sample(sample as usize).label);
        let is_learned =
            |sample: &&SampleIndex| content(sample).is_some_and(|content| self.learned.contains(&content));
        let learned = sound
            .0
            .iter()
            .filter(|_| !self.learned.is_empty())
            .filter(is_learned);
        let learned = learned.map(|&sample| first + sample as usize).collect();
        let unfamiliar = self.unfamiliar(&prepared, &sound, first)?;
        let active = ActiveHeads::trained(&self.weights);
        let loader = Loader {
            prepared: &prepared,
            modalities: &self.config.modalities,
            fitted: &self.fitted,
            wanted: active.encoders(),
            encoded: Vec::new(),
            augmented: Vec::new(),
            augmentations: Seed::new(self.config.run.seed),
            workers: workers(),
        };
        let batch_size = self.batch_size();
        let mut evaluation = evaluate(
            &mut self.model,
            &loader,
            &sound,
            batch_size,
            &self.device,
            &active,
        )?;
        evaluation.samples.iter_mut().for_each(|sample| *sample += first);
        Ok(Predicted {
            evaluation,
            faults,
            learned,
            unfamiliar,
        })
    }

    /// Some samples as encoders get them: of each modality, of each sample, all views; nothing of a modality that a sample lacks, where that
    /// may be `missing`. They must be sound.
    ///
    /// # Errors
    /// What is wrong with the first sample that is not so.
    pub fn encoder_inputs(&self, range: Range<usize>, missing: bool) -> Result<Vec<Vec<Option<Vec<Array>>>>> {
        let part: Arc<dyn Source> = Arc::new(Part::new(Arc::clone(&self.source), range));
        let storage = Storage {
            cache: None,
            shapes: self.shapes.as_deref(),
            memory: self.config.run.memory.saturating_mul(1 << 20),
            samples_as: self.config.run.samples_as,
            waiting: 0,
            progress: &|_, _| {},
            warn: &|_| {},
            faults: Faults::Gather,
            contents: false,
        };
        let prepared = Prepared::new(&part, &self.config.modalities, &self.streams, &storage)?;
        if let Some(problem) = prepared.faults().values().flatten().next() {
            return Err(Error::Samples(vec![problem.clone()]));
        }
        self.check_shapes(&prepared)?;
        let modalities = self.config.modalities.iter().zip(&self.fitted).enumerate();
        let inputs = modalities.map(|(position, (modality, fitted))| {
            let samples = (0..part.len()).map(|sample| {
                if !prepared.has(position, sample) {
                    if missing {
                        return Ok(None);
                    }
                    let problem = format!(
                        "has no modality `{}`, and what is exported takes all of them; with --missing it is told which a sample has",
                        modality.name
                    );
                    return Err(CoreError::data(part.sample(sample).id, problem).into());
                }
                let applied = modality.apply(prepared.sample(position, sample)?, fitted)?;
                let views = 0..modality.plugin.views().get();
                let views = views.map(|view| modality.view(applied.clone(), view));
                Ok(Some(views.collect::<gblend_core::Result<_>>()?))
            });
            samples.collect()
        });
        inputs.collect()
    }

    /// What of these samples is unlike any that modalities were fitted to.
    fn unfamiliar(
        &self,
        prepared: &Prepared<'_>,
        samples: &Sound,
        first: usize,
    ) -> Result<BTreeMap<(usize, usize), Unfamiliar>> {
        let mut found: BTreeMap<(usize, usize), Unfamiliar> = BTreeMap::new();
        let fitted = self.fitted.iter().enumerate();
        for (position, fitted) in fitted.filter(|(_, fitted)| !fitted.is_nothing()) {
            let modality = &self.config.modalities[position];
            for &sample in &samples.0 {
                let sample = sample as usize;
                if !prepared.has(position, sample) {
                    continue;
                }
                for value in modality.unfamiliar(&prepared.sample(position, sample)?, fitted)? {
                    let found = found.entry((position, value)).or_insert(Unfamiliar {
                        samples: 0,
                        first: first + sample,
                    });
                    found.samples += 1;
                }
            }
        }
        Ok(found)
    }

    /// The name of the column that a value of a modality's samples comes from, or else its position, for messages.
    pub fn value_name(&self, modality: usize, value: usize) -> String {
        let column = self.columns[modality]
            .as_ref()
            .and_then(|columns| columns.get(value));
        let name = &self.config.modalities[modality].name;
        match column {
            Some(column) => format!("column `{column}`"),
            None => format!("value {value} of modality `{name}`"),
        }
    }

    /// Samples of a run that did not keep the shapes they are prepared to have to be seen by encoders as those of training.
    fn check_shapes(&self, prepared: &Prepared<'_>) -> Result<()> {
        if self.shapes.is_some() {
            return Ok(());
        }
        for (position, modality) in self.config.modalities.iter().enumerate() {
            let shape = prepared.sample_shape(position);
            if shape.is_empty() {
                continue;
            }
            let applied = modality.apply(Array::zeros(shape), &self.fitted[position])?;
            let seen = modality.view(applied, 0)?;
            if seen.shape() != self.sample_shapes[position] {
                let problem = format!(
                    "samples have the shape {:?}, expected {:?} as what the model was trained on",
                    seen.shape(),
                    self.sample_shapes[position]
                );
                return Err(CoreError::data(format!("modality `{}`", modality.name), problem).into());
            }
        }
        Ok(())
    }

    fn batch_size(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.config.run.batch_size).unwrap_or(NonZeroUsize::MIN)
    }
}

/// What the modalities of a run have fitted, in their order.
pub fn fitted_of(run: &TrainedRun, config: &Config) -> Vec<Fitted> {
    let fitted = config.modalities.iter().map(|modality| {
        let fitted = run.fitted.get(&modality.name);
        fitted.unwrap_or(Fitted::nothing()).clone()
    });
    fitted.collect()
}

/// The trained network of a run, for labels of this kind.
fn network_of(
    run: &TrainedRun,
    config: &Config,
    kind: LabelKind,
    fitted: &[Fitted],
    device: &AutoDevice,
) -> Result<Multimodal> {
    let shapes = run
        .model
        .modalities
        .iter()
        .map(|known| known.sample_shape.clone());
    let shapes: Vec<Vec<usize>> = shapes.collect();
    let mut network = Multimodal::build(
        config,
        &Objectives::of(config, kind)?,
        &shapes,
        fitted,
        LabelContext {
            classes: &run.model.classes,
            labels: &one_of_each(kind, run.model.classes.len())?,
        },
        device,
        Seed::new(config.run.seed).derive("model"),
    )?;
    load_state(&mut network, &run.state)?;
    Ok(network)
}

/// The trained network of a run whose dataset is not there to say what its labels are.
///
/// # Errors
/// What the model has to complain about; [`Error::Run`] if nothing in the run tells of its labels.
pub fn network_without_data(
    run: &TrainedRun,
    config: &Config,
    fitted: &[Fitted],
    device: &AutoDevice,
) -> Result<Multimodal> {
    let mut refused = None;
    for kind in label_kinds(run, config) {
        match network_of(run, config, kind, fitted, device) {
            Ok(network) => return Ok(network),
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    }
    Err(refused.unwrap_or_else(|| Error::Run {
        folder: run.path.clone(),
        problem: "nothing in it tells whether a sample has one class or several: it has no figures of validation or test, and \
                  config.toml names no objective; write `[objective]` with `kind = \"single-label\"` or `\"multi-label\"` into it"
            .to_owned(),
    }))
}

/// What the labels of a run may have been: that of which its figures are, or what an objective that is named takes.
fn label_kinds(run: &TrainedRun, config: &Config) -> Vec<LabelKind> {
    if run.model.classes.is_empty() {
        return vec![LabelKind::Number];
    }
    let summary = &run.summary;
    let predictions = summary.predictions.iter().map(PredictionSummary::metrics);
    let heads = summary.heads.iter().filter_map(HeadSummary::metrics);
    let selection = summary
        .selection
        .iter()
        .map(|selection| selection.validation.clone());
    let figures: Vec<Metrics> = predictions.chain(heads).chain(selection).collect();
    let told = |figure: &str| figures.iter().any(|figures| figures.get(figure).is_some());
    let told_by = [
        ("mean_average_precision", LabelKind::Classes),
        ("balanced_accuracy", LabelKind::Class),
    ];
    match told_by.into_iter().find(|(figure, _)| told(figure)) {
        Some((_, kind)) => vec![kind],
        None if config.objective.is_some() => vec![LabelKind::Class, LabelKind::Classes],
        None => Vec::new(),
    }
}

/// What the samples of a run were made of, but for those of its test.
fn learned(run: &TrainedRun) -> HashSet<u64> {
    let members = run.membership.iter().flat_map(Membership::iter);
    let learned = members.filter(|(_, member)| member.split != SplitName::Test);
    learned.filter_map(|(_, member)| member.content).collect()
}

/// By stream, the columns that its arrays were made of.
fn columns(model: &ModelDescription) -> BTreeMap<String, Vec<String>> {
    let modalities = model.modalities.iter();
    let columns = modalities.filter_map(|known| Some((known.stream.clone()?, known.columns.clone()?)));
    columns.collect()
}

/// Labels for objectives to start with: what they have fitted to those of training is among the parameters.
fn one_of_each(kind: LabelKind, classes: usize) -> Result<Labels> {
    let each: Vec<Label> = match kind {
        LabelKind::Class => (0..classes).map(Label::Class).collect(),
        LabelKind::Classes => (0..classes).map(|class| Label::Classes(vec![class])).collect(),
        _ => Vec::new(),
    };
    Ok(Labels::of(kind, &each)?)
}
