//! The training loop.

use std::time::{Duration, Instant};

use gblend_core::params::{State, state_of};
use gblend_core::{Blend, BlendReport};
use gblend_optim::BlendedOptimizer;
use gblend_optim::schedule::RunLength;
use serde::{Deserialize, Serialize};

use crate::commands::blend_table;
use crate::config::Select;
use crate::data::loader::{LoadedBatch, Plan};
use crate::data::split::{Evaluable, Splits, TrainSplit};
use crate::error::{Error, Result};
use crate::eval::evaluate;
use crate::metrics::{Metrics, Score};
use crate::model::{ActiveHeads, Multimodal};
use crate::probe::{Live, estimate};
use crate::progress::{HeadProgress, Reporter};
use crate::session::Session;
use crate::step::{Place, active_heads, step};

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochMetrics {
    /// Counted from 1.
    pub epoch: usize,
    /// Steps taken so far.
    pub step: u64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// The largest norm of the gradient before clipping; only with a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest_gradient_norm: Option<f64>,
    /// Each head.
    pub heads: Vec<HeadMetrics>,
    /// Seconds that the epoch took.
    pub seconds: f64,
    /// Seconds of those in which training waited for data.
    pub waited_seconds: f64,
}

/// One head in one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadMetrics {
    /// Its name.
    pub name: String,
    /// The weight of its loss, as a mean over the steps.
    pub weight: f64,
    /// In training mode, over the samples as they were trained on; absent for heads without a weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<Score>,
    /// After the epoch; absent without validation samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Metrics>,
}

/// Receives what training leaves behind on its way.
pub trait Sink {
    /// An epoch is over. `model` holds its parameters; `best` tells whether its validation accuracy is the
    /// highest so far.
    ///
    /// # Errors
    /// What could not be written.
    fn epoch(&mut self, metrics: &EpochMetrics, model: &mut Multimodal, best: bool) -> Result<()>;

    /// The strategy has made something of an estimate, which took `seconds`.
    ///
    /// # Errors
    /// What could not be written.
    fn blend(&mut self, report: &BlendReport, seconds: f64) -> Result<()>;
}

/// Each in turn.
impl Sink for Vec<&mut dyn Sink> {
    fn epoch(&mut self, metrics: &EpochMetrics, model: &mut Multimodal, best: bool) -> Result<()> {
        self.iter_mut()
            .try_for_each(|sink| sink.epoch(metrics, model, best))
    }

    fn blend(&mut self, report: &BlendReport, seconds: f64) -> Result<()> {
        self.iter_mut().try_for_each(|sink| sink.blend(report, seconds))
    }
}

/// What training ends with.
pub struct Trained {
    /// The selected parameters, or `None` if they are those of the last epoch, which the model holds.
    pub selected: Option<State>,
    /// The epoch that they are from.
    pub selected_epoch: usize,
    /// Epochs trained: fewer than asked for if patience ran out.
    pub epochs: usize,
    /// The weight of each head, as a mean over the steps of that epoch.
    pub weights: Vec<f64>,
    /// What the strategy made of each estimate.
    pub blends: Vec<BlendReport>,
    /// Samples trained on, over all epochs, estimates not counted.
    pub samples: u64,
    /// The time that training took, evaluations on validation included and estimates not.
    pub elapsed: Duration,
    /// The time that estimates took.
    pub estimating: Duration,
    /// The part of `elapsed` in which training steps waited for data.
    pub waited: Duration,
}

