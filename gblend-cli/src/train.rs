//! The training loop.

use std::time::{Duration, Instant};

use gblend_core::nn::cross_entropy;
use gblend_core::params::{State, state_of};
use gblend_core::tensor::Loss;
use gblend_core::{Array, Blend, Pass};
use gblend_optim::schedule::RunLength;
use gblend_optim::{BlendedOptimizer, BlendedSettings};
use serde::Serialize;

use crate::config::Select;
use crate::data::loader::{LoadedBatch, Plan};
use crate::data::split::{Evaluable, Splits};
use crate::error::{Error, Result};
use crate::eval::{Score, evaluate, score, to_device};
use crate::model::{ActiveHeads, Multimodal};
use crate::progress::Reporter;
use crate::session::Session;

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EpochMetrics {
    /// Counted from 1.
    pub epoch: usize,
    /// Steps taken so far.
    pub step: u64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// The largest norm of the gradient before clipping; only with a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest_gradient_norm: Option<f64>,
    /// Each head.
    pub heads: Vec<HeadMetrics>,
    /// Seconds that the epoch took.
    pub seconds: f64,
    /// Seconds of those in which training waited for data.
    pub waited_seconds: f64,
}

/// One head in one epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeadMetrics {
    /// Its name.
    pub name: String,
    /// The weight of its loss.
    pub weight: f64,
    /// In training mode, over the samples as they were trained on; absent for heads without a weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<Score>,
    /// After the epoch; absent without validation samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Score>,
}

/// Receives what training leaves behind on its way.
pub trait Sink {
    /// An epoch is over. `model` holds its parameters; `best` tells whether its validation accuracy is the
    /// highest so far.
    ///
    /// # Errors
    /// What could not be written.
    fn epoch(&mut self, metrics: &EpochMetrics, model: &mut Multimodal, best: bool) -> Result<()>;
}

/// What training ends with.
pub struct Trained {
    /// The selected parameters, or `None` if they are those of the last epoch, which the model holds.
    pub selected: Option<State>,
    /// The epoch that they are from.
    pub selected_epoch: usize,
    /// Samples trained on, over all epochs.
    pub samples: u64,
    /// The time that it took, evaluations on validation included.
    pub elapsed: Duration,
}

/// Trains `model` on the training split under the configured blend.
///
/// # Errors
/// [`Error::Diverged`] at the first loss that is not finite; what a sample, the device or `sink` complains
/// about.
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
    let steps = splits.train.samples().len().div_ceil(batch_size.get());
    let optimizer = &session.config.optimizer;
    let settings = BlendedSettings {
        schedule: optimizer.pipeline.schedule,
        clip_norm: optimizer.pipeline.clip_norm,
        run: RunLength {
            steps_per_epoch: steps as u64,
            epochs: run.epochs as u64,
        },
    };
    let mut optimizer = BlendedOptimizer::new(optimizer.plugin.as_ref(), settings)?;
    let mut best: Option<(f64, usize, Option<State>)> = None;
    let mut samples = 0;
    reporter.training(run.epochs, steps);
    for epoch in 1..=run.epochs {
        let mut epoch_run = Epoch::new(session, epoch, blend, reporter);
        let began = Instant::now();
        let plan = Plan::training(
            splits.train.samples(),
            batch_size,
            session.seed("epoch").nth(epoch as u64),
        );
        let loader = session.loader(epoch_run.active.encoders());
        let waited = loader.for_each(&plan, |_, batch| {
            epoch_run.step(model, &mut optimizer, blend, batch)
        })?;
        samples += splits.train.samples().len() as u64;
        let mut metrics = epoch_run.finish(optimizer.steps())?;
        metrics.waited_seconds = waited.as_secs_f64();

        let mut improved = false;
        if !splits.validation.samples().is_empty() {
            let active = ActiveHeads::weighted(blend.weights());
            let loader = session.loader(active.encoders());
            let split = &splits.validation;
            let scores = evaluate(model, &loader, split, batch_size, &session.device, &active)?.scores()?;
            let accuracy = deciding(&scores).map_or(0.0, |score| score.accuracy);
            if best.as_ref().is_none_or(|(highest, ..)| accuracy > *highest) {
                improved = true;
                let keep = run.select == Select::Best;
                best = Some((accuracy, epoch, keep.then(|| state_of(model)).transpose()?));
            }
            for (head, score) in metrics.heads.iter_mut().zip(scores) {
                head.validation = score;
            }
        }
        metrics.seconds = began.elapsed().as_secs_f64();
        sink.epoch(&metrics, model, improved)?;
        reporter.epoch(epoch, run.epochs, started.elapsed(), &summary_line(&metrics));
    }
    let (selected_epoch, selected) = match (run.select, best) {
        (Select::Best, Some((_, epoch, state))) => (epoch, state),
        _ => (run.epochs, None),
    };
    Ok(Trained {
        selected,
        selected_epoch,
        samples,
        elapsed: started.elapsed(),
    })
}

