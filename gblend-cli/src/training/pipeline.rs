//! From a configuration to a finished run folder.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gblend_core::LabelKind;
use gblend_core::params::{State, state_of};

use crate::config::{BatchNormOver, Config};
use crate::data::inspect::training_findings;
use crate::data::{Splits, TestSplit, write_membership};
use crate::error::{Error, Result};
use crate::evaluation::{HeadResult, Scored};
use crate::network::{HeadCriterion, Multimodal, device};
use crate::process::{Interrupt, peak_rss_bytes};
use crate::progress::Reporter;
use crate::ranks::Ranks;
use crate::records::{
    ClassWeight, FeatureSpace, FittedModalities, FittedPool, HeadSummary, Metrics, ModelDescription,
    ModelModality, NamedShape, Neighbors, Origins, PredictionRule, PredictionSummary, Seconds,
    StrategyAdvice, Summary, TestDetails, TestSamples,
};
use crate::run_folder::checkpoint::{Checkpoint, broadcast_checkpoint};
use crate::run_folder::{
    Destination, RunFolder, Sink, TensorBoard, TestFiles, Unfinished, keep_last_checkpoint, read_begun,
    read_fitted, read_membership_at_begin, remove_checkpoints,
};
use crate::training::contest;
use crate::training::feature_space::NEIGHBORS;
use crate::training::lone_values::lone_values;
use crate::training::opened::open_together;
use crate::training::pretrained_on_test::refuse_pretrained_on_test;
use crate::training::session::Session;
use crate::training::step_room::settle_recompute;
use crate::training::train::train;
use crate::training::trained_model::TrainedModel;

/// What was said, in the run folder.
const LOG: &str = "log.txt";

/// With more modalities the subsets would take longer than they tell; `gblend evaluate --subsets` has them.
const MOST_SUBSET_MODALITIES: usize = 4;