/// Trains `model` on the training split under the configured blend.
///
/// # Errors
/// [`Error::Diverged`](crate::Error::Diverged) at the first loss that is not finite,
/// [`Error::Interrupted`](crate::Error::Interrupted) after the epoch in which the session was interrupted; what a
/// sample, the device, the strategy or `sink` complains about.
pub fn train(
    session: &Session<'_>,
    splits: &Splits,
    model: &mut Multimodal,
    blend: &mut dyn Blend,
    sink: &mut dyn Sink,
    reporter: &Reporter,
) -> Result<Trained> {
    let started = Instant::now();
    let run = &session.config.run;
    let batch_size = session.batch_size();
    let mut train_split = splits.train.clone();
    let mut optimizer = session.optimizer(run_length(session, blend, &train_split), 0)?;
    let mut best: Option<(f64, usize, Option<State>, Vec<f64>)> = None;
    let mut trained = Trained {
        selected: None,
        selected_epoch: run.epochs,
        epochs: run.epochs,
        weights: blend.weights().as_slice().to_vec(),
        blends: Vec::new(),
        samples: 0,
        elapsed: Duration::ZERO,
        estimating: Duration::ZERO,
        waited: Duration::ZERO,
    };
    if let (Some(_), []) = (run.patience, splits.validation.samples()) {
        let problem =
            "run.patience: there are no validation samples to watch; run.validation sets some aside";
        return Err(Error::Usage(problem.to_owned()));
    }
    reporter.training(
        0,
        run.epochs,
        run_length(session, blend, &train_split).steps_per_epoch as usize,
    );
    let mut validation = vec![None; session.heads.len()];
    for epoch in 1..=run.epochs {
        if let Some(request) = blend.estimate_due(epoch - 1, run.epochs) {
            let began = Instant::now();
            let live = Live {
                epoch: epoch - 1,
                schedule_step: optimizer.schedule_step(),
            };
            let estimate = estimate(session, splits, &state_of(model)?, &request, live, reporter)?;
            let report = blend.take_estimate(epoch - 1, &estimate)?;
            let seconds = began.elapsed();
            trained.estimating += seconds;
            sink.blend(&report, seconds.as_secs_f64())?;
            reporter.line(&blend_table(&report, seconds));
            for warning in &report.warnings {
                reporter.warn(warning);
            }
            trained.blends.push(report);
        }
        if blend.releases_held_out() && train_split == splits.train {
            train_split = splits.train_and_held_out();
            optimizer.set_run(run_length(session, blend, &train_split));
            reporter.training(
                epoch - 1,
                run.epochs,
                run_length(session, blend, &train_split).steps_per_epoch as usize,
            );
        }
        let began = Instant::now();
        let mut epoch_run = Epoch::new(session, epoch, &validation, reporter);
        let wanted = active_heads(blend).encoders();
        let samples = session.seen(train_split.samples(), &wanted);
        let plan = Plan::training(&samples, batch_size, session.seed("epoch").nth(epoch as u64));
        let loader = session.loader(wanted);
        let waited = loader.for_each(&plan, |_, batch| {
            epoch_run.step(model, &mut optimizer, blend, batch)
        })?;
        trained.samples += samples.len() as u64;
        trained.waited += waited;
        blend.end_epoch(&epoch_run.losses_of_all())?;
        let mut metrics = epoch_run.finish(optimizer.steps());
        metrics.waited_seconds = waited.as_secs_f64();
        let weights: Vec<f64> = metrics.heads.iter().map(|head| head.weight).collect();

        let mut improved = false;
        if !splits.validation.samples().is_empty() {
            let active = ActiveHeads::trained(&weights);
            let loader = session.loader(active.encoders());
            let split = &splits.validation;
            let evaluation = evaluate(model, &loader, split, batch_size, &session.device, &active)?;
            let rule = session.config.blend.pipeline.predict;
            let figure = rule
                .metrics(&evaluation, &weights)?
                .map_or(0.0, |metrics| metrics.selection());
            if best.as_ref().is_none_or(|(highest, ..)| figure > *highest) {
                improved = true;
                let keep = run.select == Select::Best;
                let state = keep.then(|| state_of(model)).transpose()?;
                best = Some((figure, epoch, state, weights.clone()));
            }
            for (head, of_head) in metrics.heads.iter_mut().zip(evaluation.metrics()?) {
                head.validation = of_head;
            }
        }
        metrics.seconds = began.elapsed().as_secs_f64();
        sink.epoch(&metrics, model, improved)?;
        let elapsed = started.elapsed() - trained.estimating;
        reporter.epoch(epoch, run.epochs, elapsed, &summary_line(&metrics));
        trained.weights = weights;
        trained.epochs = epoch;
        trained.selected_epoch = epoch;
        for (last, head) in validation.iter_mut().zip(&metrics.heads) {
            *last = head.validation.map(|metrics| metrics.accuracy);
        }
        session.interrupt.check(epoch)?;
        let best_epoch = best.as_ref().map_or(epoch, |(_, epoch, ..)| *epoch);
        if run
            .patience
            .is_some_and(|patience| epoch - best_epoch >= patience)
            && epoch < run.epochs
        {
            reporter.line(&format!(
                "epoch {epoch}: the best one was {best_epoch}; stopping early"
            ));
            break;
        }
    }
    if run.select == Select::Best
        && let Some((_, epoch, state, weights)) = best
    {
        trained.selected_epoch = epoch;
        trained.selected = state;
        trained.weights = weights;
    }
    trained.elapsed = started.elapsed() - trained.estimating;
    Ok(trained)
}

/// The length of a run on those of these samples that the active heads see.
fn run_length(session: &Session<'_>, blend: &dyn Blend, split: &TrainSplit) -> RunLength {
    let samples = session.seen(split.samples(), &active_heads(blend).encoders());
    RunLength {
        steps_per_epoch: samples.len().div_ceil(session.batch_size().get()) as u64,
        epochs: session.config.run.epochs as u64,
    }
}