/// The score that decides which epoch is best: the joint head's, or the only head's.
fn deciding(scores: &[Option<Score>]) -> Option<Score> {
    scores.iter().rev().copied().find_map(|score| score)
}

/// What is counted during one epoch.
struct Epoch<'a> {
    session: &'a Session<'a>,
    reporter: &'a Reporter,
    epoch: usize,
    active: ActiveHeads,
    weights: Vec<f64>,
    tallies: Vec<Tally>,
    learning_rate: f64,
    largest_gradient_norm: Option<f64>,
}

/// Sums over the samples of an epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    right: f64,
    loss: f64,
    samples: usize,
}

impl<'a> Epoch<'a> {
    fn new(session: &'a Session<'a>, epoch: usize, blend: &dyn Blend, reporter: &'a Reporter) -> Self {
        Self {
            session,
            reporter,
            epoch,
            active: ActiveHeads::weighted(blend.weights()),
            weights: blend.weights().as_slice().to_vec(),
            tallies: vec![Tally::default(); session.heads.len()],
            learning_rate: 0.0,
            largest_gradient_norm: None,
        }
    }

    fn step(
        &mut self,
        model: &mut Multimodal,
        optimizer: &mut BlendedOptimizer,
        blend: &dyn Blend,
        batch: LoadedBatch,
    ) -> Result<()> {
        let LoadedBatch { labels, inputs, .. } = batch;
        let inputs = to_device(&self.session.device, inputs)?;
        let step = optimizer.steps();
        let pass = Pass::train(self.session.seed("step").nth(step));
        let logits = model.forward(&inputs, &pass, &self.active)?;
        let mut losses: Vec<Option<Loss>> = Vec::with_capacity(logits.len());
        for (head, logits) in logits.into_iter().enumerate() {
            let Some(logits) = logits else {
                losses.push(None);
                continue;
            };
            let values = logits.as_vec();
            let rows = Array::new([labels.len(), values.len() / labels.len().max(1)], values)?;
            let score = score(&rows, &labels)?;
            if !score.loss.is_finite() {
                let name = &self.session.heads.names()[head];
                return Err(self.diverged(format!("the loss of head `{name}`"), score.loss, step));
            }
            let tally = &mut self.tallies[head];
            tally.right += score.accuracy * labels.len() as f64;
            tally.loss += score.loss * labels.len() as f64;
            tally.samples += labels.len();
            losses.push(Some(cross_entropy(logits, &labels)?));
        }
        let report = optimizer
            .step(&mut model.active(&self.active), losses, blend.weights())
            .map_err(|error| match error {
                gblend_core::Error::NonFinite { location, value } => self.diverged(location, value, step),
                other => other.into(),
            })?;
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
        self.reporter.step(self.epoch, run.epochs, || self.losses());
        Ok(())
    }

    fn diverged(&self, what: String, value: f64, step: u64) -> Error {
        Error::Diverged {
            what,
            value,
            step: step + 1,
            epoch: self.epoch,
        }
    }

    /// `camera 1.234  joint 0.987`, means over the epoch so far.
    fn losses(&self) -> String {
        let names = self.session.heads.names().iter().zip(&self.tallies);
        let trained = names.filter(|(_, tally)| tally.samples > 0);
        let parts: Vec<String> = trained
            .map(|(name, tally)| format!("{name} {:.3}", tally.loss / tally.samples as f64))
            .collect();
        parts.join("  ")
    }

    fn finish(self, step: u64) -> Result<EpochMetrics> {
        let names = self
            .session
            .heads
            .names()
            .iter()
            .zip(self.weights)
            .zip(self.tallies);
        let heads = names.map(|((name, weight), tally)| {
            let count = tally.samples as f64;
            HeadMetrics {
                name: name.clone(),
                weight,
                train: (tally.samples > 0).then(|| Score {
                    accuracy: tally.right / count,
                    loss: tally.loss / count,
                }),
                validation: None,
            }
        });
        Ok(EpochMetrics {
            epoch: self.epoch,
            step,
            learning_rate: self.learning_rate,
            largest_gradient_norm: self.largest_gradient_norm,
            heads: heads.collect(),
            seconds: 0.0,
            waited_seconds: 0.0,
        })
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
