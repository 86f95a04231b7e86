//! `gblend train`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::device::DeviceOption;
use super::distributed::DistributedOption;
use super::dry_run::dry_run;
use super::{print, print_json, train_further};
use crate::config::{Config, Override, task_differences};
use crate::error::{Error, Result};
use crate::process::Interrupt;
use crate::progress::Reporter;
use crate::ranks::Ranks;
use crate::records::{Figure, ObjectiveDescription, SelectedBy, Summary};
use crate::run_folder::{Destination, refuse_comparison};
use crate::tables::{metrics_table, percent, predictions_line, weighted_losses};
use crate::training::pipeline;
use crate::training::pipeline::{ProcessUse, Start};
use crate::training::session::{threads_of_rank, with_threads};

/// Trains a model and leaves a run folder.
#[derive(Debug, Args)]
pub(super) struct Train {
    /// The configuration file. Without one the built-in scene is trained on.
    config: Option<PathBuf>,
    /// The run folder, which must not be there or be empty. Default: the first free runs/NAME-N.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Goes on with a run that was stopped, from its newest checkpoint, with its own configuration; the result is the
    /// same to the bit as if it had never stopped.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["out", "seed"])]
    resume: Option<PathBuf>,
    /// With --resume: trains the run, whether it was stopped or has ended, to so many epochs in all. The learning rate goes on by
    /// its schedule; one that ends with the planned epochs (cosine) is refused. The splits stay, the result is written anew,
    /// and the one before is kept as summary-EPOCHS.json.
    #[arg(
        long,
        value_name = "N",
        requires = "resume",
        conflicts_with = "config",
        allow_negative_numbers = true
    )]
    epochs: Option<usize>,
    /// Overrides a key of the configuration, as in --set blend.kind=equal.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Overrides run.seed.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<u64>,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    distributed: DistributedOption,
    /// Tells what would be done, on what, for how long and where the result would go, and neither trains nor writes anything.
    #[arg(long, conflicts_with_all = ["resume", "json", "distributed"])]
    dry_run: bool,
    /// Prints the summary as JSON in place of the table.
    #[arg(long)]
    json: bool,
    /// Shows no progress.
    #[arg(long)]
    quiet: bool,
}

impl Train {
    pub(super) fn run(self) -> Result<()> {
        self.distributed.run(|ranks| self.train(ranks))
    }

    fn train(&self, ranks: &Ranks) -> Result<()> {
        let mut overrides = parse_overrides(&self.set, self.seed)?;
        overrides.extend(self.device.overrides());
        let config = match &self.resume {
            // The batches of a run stay as they are, however many share them.
            Some(run) => self.resumed(run, &overrides)?,
            None => {
                let mut config = Config::load(self.config.as_deref(), &overrides)?;
                config.run.batch_size = config.run.batch_size.saturating_mul(ranks.size());
                config
            }
        };
        let reporter = Reporter::new(self.quiet);
        let reporter = match ranks.is_first() {
            true => reporter,
            false => reporter.muted(),
        };
        let start = match (&self.resume, &self.out) {
            (Some(run), _) => match self.epochs {
                Some(_) => Start::Further(run.clone()),
                None => Start::Resume(run.clone()),
            },
            (None, Some(folder)) => Start::New(Destination::Folder(folder.clone())),
            (None, None) => Start::New(Destination::FirstFree(self.name())),
        };
        let threads = threads_of_rank(config.run.threads, ranks);
        if let (true, Start::New(destination)) = (self.dry_run, &start) {
            let told = with_threads(threads, || dry_run(&config, destination, &reporter));
            let told = told.map_err(Error::located(&config))?;
            reporter.finish();
            return print(&told);
        }
        let interrupt = Interrupt::by_signals();
        let (summary, folder) = with_threads(threads, || {
            pipeline::run(
                &config,
                &start,
                ProcessUse::Exclusive,
                ranks,
                &interrupt,
                &reporter,
            )
        })
        .map_err(Error::located(&config))?;
        if !ranks.is_first() {
            return Ok(());
        }
        if self.json {
            return print_json(&summary);
        }
        print(&closing(&summary, &folder))
    }

    /// The configuration of a run that goes on: its own, with what changes nothing in the result overridden.
    fn resumed(&self, run: &Path, overrides: &[Override]) -> Result<Config> {
        let problem = |problem: String| Error::Run {
            folder: run.to_owned(),
            problem,
        };
        refuse_comparison(run)?;
        let own = run.join("config.toml");
        if !own.is_file() {
            return Err(problem(
                "no config.toml: this is not a folder that `gblend train` wrote".into(),
            ));
        }
        if let Some(epochs) = self.epochs {
            return train_further::config(run, epochs, overrides);
        }
        if run.join("summary.json").is_file() {
            return Err(problem(
                "the run has ended; `gblend evaluate` and `gblend report` show what it found, and `--epochs N` trains it further"
                    .into(),
            ));
        }
        let asked_for = match &self.config {
            Some(config) => Config::load(Some(config), overrides)?,
            None => Config::of_run(&own, overrides)?,
        };
        let text = std::fs::read_to_string(&own).map_err(Error::read(&own))?;
        match &task_differences(&text, &asked_for.to_toml()?)[..] {
            [] => Ok(asked_for),
            differences => Err(problem(format!(
                "the run has another configuration ({}); resume it with its own, or train anew",
                differences.join(", ")
            ))),
        }
    }

