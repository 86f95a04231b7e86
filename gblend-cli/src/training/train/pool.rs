//! The pool of the heads, once an epoch is selected: what it is fitted on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use gblend_core::BlendReport;

use super::run_state::RunState;
use super::{Samples, Training, evaluate_trained, run_length};
use crate::config::PoolSamples;
use crate::data::{Evaluable, Fold, Splits, units};
use crate::error::{Error, Result};
use crate::evaluation::{Ensemble, Evaluation};
use crate::network::Multimodal;
use crate::progress::Reporter;
use crate::records::{EpochMetrics, FittedPool, PredictionRule};
use crate::run_folder::Sink;
use crate::run_folder::checkpoint::{Checkpoint, Writer, broadcast_checkpoint};
use crate::training::learner::Learner;

/// Fits the pool of the heads, if they can be pooled, to samples that they were not trained on.
pub(super) fn fit_pool(
    state: &mut RunState<'_>,
    splits: &Splits,
    model: &mut Multimodal,
) -> Result<Option<FittedPool>> {
    let session = state.session;
    let weights = state.trained.weights.clone();
    if !Ensemble::unpooled(model.criteria(), &weights).can_pool() {
        return Ok(None);
    }
    if let Some(folds) = session.folds(splits)? {
        let began = Instant::now();
        let unseen = out_of_fold(state, splits, &folds)?;
        state.cross_fitted_for(began.elapsed());
        let fitted = fit(state, model, &unseen)?;
        if fitted.is_none() {
            too_few(state, unseen.samples.len());
        }
        return Ok(fitted.map(|fitted| FittedPool {
            folds: Some(folds.len()),
            ..fitted
        }));
    }
    let found = splits.validation.samples().len();
    if found < FittedPool::LEAST_SAMPLES {
        too_few(state, found);
        return Ok(None);
    }
    let evaluation = evaluate_trained(session, &splits.validation, model, &weights)?;
    fit(state, model, &evaluation)
}

/// Fits the pool to what the heads say of these samples, which it is told the groups of.
fn fit(state: &RunState<'_>, model: &Multimodal, unseen: &Evaluation) -> Result<Option<FittedPool>> {
    let groups = units(state.session.source.as_ref(), unseen.samples.iter().copied());
    let ensemble = Ensemble::unpooled(model.criteria(), &state.trained.weights);
    let fitted = ensemble.fit(unseen, groups.as_deref())?;
    let predicts = state.session.config.blend.pipeline.predict == PredictionRule::Pool;
    let pools = fitted.iter().flat_map(|fitted| &fitted.pools);
    let few = pools.filter_map(|pool| pool.groups.filter(|groups| groups.are_few()));
    if let Some(groups) = few
        .min_by(|a, b| a.get().total_cmp(&b.get()))
        .filter(|_| predicts)
    {
        // A line, as in `too_few`.
        state.reporter.line(&format!(
            "a pool of the heads is fitted to samples of {groups}, which say little of the next one: heads are believed nearly alike"
        ));
    }
    Ok(fitted)
}

/// Says that the mean predicts, where a pool was to.
fn too_few(state: &RunState<'_>, found: usize) {
    let pipeline = &state.session.config.blend.pipeline;
    if pipeline.predict != PredictionRule::Pool {
        return;
    }
    let needed = FittedPool::LEAST_SAMPLES;
    let (samples, advice) = match pipeline.pool {
        PoolSamples::Validation => (
            "validation samples",
            "run.validation sets more samples aside, and blend.pool = \"cross\" fits it without them, in five further \
             trainings",
        ),
        PoolSamples::Cross => ("samples that are not of the test", "there are none to add"),
    };
    // A line, which cells of a comparison do not show: it would be the same for all of them.
    state.reporter.line(&format!(
        "warning: a pool of the heads needs {needed} {samples}, the run has {found}: the mean of the heads predicts, in \
         which a head that is often wrong has as much say as any; {advice}"
    ));
}