/// How a run begins.
#[derive(Clone, Debug)]
pub enum Start {
    /// From initial parameters, in a new folder.
    New(Destination),
    /// In the folder of a run that did not end, whose configuration is the one given.
    Resume(PathBuf),
    /// In the folder of a run that is to have more epochs than it had, as the configuration given says.
    Further(PathBuf),
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
/// Several ranks that call it with the same configuration train one model, of which rank 0 alone writes anything; what it returns
/// to the others knows nothing of a test.
///
/// # Errors
/// Whatever is wrong with the data, the destination or the training; [`Error::Interrupted`]; [`Error::Rank`].
pub fn run(
    config: &Config,
    start: &Start,
    process: ProcessUse,
    ranks: &Ranks,
    interrupt: &Interrupt,
    reporter: &Reporter,
) -> Result<(Summary, PathBuf)> {
    reporter.log(&format!("gblend {}", env!("CARGO_PKG_VERSION")));
    let ran = run_logged(config, start, process, ranks, interrupt, reporter);
    if let Err(error) = &ran {
        reporter.log(&error.to_string());
    }
    ran
}

fn run_logged(
    config: &Config,
    start: &Start,
    process: ProcessUse,
    ranks: &Ranks,
    interrupt: &Interrupt,
    reporter: &Reporter,
) -> Result<(Summary, PathBuf)> {
    let started = Instant::now();
    let settled = match start {
        Start::New(_) => contest::settle(config, ranks, interrupt, reporter)?,
        // The configuration in the folder has the strategy that was chosen.
        Start::Resume(_) | Start::Further(_) => None,
    };
    let config = settled.as_ref().map_or(config, |settled| &settled.config);
    let contest = match start {
        Start::New(_) => settled.as_ref().map(|settled| settled.contest.clone()),
        Start::Resume(folder) | Start::Further(folder) => {
            ranks.broadcast_json(|| Ok(read_begun(folder)?.and_then(|begun| begun.summary.contest)))?
        }
    };
    let preparing = Instant::now();
    let fitted = ranks.broadcast_json(|| match start {
        Start::New(_) => Ok(FittedModalities::default()),
        Start::Resume(folder) | Start::Further(folder) => read_fitted(folder),
    })?;
    let (mut session, splits) = open_together(config, &fitted, ranks, reporter)?;
    session.interrupt = interrupt.clone();
    if process == ProcessUse::Exclusive {
        for finding in training_findings(session.source.as_ref(), &session.prepared, &splits) {
            reporter.warn(&finding.to_string());
        }
    }
    let prepare = preparing.elapsed();
    if matches!(start, Start::New(_)) {
        refuse_pretrained_on_test(&session, &splits)?;
    }
    let (mut model, origins) = session.initial_model_and_origins()?;
    if process == ProcessUse::Exclusive {
        for told in lone_values(&session, &splits, &mut model)? {
            reporter.warn(&told);
        }
    }
    let recompute = settle_recompute(&mut session, &splits, &model)?;
    let mut blend = config.start_blend(&session.heads)?;
    session.check_folds(&splits, blend.as_ref())?;
    session.check_interrupt(0)?;
    interrupt.watch()?;
    // Nothing is written before everything that can be wrong with the input was looked at.
    let (mut output, checkpoint) = match ranks.is_first() {
        true => {
            let opened = Output::open(start, &session, &mut model, &splits, &origins, reporter)?;
            (Some(opened.0), opened.1)
        }
        false => (None, None),
    };
    let checkpoint = broadcast_checkpoint(ranks, checkpoint)?;
    let path = ranks.broadcast_json(|| match &output {
        Some(output) => Ok(output.folder.path().to_owned()),
        None => Err(Error::Internal("rank 0 has no run folder".into())),
    })?;
    if let Some(output) = &output {
        reporter.log_to(&path.join(LOG))?;
        let first_weights = blend.weights().as_slice().to_vec();
        let known = Summary {
            contest: contest.clone(),
            ..outline(&session, &model, &first_weights, prepare)
        };
        output.folder.begin(
            |file| {
                let written = write_membership(file, session.source.as_ref(), &session.prepared, &splits);
                written.map_err(std::io::Error::from)
            },
            description(&session, 0, None)?,
            known,
            &model.constant_state()?,
        )?;
    }
    tell_origins(&session, &origins, reporter);
    reporter.line(&opening_line(&path, &session, &splits, &mut model)?);
    if let Some(line) = recompute {
        reporter.line(&line);
    }
    if let Some(line) = checkpoint
        .as_ref()
        .and_then(|from| other_ranks(config, from, ranks))
    {
        reporter.line(&line);
    }
    let mut sinks = output.as_mut().map(Output::sinks).unwrap_or_default();
    let trained = train(
        &session, &splits, &mut model, &mut blend, &mut sinks, checkpoint, reporter,
    );
    let trained = trained.map_err(Error::in_run(&path))?;
    reporter.finish();

    let evaluating = Instant::now();
    let mut tested = TrainedModel {
        session,
        model,
        weights: trained.weights,
        pool: trained.pool,
        refitted: trained.refitted,
    };
    let test = match config.is_tested() {
        true => Test::of(&mut tested, &splits.into_test(), reporter)?,
        // Whatever test samples there are stay unseen.
        false => None,
    };
    let session = &tested.session;
    let results = test.as_ref().map_or(&[][..], |test| &test.heads);
    let known = outline(session, &tested.model, &tested.weights, prepare);
    let predictions = test.as_ref().map_or(&[][..], |test| &test.predictions);
    let feature_space = test.as_ref().and_then(|test| test.feature_space.as_ref());
    let train_seconds = trained.elapsed.as_secs_f64();
    let summary = Summary {
        contest,
        epochs: trained.epochs,
        ended_before: output
            .as_ref()
            .map(|output| output.folder.ended_before())
            .unwrap_or_default(),
        selected_epoch: trained.selected_epoch,
        selection: trained.selection,
        refitted: trained.refitted,
        heads: head_summaries(session, &tested.model, results, &tested.weights),
        predictions: predictions
            .iter()
            .map(|(rule, metrics)| PredictionSummary::new(*rule, metrics.clone()))
            .collect(),
        pool: tested.pool.clone(),
        blends: trained.blends,
        feature_space: feature_space.map(|(space, _)| space.clone()),
        seconds: Seconds {
            prepare: prepare.as_secs_f64(),
            train: train_seconds,
            waiting: trained.waited.as_secs_f64(),
            recompute: trained.recomputing.as_secs_f64(),
            refit: trained.refitting.as_secs_f64(),
            estimate: trained.estimating.as_secs_f64(),
            folds: trained.cross_fitting.as_secs_f64(),
            evaluate: evaluating.elapsed().as_secs_f64(),
            total: started.elapsed().as_secs_f64(),
        },
        samples_per_second: trained.samples as f64 / train_seconds.max(1e-9),
        peak_rss_bytes: match process {
            ProcessUse::Exclusive => peak_rss_bytes(),
            ProcessUse::Shared => None,
        },
        ..known
    };
    let description = description(session, trained.selected_epoch, tested.pool.clone())?;
    let advice = StrategyAdvice::new(&summary.strategy, blend.advice());
    let Some(output) = output else {
        return Ok((summary, path));
    };
    output.finish(
        &state_of(&mut tested.model)?,
        &description,
        test.as_ref().map(Test::files),
        &advice,
        &summary,
    )?;
    match (config.checkpoint.keep, process) {
        (Some(true), _) => {}
        // From the last one it can be trained further.
        (None, ProcessUse::Exclusive) if !summary.refitted => keep_last_checkpoint(&path),
        (None | Some(false), _) => remove_checkpoints(&path),
    }
    Ok((summary, path))
}

/// What is said of a run that goes on over another number of ranks than it had.
fn other_ranks(config: &Config, from: &Checkpoint, ranks: &Ranks) -> Option<String> {
    let (before, now) = (from.description.ranks, ranks.size());
    if before == now {
        return None;
    }
    let result = match config.run.batch_norm {
        BatchNormOver::AllRanks => "the result is the same to rounding, and not to the bit",
        BatchNormOver::EachRank => {
            "batch normalization is over other parts of the batches (run.batch_norm), so the result is another one"
        }
    };
    Some(format!(
        "the run had {before} rank(s) and goes on over {now}: {result}"
    ))
}

/// What a model comes to on the test samples.
struct Test {
    heads: Vec<HeadResult>,
    predictions: Vec<(PredictionRule, Metrics)>,
    details: TestDetails,
    samples: TestSamples,
    /// What features tell, and what is near in them.
    feature_space: Option<(FeatureSpace, Neighbors)>,
}

impl Test {
    /// By all ranks; the first one has the result.
    fn of(tested: &mut TrainedModel<'_>, test: &TestSplit, reporter: &Reporter) -> Result<Option<Self>> {
        let evaluation = tested.evaluate(test)?;
        if !tested.session.ranks.is_first() {
            return Ok(None);
        }
        let feature_space = match tested.session.source.further_labels() {
            [] => None,
            _ if !tested.model.has_own_joint_head() => None,
            _ => match feature_space(tested, test) {
                Ok(found) => Some(found),
                // What was trained is worth as much without.
                Err(Error::Core(problem @ gblend_core::Error::Data { .. })) => {
                    reporter.warn(&format!("nothing is told of feature spaces: {problem}"));
                    None
                }
                Err(other) => return Err(other),
            },
        };
        let subsets = if tested.has_joint_head() && tested.modalities().len() <= MOST_SUBSET_MODALITIES {
            tested.score_subsets(test)?
        } else {
            Vec::new()
        };
        let (session, ensemble) = (&tested.session, tested.ensemble());
        let scored = Scored::of(&evaluation, &ensemble)?;
        let source = session.source.as_ref();
        Ok(Some(Self {
            heads: evaluation.results(tested.model.criteria())?,
            predictions: evaluation.predictions(&ensemble, &scored)?,
            details: TestDetails::of(
                &evaluation,
                &ensemble,
                &scored,
                (source.label_kind(), source.classes()),
                session.heads.names(),
                session.config.blend.pipeline.predict,
                subsets,
            )?,
            samples: TestSamples::measured(&evaluation, &ensemble, &scored, source)?,
            feature_space,
        }))
    }

