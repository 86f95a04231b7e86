//! What is counted during one epoch.

use gblend_core::Blend;
use gblend_optim::BlendedOptimizer;

use crate::data::LoadedBatch;
use crate::error::Result;
use crate::network::Multimodal;
use crate::progress::{HeadProgress, Reporter};
use crate::records::{EpochCounts, EpochMetrics, HeadMetrics, Tally};
use crate::training::session::Session;
use crate::training::step::{MOST_UNREAD, Scores, StepContext, Unread, step};

/// An epoch under way.
pub(super) struct Epoch<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) reporter: &'a Reporter,
    pub(super) epoch: usize,
    /// The accuracy of each head after the epoch before.
    pub(super) validation: &'a [Option<f64>],
    pub(super) counts: EpochCounts,
    /// The scores of steps that wait to be read, and how many samples each head saw in them.
    pub(super) unread: Vec<(Unread, Vec<usize>)>,
}

impl Epoch<'_> {
    pub(super) fn step(
        &mut self,
        model: &mut Multimodal,
        optimizer: &mut BlendedOptimizer,
        blend: &mut dyn Blend,
        batch: LoadedBatch,
    ) -> Result<()> {
        let context = StepContext {
            label: "step",
            prefix: "",
            epoch: self.epoch,
        };
        let outcome = step(self.session, model, optimizer, blend, batch, context)?;
        let counts = &mut self.counts;
        counts.steps += 1;
        counts.tallies.resize_with(outcome.weights.len(), Tally::default);
        for (tally, weight) in counts.tallies.iter_mut().zip(&outcome.weights) {
            tally.weight += weight;
        }
        match outcome.scores {
            Scores::Read(scores) => counts.add(&scores, &outcome.samples),
            Scores::Unread(scores) => self.unread.push((scores, outcome.samples)),
        }
        if self.unread.len() >= MOST_UNREAD {
            self.catch_up()?;
        }
        let counts = &mut self.counts;
        let report = outcome.report;
        counts.learning_rate = report.learning_rate;
        if let Some(norm) = report.gradient_norm {
            let so_far = counts.largest_gradient_norm;
            counts.largest_gradient_norm = Some(so_far.map_or(norm, |so_far| so_far.max(norm)));
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

    /// Reads the scores that wait for it. Nothing else may look at the counts before.
    ///
    /// # Errors
    /// [`Error::Diverged`](crate::Error::Diverged) if a loss is not finite.
    pub(super) fn catch_up(&mut self) -> Result<()> {
        for (scores, samples) in std::mem::take(&mut self.unread) {
            let scores = scores.read(self.session.heads.names())?;
            self.counts.add(&scores, &samples);
        }
        Ok(())
    }

    /// The mean loss of each head, if every head was computed in every step.
    pub(super) fn losses_of_all(&self) -> Vec<f64> {
        let computed = self.counts.tallies.iter().filter(|tally| tally.samples > 0);
        let losses: Vec<f64> = computed.map(|tally| tally.loss / tally.samples as f64).collect();
        if losses.len() == self.session.heads.len() {
            losses
        } else {
            Vec::new()
        }
    }

    /// How far each head is, given its weight in this step.
    fn progress(&self, weights: &[f64]) -> Vec<HeadProgress> {
        let names = self.session.heads.names().iter().zip(&self.counts.tallies);
        let heads = names.zip(weights).zip(self.validation);
        let heads = heads.map(|(((name, tally), &weight), &validation)| HeadProgress {
            name: name.clone(),
            weight,
            loss: (tally.samples > 0).then(|| tally.loss / tally.samples as f64),
            validation,
        });
        heads.collect()
    }

    pub(super) fn finish(self, step: u64) -> EpochMetrics {
        let counts = self.counts;
        let steps = counts.steps.max(1) as f64;
        let names = self.session.heads.names().iter().zip(counts.tallies);
        let heads = names.map(|(name, tally)| HeadMetrics {
            name: name.clone(),
            weight: tally.weight / steps,
            train: tally.score(),
            validation: None,
        });
        EpochMetrics {
            epoch: self.epoch,
            step,
            learning_rate: counts.learning_rate,
            largest_gradient_norm: counts.largest_gradient_norm,
            heads: heads.collect(),
            seconds: counts.seconds[0],
            waited_seconds: counts.seconds[1],
        }
    }
}