/// What heads say of the samples of each fold that were trained, to the epoch found and by the weights that were
/// estimated, on those of the others.
fn out_of_fold(state: &RunState<'_>, splits: &Splits, folds: &[Fold]) -> Result<Evaluation> {
    let session = state.session;
    let epochs = state.trained.selected_epoch;
    let counted = Counted {
        reporter: state.reporter,
        all: folds.len() * epochs,
    };
    state.reporter.line(&format!(
        "training {} networks to epoch {epochs}, each without a part of the samples, to fit the pool of the heads to what \
         they say of it",
        folds.len()
    ));
    counted.reporter.cross_fitting(0, counted.all);
    let mut unseen: Option<Evaluation> = None;
    for (number, fold) in folds.iter().enumerate() {
        let of_fold = evaluate_fold(state, splits, (number, fold), &counted);
        let of_fold = of_fold.map_err(|error| match error {
            // The epochs that the user knows of are those of the run.
            Error::Interrupted { folder, .. } => Error::Interrupted {
                epoch: state.trained.epochs,
                folder,
            },
            other => other,
        })?;
        match &mut unseen {
            Some(unseen) => unseen.append(of_fold)?,
            none => *none = Some(of_fold),
        }
        session.check_interrupt(state.trained.epochs)?;
    }
    state.reporter.aside_is_over();
    unseen.ok_or_else(|| Error::Internal("a pool was to be fitted in no folds".into()))
}

/// Trains the network of one fold, and asks it about the samples that it was trained without.
fn evaluate_fold(
    state: &RunState<'_>,
    splits: &Splits,
    (number, fold): (usize, &Fold),
    counted: &Counted<'_>,
) -> Result<Evaluation> {
    let session = state.session;
    let weights = &state.trained.weights;
    let epochs = state.trained.selected_epoch;
    let fingerprint = format!("{} fold {} to epoch {epochs}", state.fingerprint(), number + 1);
    let (keeping, from): (Option<Writer>, Option<Checkpoint>) = match state.sink.folds() {
        Some(folders) => {
            let (writer, from) = folders.open(number, &fingerprint)?;
            (Some(writer), from)
        }
        None => (None, None),
    };
    let from = broadcast_checkpoint(&session.ranks, from)?;
    let done = number * epochs;
    let mut sink = OfFold {
        keeping,
        counted,
        done,
    };
    let muted = state.reporter.muted();
    let mut model = session.initial_model()?;
    let mut blend = session.config.start_blend(&session.heads)?;
    let samples = Samples::Fold {
        number,
        training: &fold.training,
    };
    let mut optimizer = session.optimizer(run_length(session, blend.as_ref(), samples.get()), 0)?;
    let learner = Learner {
        model: &mut model,
        optimizer: &mut optimizer,
        blend: blend.as_mut(),
        momentum: None,
    };
    let fold_state = state.for_fold(&mut sink, fingerprint, &muted);
    Training::new(splits, samples, fold_state, learner).run(from)?;
    drop(sink);
    counted.reporter.cross_fitting(done + epochs, counted.all);
    evaluate_trained(session, &fold.left_out, &mut model, weights)
}

/// How far the networks of all folds are together.
struct Counted<'a> {
    reporter: &'a Reporter,
    all: usize,
}

/// Keeps how far a fold's network is, and tells it.
struct OfFold<'a> {
    keeping: Option<Writer>,
    counted: &'a Counted<'a>,
    /// Epochs of the folds before.
    done: usize,
}

impl Sink for OfFold<'_> {
    fn epoch(&mut self, metrics: &EpochMetrics) -> Result<()> {
        let done = self.done + metrics.epoch;
        self.counted.reporter.cross_fitting(done, self.counted.all);
        Ok(())
    }

    fn blend(&mut self, _: &BlendReport, _: f64) -> Result<()> {
        Ok(())
    }

    fn logs(&mut self) -> Result<BTreeMap<String, u64>> {
        Ok(BTreeMap::new())
    }

    fn checkpoint(&mut self, checkpoint: Arc<Checkpoint>) -> Result<()> {
        let keeping = self.keeping.as_mut();
        keeping.map_or(Ok(()), |keeping| keeping.write(checkpoint))
    }
}
