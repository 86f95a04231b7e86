//! A run folder.

use std::path::Path;

use gblend_core::{Advice, Heads, MetricKind};
use serde_json::Value;

use super::{json, problem, text};
use crate::config::BlendConfig;
use crate::error::Result;
use crate::records::{
    Begun, Confusion, Counts, EpochMetrics, HeadSummary, Metrics, Neighbors, ObjectiveDescription,
    PredictionSummary, Score, StrategyAdvice, Summary, TestDetails,
};
use crate::run_folder::{Stopped, read_begun, read_stopped, refuse_comparison};

/// More classes than any test set has; a square of them is still small.
const MOST_CLASSES: usize = 4096;

/// More pairs of numbers than any run writes.
const MOST_PAIRS: usize = 100_000;

/// What a run left behind, but for the parameters.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// What the page calls it.
    pub(crate) name: String,
    /// When it was begun and by which version; nothing of older runs.
    pub(crate) begun: Option<Begun>,
    /// How far it came, if it did not end.
    pub(crate) stopped: Option<Stopped>,
    /// `config.toml`.
    pub(crate) config: String,
    /// The lines of `metrics.jsonl` that are of epochs. Each has the heads of the summary, in their order.
    pub(crate) epochs: Vec<EpochMetrics>,
    /// `summary.json`.
    pub(crate) summary: Summary,
    /// `test.json`; runs of older versions have none.
    pub(crate) test: Option<TestDetails>,
    /// `neighbors.json`, where the run looked at feature spaces.
    pub(crate) neighbors: Option<Neighbors>,
    /// `advice.json`; of runs of older versions, what their strategy says today.
    pub(crate) advice: Advice,
}