    fn files(&self) -> TestFiles<'_> {
        TestFiles {
            details: &self.details,
            samples: &self.samples,
            neighbors: self.feature_space.as_ref().map(|(_, neighbors)| neighbors),
        }
    }
}

/// What features tell of test samples, and what is near to some of them.
fn feature_space(tested: &mut TrainedModel<'_>, test: &TestSplit) -> Result<(FeatureSpace, Neighbors)> {
    let seen = tested.look_at(test, &[], &[])?;
    Ok((seen.measure(NEIGHBORS)?, seen.neighbors()))
}

/// What the user is told before the first epoch.
fn opening_line(
    path: &Path,
    session: &Session<'_>,
    splits: &Splits,
    model: &mut Multimodal,
) -> Result<String> {
    let [train, held_out, validation, test] = splits.sizes();
    Ok(format!(
        "{}: {train} training, {held_out} held out, {validation} validation and {test} test samples {}; \
         {} parameters; {} thread(s){}",
        path.display(),
        match session.source.label_kind() {
            LabelKind::Number => "with a number".to_owned(),
            _ => format!("of {} classes", session.source.classes().len()),
        },
        gblend_core::params::parameter_count(model)?,
        rayon::current_num_threads(),
        match session.ranks.size() {
            1 => String::new(),
            ranks => format!(
                " on each of {ranks} ranks, which share batches of {} samples",
                session.batch_size()
            ),
        },
    ))
}

