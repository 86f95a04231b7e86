//! `gblend train`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use gblend_core::params::{load_state, state_of};

use super::table::{percent, predictions_line, table};
use super::{print, print_json};
use crate::config::{Config, Override};
use crate::data::split::Evaluable;
use crate::error::Result;
use crate::eval::evaluate;
use crate::model::ActiveHeads;
use crate::prediction::PredictionRule;
use crate::progress::Reporter;
use crate::run_folder::{
    HeadSummary, ModelDescription, ModelModality, PredictionSummary, RunFolder, Seconds, Summary,
};
use crate::session::{Session, with_threads};
use crate::train::train;
use crate::{device, machine};

/// Trains a model and leaves a run folder.
#[derive(Debug, Args)]
pub(super) struct Train {
    /// The configuration file. Without one the built-in scene is trained on.
    config: Option<PathBuf>,
    /// The run folder, which must not be there or be empty. Default: the first free runs/NAME-N.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Overrides a key of the configuration, as in --set blend.kind=equal.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Overrides run.seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Prints the summary as JSON in place of the table.
    #[arg(long)]
    json: bool,
    /// Shows no progress.
    #[arg(long)]
    quiet: bool,
}

impl Train {
    pub(super) fn run(self) -> Result<()> {
        let overrides = parse_overrides(&self.set, self.seed)?;
        let config = Config::load(self.config.as_deref(), &overrides)?;
        let reporter = Reporter::new(self.quiet);
        let threads = config.run.threads;
        let (summary, folder) = with_threads(threads, || run(&config, &self, &reporter))?;
        if self.json {
            return print_json(&summary);
        }
        print(&closing(&summary, &folder))
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

fn run(config: &Config, arguments: &Train, reporter: &Reporter) -> Result<(Summary, PathBuf)> {
    let started = Instant::now();
    let (session, splits) = Session::open(config, reporter)?;
    let prepare = started.elapsed().as_secs_f64();
    let mut model = session.build_model()?;
    let mut blend = config.blend.plugin.start(&session.heads)?;
    let [train_size, held_out_size, validation_size, test_size] = splits.sizes();
    // Nothing is written before everything that can be wrong with the input was looked at.
    let mut folder = RunFolder::create(arguments.out.as_deref(), &arguments.name(), &config.to_toml()?)?;
    reporter.line(&format!(
        "{}: {train_size} training, {held_out_size} held out, {validation_size} validation and {test_size} test samples of {} classes; \
         {} parameters; {} thread(s)",
        folder.path().display(),
        session.source.classes().len(),
        gblend_core::params::parameter_count(&mut model)?,
        rayon::current_num_threads(),
    ));
    let trained = train(
        &session,
        &splits,
        &mut model,
        blend.as_mut(),
        &mut folder,
        reporter,
    )?;
    reporter.finish();
    if let Some(state) = &trained.selected {
        load_state(&mut model, state)?;
    }

    let evaluating = Instant::now();
    let active = ActiveHeads::all(session.heads.len());
    let test = splits.into_test();
    let loader = session.loader(active.encoders());
    let batch_size = session.batch_size();
    let evaluation = evaluate(&mut model, &loader, &test, batch_size, &session.device, &active)?;
    let metrics = evaluation.metrics()?;
    let kinds = config
        .modalities
        .iter()
        .map(|modality| modality.plugin.typetag_name());
    let kinds = kinds.chain([config.fusion.plugin.typetag_name()]);
    let heads = session
        .heads
        .names()
        .iter()
        .zip(kinds)
        .zip(metrics.into_iter().zip(&evaluation.heads))
        .zip(&trained.weights);
    let heads = heads.filter_map(|(((name, kind), (metrics, scores)), &weight)| {
        let metrics = metrics?;
        Some(HeadSummary {
            name: name.clone(),
            kind: kind.to_owned(),
            test_samples: scores.as_ref()?.rows.len(),
            test_accuracy: metrics.accuracy,
            test_macro_f1: metrics.macro_f1,
            test_mean_average_precision: metrics.mean_average_precision,
            test_loss: metrics.loss,
            weight,
        })
    });
    let predictions = PredictionRule::ALL.into_iter().map(|rule| {
        let metrics = rule.metrics(&evaluation, &trained.weights)?;
        Ok(metrics.map(|metrics| PredictionSummary {
            rule,
            test_accuracy: metrics.accuracy,
            test_macro_f1: metrics.macro_f1,
            test_mean_average_precision: metrics.mean_average_precision,
            test_loss: metrics.loss,
        }))
    });
    let predictions = predictions
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    debug_assert_eq!(test.samples().len(), test_size);
    let train_seconds = trained.elapsed.as_secs_f64();
    let summary = Summary {
        seed: config.run.seed,
        device: device::name().to_owned(),
        threads: rayon::current_num_threads(),
        strategy: config.blend.plugin.typetag_name().to_owned(),
        samples_skipped: session.skipped_samples,
        epochs: config.run.epochs,
        selected_epoch: trained.selected_epoch,
        heads: heads.collect(),
        predict: config.blend.pipeline.predict,
        predictions,
        blends: trained.blends,
        seconds: Seconds {
            prepare,
            train: train_seconds,
            waiting: trained.waited.as_secs_f64(),
            estimate: trained.estimating.as_secs_f64(),
            evaluate: evaluating.elapsed().as_secs_f64(),
            total: started.elapsed().as_secs_f64(),
        },
        samples_per_second: trained.samples as f64 / train_seconds.max(1e-9),
        peak_rss_bytes: machine::peak_rss_bytes(),
    };
    let modalities = config.modalities.iter().zip(session.sample_shapes()?);
    let modalities = modalities.map(|(modality, sample_shape)| ModelModality {
        name: modality.name.clone(),
        sample_shape,
    });
    let description = ModelDescription::new(
        session.source.classes().to_vec(),
        modalities.collect(),
        trained.selected_epoch,
    );
    let path = folder.path().to_owned();
    folder.finish(&state_of(&mut model)?, &description, &summary)?;
    Ok((summary, path))
}

/// The closing table and where to go from here.
fn closing(summary: &Summary, folder: &Path) -> String {
    let several_labels = summary
        .heads
        .iter()
        .any(|head| head.test_mean_average_precision.is_some());
    let rows = summary.heads.iter().map(|head| {
        let trained = head.weight > 0.0;
        let mut row = vec![
            head.name.clone(),
            head.kind.clone(),
            if trained {
                format!("{:.3}", head.weight)
            } else {
                "not trained".into()
            },
            percent(head.test_accuracy),
            percent(head.test_macro_f1),
        ];
        if several_labels {
            row.push(
                head.test_mean_average_precision
                    .map_or_else(|| "-".to_owned(), percent),
            );
        }
        row.push(format!("{:.3}", head.test_loss));
        row
    });
    let mut header = vec!["head", "kind", "weight", "test accuracy", "macro F1"];
    header.extend(several_labels.then_some("mAP"));
    header.push("test loss");
    let table = table(&header, 2, rows);
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
    let predictions = summary.predictions.iter();
    let predictions = predictions.map(|prediction| (prediction.rule, prediction.test_accuracy));
    let predictions = predictions_line(summary.predict, predictions);
    format!(
        "{table}\n\n{predictions}\nblend `{}`, seed {}, {} epochs in {:.1} s ({:.0} samples/s), waiting for data {}{estimates}\n\
         run folder: {}",
        summary.strategy,
        summary.seed,
        summary.epochs,
        summary.seconds.total,
        summary.samples_per_second,
        percent(seconds.waiting / seconds.train.max(1e-9)),
        folder.display(),
    )
}