impl Run {
    /// Reads a folder.
    ///
    /// # Errors
    /// [`Error::Run`](crate::Error::Run) if the run has not come to a checkpoint, or a file is damaged.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        refuse_comparison(folder)?;
        if !folder.join("config.toml").is_file() {
            return Err(problem(
                folder,
                "neither config.toml nor compare.json: this is no folder that `gblend train` or `gblend compare` wrote",
            ));
        }
        let (summary, stopped) = match folder.join("summary.json").is_file() {
            true => (json::<Summary>(folder, "summary.json")?, None),
            false => read_stopped(folder).map(|(summary, stopped)| (summary, Some(stopped)))?,
        };
        if summary.heads.is_empty() {
            return Err(problem(folder, "summary.json has no head"));
        }
        let epochs = epochs(folder, &summary, stopped.is_some())?;
        let test = if folder.join("test.json").is_file() {
            let test: TestDetails = json(folder, "test.json")?;
            check(folder, &test)?;
            Some(test)
        } else {
            None
        };
        let config = text(folder, "config.toml")?;
        let advice = if folder.join("advice.json").is_file() {
            let said: StrategyAdvice = json(folder, "advice.json")?;
            said.check(summary.heads.len())
                .map_err(|found| problem(folder, found))?;
            said.advice
        } else {
            advice_of_configured(&config, &summary).unwrap_or_default()
        };
        Ok(Self {
            name: name(folder),
            begun: read_begun(folder)?,
            stopped,
            config,
            advice,
            epochs,
            summary,
            test,
            neighbors: neighbors(folder)?,
        })
    }

    /// The heads that were trained.
    pub(crate) fn trained(&self) -> impl Iterator<Item = (usize, &HeadSummary)> {
        let heads = self.summary.heads.iter().enumerate();
        heads.filter(|(_, head)| head.weight > 0.0)
    }

    /// The trained single-modality head that is best on the test set, and its position.
    pub(crate) fn best_single(&self) -> Option<(usize, &HeadSummary)> {
        let joint = self.summary.heads.len() - 1;
        self.trained()
            .filter(|(head, _)| *head < joint)
            .filter_map(|(head, summary)| Some((head, summary, self.gain(summary)?)))
            .max_by(|(.., a), (.., b)| a.total_cmp(b))
            .map(|(head, summary, _)| (head, summary))
    }

    /// The main figure of what the run predicts: the accuracy of classification.
    pub(crate) fn main(&self) -> &MetricKind {
        ObjectiveDescription::main(self.summary.objective.as_ref())
    }

    /// Whether the run predicts classes in the two ways that come with gblend.
    pub(crate) fn is_classification(&self) -> bool {
        self.summary.objective.is_none()
    }

    /// The kinds of figures that a head or a way of predicting has, those of predictions first.
    pub(crate) fn kinds(&self) -> Vec<&MetricKind> {
        let own = self
            .summary
            .heads
            .iter()
            .filter_map(|head| head.objective.as_ref());
        let all = ObjectiveDescription::metrics(self.summary.objective.as_ref()).iter();
        let all = all.chain(own.flat_map(|objective| &objective.metrics));
        let heads = self.summary.heads.iter().filter_map(HeadSummary::metrics);
        let rules = self.summary.predictions.iter().map(PredictionSummary::metrics);
        let figures: Vec<Metrics> = heads.chain(rules).collect();
        let mut kinds: Vec<&MetricKind> = Vec::new();
        for kind in all {
            let known = kinds.iter().any(|known| known.name == kind.name);
            if !known && figures.iter().any(|metrics| metrics.get(&kind.name).is_some()) {
                kinds.push(kind);
            }
        }
        kinds
    }

    /// The figure by which heads compare: with several labels the mean average precision, which no threshold decides; where
    /// classes were weighted the balanced accuracy; else the main one.
    pub(crate) fn measure(&self, head: &HeadSummary) -> Option<Measure<'_>> {
        let metrics = head.metrics()?;
        let kinds = ObjectiveDescription::metrics(self.summary.objective.as_ref());
        let wanted = |kind: &&MetricKind| match kind.name.as_ref() {
            "mean_average_precision" => true,
            "balanced_accuracy" => self.has_weighted_classes(),
            _ => false,
        };
        let precision = kinds
            .iter()
            .find(|kind| wanted(kind) && metrics.get(&kind.name).is_some());
        let precision = precision.filter(|_| self.is_classification() && head.objective.is_none());
        let found = precision.and_then(|kind| Some((metrics.get(&kind.name)?, kind)));
        let main = self.main();
        let (value, kind) = found.or_else(|| Some((metrics.get(&main.name)?, main)))?;
        Some(Measure { value, kind })
    }

    /// How good a head is, the higher the better.
    fn gain(&self, head: &HeadSummary) -> Option<f64> {
        let measure = self.measure(head)?;
        Some(measure.gain())
    }

    /// The joint head, if it was trained.
    pub(crate) fn joint(&self) -> Option<&HeadSummary> {
        self.summary.heads.last().filter(|head| head.weight > 0.0)
    }

    /// The way of predicting that the run takes.
    pub(crate) fn prediction(&self) -> Option<&PredictionSummary> {
        let rules = &self.summary.predictions;
        rules.iter().find(|rule| rule.rule == self.summary.predict)
    }

    /// Whether samples counted by their classes in training.
    pub(crate) fn has_weighted_classes(&self) -> bool {
        !self.summary.class_weights.is_empty()
    }

    /// Whether samples have several labels.
    pub(crate) fn several_labels(&self) -> bool {
        let mut heads = self.summary.heads.iter();
        heads.any(|head| head.test_mean_average_precision.is_some())
    }

    /// Test samples that predictions are made of.
    pub(crate) fn test_samples(&self) -> usize {
        let largest = self.summary.heads.iter().map(|head| head.test_samples).max();
        match &self.test {
            Some(test) => usize::try_from(test.prediction.samples).unwrap_or(usize::MAX),
            None => largest.unwrap_or(0),
        }
    }

    /// A head's validation figures, epoch by epoch.
    pub(crate) fn validation(&self, head: usize) -> impl Iterator<Item = (usize, &Metrics)> {
        let epochs = self.epochs.iter();
        epochs.filter_map(move |epoch| Some((epoch.epoch, epoch.heads.get(head)?.validation.as_ref()?)))
    }

    /// A head's training figures, epoch by epoch.
    pub(crate) fn training(&self, head: usize) -> impl Iterator<Item = (usize, Score)> {
        let epochs = self.epochs.iter();
        epochs.filter_map(move |epoch| Some((epoch.epoch, epoch.heads.get(head)?.train?)))
    }

    /// Whether the run had validation samples.
    pub(crate) fn has_validation(&self) -> bool {
        (0..self.summary.heads.len()).any(|head| self.validation(head).next().is_some())
    }

    /// What a head said of the test samples.
    pub(crate) fn confusion(&self, head: &str) -> Option<&Confusion> {
        self.test.as_ref()?.heads.iter().find(|one| one.name == head)
    }
}

/// A figure and its kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure<'r> {
    /// Its value.
    pub(crate) value: f64,
    /// What it is.
    pub(crate) kind: &'r MetricKind,
}