/// What pre-trained encoders were initialized from; and which of them are frozen with parameters that nobody has trained.
fn tell_origins(session: &Session<'_>, origins: &Origins, reporter: &Reporter) {
    for (modality, origin) in &origins.modalities {
        reporter.line(&format!("{modality} starts from {origin}"));
    }
    for modality in &session.config.modalities {
        let untrained = match origins.modalities.get(&modality.name) {
            None => "all of the encoder".to_owned(),
            Some(origin) if origin.missing.is_empty() => continue,
            Some(origin) => NamedShape::list(&origin.missing),
        };
        let freeze = modality.pipeline.freeze.part();
        if freeze.is_some_and(|part| part.stages.is_none() && part.holds_in(1)) {
            reporter.warn(&format!(
                "{} keeps random initial values: {untrained}",
                modality.key("freeze")
            ));
        }
    }
}

/// What a summary says, as far as no step was taken.
fn outline(session: &Session<'_>, model: &Multimodal, weights: &[f64], prepare: Duration) -> Summary {
    let config = session.config;
    let lead = model.criteria().of_predictions(weights);
    Summary {
        seed: config.run.seed,
        device: device::name(config.run.device),
        threads: rayon::current_num_threads(),
        strategy: config.blend.plugin.typetag_name().to_owned(),
        contest: None,
        objective: lead.description().written(),
        class_weights: ClassWeight::of_each(lead.class_weights(), session.source.classes()),
        samples_skipped: session.skipped_samples,
        samples_unlabeled: session.unlabeled_samples,
        epochs: 0,
        ended_before: Vec::new(),
        selected_epoch: 0,
        selection: None,
        refitted: false,
        heads: head_summaries(session, model, &[], weights),
        predict: config.blend.pipeline.predict,
        predictions: Vec::new(),
        pool: None,
        blends: Vec::new(),
        feature_space: None,
        seconds: Seconds {
            prepare: prepare.as_secs_f64(),
            train: 0.0,
            waiting: 0.0,
            recompute: 0.0,
            refit: 0.0,
            estimate: 0.0,
            folds: 0.0,
            evaluate: 0.0,
            total: prepare.as_secs_f64(),
        },
        samples_per_second: 0.0,
        peak_rss_bytes: None,
    }
}

/// Every head with its weight in the epoch that was selected, and how good it is on the test samples, if some say so.
fn head_summaries(
    session: &Session<'_>,
    model: &Multimodal,
    results: &[HeadResult],
    weights: &[f64],
) -> Vec<HeadSummary> {
    let criteria = model.criteria();
    let asked = criteria.of_predictions(weights).kind();
    let config = session.config;
    let modalities = config.modalities.iter();
    let kinds = modalities.map(|modality| modality.plugin.typetag_name());
    let joint = match model.has_own_joint_head() {
        true => criteria.joint().kind(),
        false => config.fusion.plugin.typetag_name(),
    };
    let kinds: Vec<&str> = kinds.chain([joint]).collect();
    let heads = session.heads.names().iter().zip(kinds).zip(weights).enumerate();
    let summary = |(head, ((name, kind), &weight)): (usize, ((&String, &str), &f64))| {
        let result = results.iter().find(|result| result.head == head);
        let metrics = result.map(|result| result.metrics.clone()).unwrap_or_default();
        HeadSummary {
            name: name.clone(),
            kind: kind.to_owned(),
            objective: Some(criteria.of(head))
                .filter(|own| own.kind() != asked)
                .map(HeadCriterion::description),
            test_samples: result.map_or(0, |result| result.samples),
            test_accuracy: metrics.accuracy,
            test_macro_f1: metrics.macro_f1,
            test_mean_average_precision: metrics.mean_average_precision,
            test_metrics: metrics.metrics,
            test_loss: result.map(|result| result.metrics.loss),
            weight,
        }
    };
    heads.map(summary).collect()
}

/// What `model.json` says, but for the hash of the parameters.
fn description(session: &Session<'_>, epoch: usize, pool: Option<FittedPool>) -> Result<ModelDescription> {
    let modalities = session.config.modalities.iter().zip(session.sample_shapes()?);
    let modalities = modalities.enumerate();
    let source = session.source.as_ref();
    let modalities = modalities.map(|(position, (modality, sample_shape))| {
        let stream = session.prepared.stream(position);
        ModelModality {
            name: modality.name.clone(),
            sample_shape,
            prepared_shape: Some(session.prepared.sample_shape(position).to_vec()),
            stream: Some(source.streams()[stream].name.clone()),
            columns: source.columns(stream),
        }
    });
    let classes = session.source.classes().to_vec();
    Ok(ModelDescription::new(classes, modalities.collect(), epoch, pool))
}

