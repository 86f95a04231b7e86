//! From a configuration to a finished run folder.

use std::path::{Path, PathBuf};
use std::time::Instant;

use gblend_core::params::{load_state, state_of};

use crate::config::Config;
use crate::data::{Evaluable, Splits};
use crate::error::{Error, Result};
use crate::evaluation::{evaluate, score_subsets};
use crate::network::{ActiveHeads, device};
use crate::process::{Interrupt, peak_rss_bytes};
use crate::progress::Reporter;
use crate::records::{
    HeadSummary, ModelDescription, ModelModality, PredictionRule, PredictionSummary, Seconds, StrategyAdvice,
    Summary, TestDetails,
};
use crate::run_folder::checkpoint::Checkpoint;
use crate::run_folder::{Destination, RunFolder, Sink, TensorBoard, Unfinished};
use crate::training::session::Session;
use crate::training::train::train;

/// With more modalities the subsets would take longer than they tell; `gblend evaluate --subsets` has them.
const MOST_SUBSET_MODALITIES: usize = 4;

/// How a run begins.
#[derive(Clone, Debug)]
pub enum Start {
    /// From initial parameters, in a new folder.
    New(Destination),
    /// In the folder of a run that did not end, whose configuration is the one given.
    Resume(PathBuf),
}

/// What else the process does meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessUse {
    /// Nothing: the memory that the process took is the run's.
    Exclusive,
    /// Other runs: nobody can tell how much of the memory is this one's.
    Shared,
}

/// Trains and tests what a configuration describes, and returns the summary and the run folder. It computes on the
/// threads that it is called on; see [`with_threads`](crate::training::session::with_threads). `interrupt` ends the training
/// between epochs.
///
/// # Errors
/// Whatever is wrong with the data, the destination or the training; [`Error::Interrupted`].
pub fn run(
    config: &Config,
    start: &Start,
    process: ProcessUse,
    interrupt: &Interrupt,
    reporter: &Reporter,
) -> Result<(Summary, PathBuf)> {
    let started = Instant::now();
    let (mut session, splits) = Session::open(config, reporter)?;
    session.interrupt = interrupt.clone();
    let prepare = started.elapsed().as_secs_f64();
    let mut model = session.initial_model()?;
    let mut blend = config.blend.start(&session.heads)?;
    let [train_size, held_out_size, validation_size, test_size] = splits.sizes();
    interrupt.check(0)?;
    interrupt.watch()?;
    // Nothing is written before everything that can be wrong with the input was looked at.
    let (mut folder, checkpoint) = match start {
        Start::Resume(path) => resume(path, &session, &splits, reporter)?,
        Start::New(destination) => (RunFolder::create(destination, &config.to_toml()?)?, None),
    };
    reporter.line(&format!(
        "{}: {train_size} training, {held_out_size} held out, {validation_size} validation and {test_size} test samples of {} classes; \
         {} parameters; {} thread(s)",
        folder.path().display(),
        session.source.classes().len(),
        gblend_core::params::parameter_count(&mut model)?,
        rayon::current_num_threads(),
    ));
    let path = folder.path().to_owned();
    let tensorboard = config.log.tensorboard;
    let logs = checkpoint.as_ref().map(|checkpoint| &checkpoint.description.logs);
    let mut tensorboard = tensorboard
        .then(|| match logs {
            Some(logs) => TensorBoard::resume(folder.path(), logs),
            None => TensorBoard::create(folder.path()),
        })
        .transpose()?;
    let mut sinks: Vec<&mut dyn Sink> = vec![&mut folder];
    if let Some(tensorboard) = &mut tensorboard {
        sinks.push(tensorboard);
    }
    let trained = train(
        &session,
        &splits,
        &mut model,
        blend.as_mut(),
        &mut sinks,
        checkpoint,
        reporter,
    );
    let trained = trained.map_err(Error::in_run(&path))?;
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
    let joint_trained = trained.weights.last().is_some_and(|&weight| weight > 0.0);
    let modalities = &session.heads.names()[..session.heads.joint()];
    let subsets = if joint_trained && modalities.len() <= MOST_SUBSET_MODALITIES {
        let wanted = session.loader(vec![true; modalities.len()]);
        score_subsets(
            &mut model,
            &wanted,
            &test,
            batch_size,
            &session.device,
            modalities,
        )?
    } else {
        Vec::new()
    };
    let details = TestDetails::of(
        &evaluation,
        session.source.classes(),
        session.heads.names(),
        &trained.weights,
        config.blend.pipeline.predict,
        subsets,
    )?;
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
        device: device::name(config.run.device),
        threads: rayon::current_num_threads(),
        strategy: config.blend.plugin.typetag_name().to_owned(),
        samples_skipped: session.skipped_samples,
        epochs: trained.epochs,
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
        peak_rss_bytes: match process {
            ProcessUse::Exclusive => peak_rss_bytes(),
            ProcessUse::Shared => None,
        },
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
    if let Some(tensorboard) = &mut tensorboard {
        tensorboard.test(&summary)?;
    }
    let advice = StrategyAdvice::new(&summary.strategy, blend.advice());
    folder.finish(&state_of(&mut model)?, &description, &details, &advice, &summary)?;
    Ok((summary, path))
}

/// Opens the folder of a run that did not end, and finds where it goes on.
fn resume(
    path: &Path,
    session: &Session<'_>,
    splits: &Splits,
    reporter: &Reporter,
) -> Result<(RunFolder, Option<Checkpoint>)> {
    let Unfinished {
        folder,
        checkpoint,
        damaged,
    } = RunFolder::resume(path)?;
    for problem in damaged {
        reporter.warn(&format!(
            "a checkpoint is damaged, and the one before it is taken: {problem}"
        ));
    }
    let Some(checkpoint) = checkpoint else {
        reporter.line("the run stopped before its first checkpoint; it begins anew");
        return Ok((folder, None));
    };
    let description = &checkpoint.description;
    if description.splits != splits.fingerprint(session.source.as_ref()) {
        return Err(Error::Run {
            folder: path.to_owned(),
            problem: "the dataset has other samples than when the run began; bring them back, or train anew"
                .into(),
        });
    }
    if description.gblend != env!("CARGO_PKG_VERSION") {
        reporter.warn(&format!(
            "the checkpoint was written by gblend {}, this is {}: the result may differ in its last digits",
            description.gblend,
            env!("CARGO_PKG_VERSION")
        ));
    }
    let position = description.position;
    reporter.line(&format!(
        "going on after step {}, in epoch {}",
        position.step, position.epoch
    ));
    Ok((folder, Some(checkpoint)))
}