impl Measure<'_> {
    /// The figure turned so that the higher is better.
    pub(crate) fn gain(self) -> f64 {
        self.kind.better.gain(self.value)
    }
}

/// What the configured strategy of a run says as it starts; `None` if this binary does not have it, or the configuration
/// is no longer one.
fn advice_of_configured(config: &str, summary: &Summary) -> Option<Advice> {
    let strategy = BlendConfig::parse("config.toml", config).ok()?.plugin;
    let (_, modalities) = summary.heads.split_last()?;
    let heads = Heads::new(modalities.iter().map(|head| head.name.clone())).ok()?;
    let same = strategy.typetag_name() == summary.strategy;
    same.then(|| strategy.start(&heads).ok())
        .flatten()
        .map(|blend| blend.advice())
}

/// The last two parts of a path: a cell is `METHOD/seed-N`, a run its own name.
fn name(folder: &Path) -> String {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let parts: Vec<_> = absolute
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    match parts.as_slice() {
        [.., method, seed] if seed.starts_with("seed-") => format!("{method}, {}", seed.replace('-', " ")),
        [.., last] => last.clone(),
        [] => folder.display().to_string(),
    }
}

/// The epochs of a run, of one that `was_stopped` as far as they were written.
fn epochs(folder: &Path, summary: &Summary, was_stopped: bool) -> Result<Vec<EpochMetrics>> {
    let text = text(folder, "metrics.jsonl")?;
    let whole = match text.rfind('\n') {
        Some(end) if was_stopped => &text[..end],
        None if was_stopped => "",
        _ => &text,
    };
    let mut epochs: Vec<EpochMetrics> = Vec::new();
    for (number, line) in whole.lines().enumerate() {
        let wrong = |found: String| problem(folder, format!("metrics.jsonl, line {}: {found}", number + 1));
        let value: Value = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        // Estimates of the blend are in the summary as well.
        if value.get("blend").is_some() {
            continue;
        }
        let epoch: EpochMetrics = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
        // Curves are of the run that found the epoch; of the other nothing was held out.
        if epoch.refit {
            continue;
        }
        let names = summary.heads.iter().map(|head| &head.name);
        if !epoch.heads.iter().map(|head| &head.name).eq(names) {
            return Err(wrong("the heads are not those of summary.json".to_owned()));
        }
        if epochs.last().is_some_and(|last| last.epoch >= epoch.epoch) {
            return Err(wrong(format!(
                "epoch {} does not come after the one before",
                epoch.epoch
            )));
        }
        epochs.push(epoch);
    }
    Ok(epochs)
}

fn neighbors(folder: &Path) -> Result<Option<Neighbors>> {
    if !folder.join(Neighbors::FILE).is_file() {
        return Ok(None);
    }
    let neighbors: Neighbors = json(folder, Neighbors::FILE)?;
    neighbors.check().map_err(|found| problem(folder, found))?;
    Ok(Some(neighbors))
}

/// Whether every count has its class.
fn check(folder: &Path, test: &TestDetails) -> Result<()> {
    let classes = test.classes.len();
    if classes > MOST_CLASSES {
        return Err(problem(
            folder,
            format!("test.json has {classes} classes, expected at most {MOST_CLASSES}"),
        ));
    }
    for confusion in test.heads.iter().chain([&test.prediction]) {
        let square = match &confusion.counts {
            Counts::Matrix(rows) => rows.len() == classes && rows.iter().all(|row| row.len() == classes),
            Counts::PerClass(each) => each.len() == classes,
            Counts::Pairs(pairs) => pairs.len() <= MOST_PAIRS,
            Counts::Nothing => true,
        };
        let counts: Vec<u64> = match &confusion.counts {
            Counts::Matrix(rows) => rows.iter().flatten().copied().collect(),
            Counts::PerClass(each) => each
                .iter()
                .flat_map(|class| {
                    [
                        class.true_positives,
                        class.false_positives,
                        class.false_negatives,
                        class.true_negatives,
                    ]
                })
                .collect(),
            Counts::Pairs(_) | Counts::Nothing => Vec::new(),
        };
        // Sums of counts are taken later; they are of samples, of which there are not that many.
        let sum = counts
            .iter()
            .try_fold(0_u64, |sum, &count| sum.checked_add(count));
        if !square || sum.is_none() {
            return Err(problem(
                folder,
                format!(
                    "test.json: the counts of `{}` are not those of {classes} classes",
                    confusion.name
                ),
            ));
        }
    }
    Ok(())
}