/// What is counted during one epoch.
struct Epoch<'a> {
    session: &'a Session<'a>,
    reporter: &'a Reporter,
    epoch: usize,
    /// The accuracy of each head after the epoch before.
    validation: &'a [Option<f64>],
    tallies: Vec<Tally>,
    steps: usize,
    learning_rate: f64,
    largest_gradient_norm: Option<f64>,
}

/// Sums over the samples of an epoch, and over its steps.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    right: f64,
    loss: f64,
    samples: usize,
    weight: f64,
}

impl<'a> Epoch<'a> {
    fn new(
        session: &'a Session<'a>,
        epoch: usize,
        validation: &'a [Option<f64>],
        reporter: &'a Reporter,
    ) -> Self {
        Self {
            session,
            reporter,
            epoch,
            validation,
            tallies: vec![Tally::default(); session.heads.len()],
            steps: 0,
            learning_rate: 0.0,
            largest_gradient_norm: None,
        }
    }

    fn step(
        &mut self,
        model: &mut Multimodal,
        optimizer: &mut BlendedOptimizer,
        blend: &mut dyn Blend,
        batch: LoadedBatch,
    ) -> Result<()> {
        let place = Place {
            label: "step",
            prefix: "",
            epoch: self.epoch,
        };
        let outcome = step(self.session, model, optimizer, blend, batch, place)?;
        self.steps += 1;
        for (head, tally) in self.tallies.iter_mut().enumerate() {
            tally.weight += outcome.weights[head];
            if let Some(score) = outcome.scores[head] {
                let samples = outcome.samples[head];
                tally.right += score.accuracy * samples as f64;
                tally.loss += score.loss * samples as f64;
                tally.samples += samples;
            }
        }
        let report = outcome.report;
        self.learning_rate = report.learning_rate;
        if let Some(norm) = report.gradient_norm {
            self.largest_gradient_norm =
                Some(self.largest_gradient_norm.map_or(norm, |so_far| so_far.max(norm)));
        }
        if !report.without_gradient.is_empty() {
            self.reporter.warn(&format!(
                "no gradient reaches {} parameter(s), which will not learn: {}",
                report.without_gradient.len(),
                report.without_gradient.join(", ")
            ));
        }
        let run = &self.session.config.run;
        self.session.interrupt.announce(self.reporter);
        self.reporter
            .step(self.epoch, run.epochs, || self.progress(&outcome.weights));
        Ok(())
    }

    /// The mean loss of each head, if every head was computed in every step.
    fn losses_of_all(&self) -> Vec<f64> {
        let computed = self.tallies.iter().filter(|tally| tally.samples > 0);
        let losses: Vec<f64> = computed.map(|tally| tally.loss / tally.samples as f64).collect();
        if losses.len() == self.tallies.len() {
            losses
        } else {
            Vec::new()
        }
    }

    /// How far each head is, given its weight in this step.
    fn progress(&self, weights: &[f64]) -> Vec<HeadProgress> {
        let names = self.session.heads.names().iter().zip(&self.tallies);
        let heads = names.zip(weights).zip(self.validation);
        let heads = heads.map(|(((name, tally), &weight), &validation)| HeadProgress {
            name: name.clone(),
            weight,
            loss: (tally.samples > 0).then(|| tally.loss / tally.samples as f64),
            validation,
        });
        heads.collect()
    }

    fn finish(self, step: u64) -> EpochMetrics {
        let steps = self.steps.max(1) as f64;
        let names = self.session.heads.names().iter().zip(self.tallies);
        let heads = names.map(|(name, tally)| {
            let count = tally.samples as f64;
            HeadMetrics {
                name: name.clone(),
                weight: tally.weight / steps,
                train: (tally.samples > 0).then(|| Score {
                    accuracy: tally.right / count,
                    loss: tally.loss / count,
                }),
                validation: None,
            }
        });
        EpochMetrics {
            epoch: self.epoch,
            step,
            learning_rate: self.learning_rate,
            largest_gradient_norm: self.largest_gradient_norm,
            heads: heads.collect(),
            seconds: 0.0,
            waited_seconds: 0.0,
        }
    }
}

/// `camera 1.234 (61 %), joint 0.987 (70 %)`: training loss and validation accuracy of the trained heads.
fn summary_line(metrics: &EpochMetrics) -> String {
    let heads = metrics.heads.iter().filter_map(|head| {
        let train = head.train?;
        Some(match head.validation {
            Some(validation) => {
                format!(
                    "{} loss {:.3} val {:.1} %",
                    head.name,
                    train.loss,
                    100.0 * validation.accuracy
                )
            }
            None => format!("{} loss {:.3}", head.name, train.loss),
        })
    });
    heads.collect::<Vec<_>>().join(", ")
}