    /// The first part of the run folder's name.
    fn name(&self) -> String {
        let stem = self.config.as_deref().and_then(Path::file_stem);
        stem.map_or_else(|| "scene".to_owned(), |stem| stem.to_string_lossy().into_owned())
    }
}

/// What `--set` and `--seed` override.
pub(super) fn parse_overrides(arguments: &[String], seed: Option<u64>) -> Result<Vec<Override>> {
    let mut overrides: Vec<Override> = arguments
        .iter()
        .map(|argument| argument.parse())
        .collect::<Result<_, _>>()?;
    if let Some(seed) = seed {
        let seed = i64::try_from(seed).unwrap_or(i64::MAX);
        overrides.push(Override::new(&["run", "seed"], seed));
    }
    Ok(overrides)
}

/// The closing table and where to go from here.
fn closing(summary: &Summary, folder: &Path) -> String {
    let rows = summary.heads.iter().map(|head| {
        let weight = if head.weight > 0.0 {
            format!("{:.3}", head.weight)
        } else {
            "not trained".into()
        };
        (vec![head.name.clone(), head.kind.clone(), weight], head.metrics())
    });
    let run = summary.objective.as_ref();
    let own = summary.heads.iter().filter_map(|head| head.objective.as_ref());
    let kinds = ObjectiveDescription::metrics(run).iter();
    let kinds = kinds.chain(own.flat_map(|objective| &objective.metrics));
    let table = metrics_table(&["head", "kind", "weight"], 2, "test ", kinds, rows);
    let seconds = &summary.seconds;
    let estimates = if summary.blends.is_empty() {
        String::new()
    } else {
        format!(
            "\nestimates took {:.1} s, the whole run {:.2} times plain training",
            seconds.estimate,
            (seconds.train + seconds.estimate) / seconds.train.max(1e-9)
        )
    };
    let folds = summary.pool.as_ref().and_then(|pool| pool.folds);
    let folds = folds.map_or_else(String::new, |folds| {
        format!(
            "\n{folds} networks for the pool of the heads took {:.1} s",
            seconds.folds
        )
    });
    let contest = summary.contest.as_ref();
    let contest = contest.map_or_else(String::new, |contest| {
        format!("\n{}; that took {:.1} s", contest.text(), contest.seconds)
    });
    let selected = selected_line(summary).unwrap_or_default();
    let predictions = summary.predictions.iter();
    let predictions = predictions.map(|prediction| (prediction.rule, prediction.metrics()));
    let predictions = match summary.is_tested() {
        true => predictions_line(summary.predict, ObjectiveDescription::main(run), predictions),
        false => "nothing was tested: the run goes without test samples, so nothing tells how good the model is on samples that \
                  chose nothing"
            .to_owned(),
    };
    let losses = weighted_losses(&summary.class_weights);
    let losses = losses.map_or_else(String::new, |losses| format!("{losses}\n"));
    format!(
        "{table}\n{losses}\n{predictions}\nblend `{}`, seed {}, {} epochs in {:.1} s ({:.0} samples/s), waiting for data {}{contest}{estimates}{folds}\n\
         {selected}run folder: {}",
        summary.strategy,
        summary.seed,
        summary.epochs,
        summary.seconds.total,
        summary.samples_per_second,
        percent(seconds.waiting / seconds.train.max(1e-9)),
        folder.display(),
    )
}

/// Which epoch was kept, and what for.
fn selected_line(summary: &Summary) -> Option<String> {
    let selection = summary.selection.as_ref()?;
    let (epoch, epochs) = (summary.selected_epoch, summary.epochs);
    let said = match &selection.by {
        SelectedBy::Figure(name) => {
            let kinds = ObjectiveDescription::metrics(summary.objective.as_ref());
            let kind = kinds.iter().find(|kind| kind.name == *name);
            let figure = kind.and_then(|kind| Some((kind, selection.validation.get(name)?)));
            match figure {
                Some((kind, figure)) => {
                    format!(
                        "{} {} by validation",
                        kind.label,
                        Figure::new(figure, kind).text()
                    )
                }
                None => format!("loss {:.3} by validation", selection.validation.loss),
            }
        }
        SelectedBy::MeanLoss => format!(
            "loss {:.3} of the mean of the heads by validation",
            selection.validation.loss
        ),
    };
    let again = match summary.refitted {
        true => ", and trained to it once more with the validation samples",
        false => "",
    };
    Some(format!("kept epoch {epoch} of {epochs}: {said}{again}\n"))
}