/// What a run writes.
struct Output {
    folder: RunFolder,
    tensorboard: Option<TensorBoard>,
}

impl Output {
    /// Makes the folder of a new run, or opens that of one that did not end and finds where it goes on.
    fn open(
        start: &Start,
        session: &Session<'_>,
        model: &mut Multimodal,
        splits: &Splits,
        origins: &Origins,
        reporter: &Reporter,
    ) -> Result<(Self, Option<Checkpoint>)> {
        let config = session.config;
        let (folder, checkpoint) = match start {
            Start::Resume(path) => resume(path, session, model, splits, origins, reporter)?,
            Start::Further(path) => {
                let (folder, checkpoint) = resume(path, session, model, splits, origins, reporter)?;
                let before = folder.reopen(&config.to_toml()?)?;
                reporter.line(&further_line(config, before));
                (folder, checkpoint)
            }
            Start::New(destination) => {
                let fitted = session.fitted_modalities();
                let created = RunFolder::create(destination, &config.to_toml()?, &fitted, origins)?;
                (created, None)
            }
        };
        let logs = checkpoint.as_ref().map(|checkpoint| &checkpoint.description.logs);
        let tensorboard = config.log.tensorboard.then(|| match logs {
            Some(logs) => TensorBoard::resume(folder.path(), logs),
            None => TensorBoard::create(folder.path()),
        });
        let tensorboard = tensorboard.transpose()?;
        Ok((Self { folder, tensorboard }, checkpoint))
    }

    /// What training leaves behind goes here.
    fn sinks(&mut self) -> Vec<&mut dyn Sink> {
        let mut sinks: Vec<&mut dyn Sink> = vec![&mut self.folder];
        if let Some(tensorboard) = &mut self.tensorboard {
            sinks.push(tensorboard);
        }
        sinks
    }

    /// Writes the result, and tells where.
    fn finish(
        mut self,
        state: &State,
        model: &ModelDescription,
        test: Option<TestFiles<'_>>,
        advice: &StrategyAdvice,
        summary: &Summary,
    ) -> Result<()> {
        if let Some(tensorboard) = &mut self.tensorboard {
            tensorboard.test(summary)?;
        }
        self.folder.finish(state, model, test, advice, summary)
    }
}

/// What is said of a run that is trained further, which had ended after `before` epochs if it had.
fn further_line(config: &Config, before: Option<usize>) -> String {
    let kept = before.map_or_else(String::new, |before| {
        format!("; the result after {before} epochs is kept as summary-{before}.json")
    });
    format!(
        "training further, to {} epochs in all: the learning rate goes on by its schedule (`{}`), the splits stay, and the best \
         epoch is looked for among all{kept}",
        config.run.epochs,
        config.optimizer.pipeline.schedule.name()
    )
}

/// Refuses to go on with other samples than those that the run began with, or with others in their files.
fn check_samples(path: &Path, session: &Session<'_>, reporter: &Reporter) -> Result<()> {
    let membership = match read_membership_at_begin(path) {
        Ok(Some(membership)) => membership,
        Ok(None) => return Ok(()),
        // It is written anew.
        Err(problem) => {
            reporter.warn(&format!(
                "nothing tells whether the samples are made of what they were when the run began: {problem}"
            ));
            return Ok(());
        }
    };
    match session.differences_to(&membership)?.told() {
        None => Ok(()),
        Some(told) => Err(Error::Run {
            folder: path.to_owned(),
            problem: format!(
                "the dataset is not what the run began with: {told}; bring the samples back, or train anew"
            ),
        }),
    }
}

/// Opens the folder of a run that did not end, and finds where it goes on.
fn resume(
    path: &Path,
    session: &Session<'_>,
    model: &mut Multimodal,
    splits: &Splits,
    origins: &Origins,
    reporter: &Reporter,
) -> Result<(RunFolder, Option<Checkpoint>)> {
    let Unfinished {
        folder,
        checkpoint,
        damaged,
    } = RunFolder::resume(path, origins)?;
    for problem in damaged {
        reporter.warn(&format!(
            "a checkpoint is damaged, and the one before it is taken: {problem}"
        ));
    }
    check_samples(path, session, reporter)?;
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
    // It has all but these.
    let (now, then) = (model.constant_encoders()?, &description.constant_encoders);
    let mut all = now.keys().chain(then.keys());
    if let Some(other) = all.find(|name| now.get(*name) != then.get(*name)) {
        return Err(Error::Run {
            folder: path.to_owned(),
            problem: format!(
                "the frozen encoder of `{other}` is not the one that the run began with: gblend is another one, or the file that it \
                 starts from; train anew"
            ),
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
