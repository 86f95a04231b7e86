//! The probe of one head.

use std::time::Instant;

use gblend_core::params::load_state;
use gblend_core::{Blend, BlendStrategy, JOINT};
use gblend_optim::StepReport;
use gblend_optim::blend::{Joint, Unimodal};
use gblend_optim::schedule::RunLength;

use super::progress_file::ProgressFile;
use super::setup::ProbeSetup;
use crate::data::{Evaluable, Plan, SampleIndex};
use crate::error::{Error, Result};
use crate::evaluation::evaluate;
use crate::network::{ActiveHeads, Multimodal};
use crate::records::{ProbeLosses, SampleLosses, Score};
use crate::run_folder::checkpoint::{Position, restore};
use crate::training::learner::Learner;
use crate::training::session::Session;
use crate::training::steps::{Observer, train_on};

/// Trains one head alone, with its encoder or with all for the joint one, for the last of `lengths` epochs. With
/// several lengths it ends early once two in a row were worse than the best before them.
pub(super) fn probe(setup: &ProbeSetup<'_>, head: usize, lengths: &[usize]) -> Result<ProbeLosses> {
    let session = setup.session;
    let name = &session.heads.names()[head];
    let file = setup.file(head, lengths);
    let kept = file.as_ref().and_then(ProgressFile::read);
    if let Some(kept) = &kept
        && kept.arrays.is_none()
    {
        setup
            .reporter
            .line(&format!("the probe of `{name}` was over before the run stopped"));
        setup.trained(kept.position.epoch);
        return Ok(kept.losses.clone());
    }
    let mut model = session.build_model()?;
    load_state(&mut model, setup.state)?;
    let mut blend = alone(session, head)?;
    let active = ActiveHeads::only(session.heads.len(), head);
    let samples = session.seen(setup.splits.train.samples(), &active);
    let run = RunLength {
        steps_per_epoch: samples.len().div_ceil(session.batch_size().get()) as u64,
        epochs: session.config.run.epochs as u64,
    };
    let mut optimizer = session.optimizer(run, setup.live.schedule_step)?;
    let mut learner = Learner {
        model: &mut model,
        optimizer: &mut optimizer,
        blend: blend.as_mut(),
        momentum: None,
    };
    let measured = Measured {
        setup,
        head,
        active: &active,
    };
    let (position, losses) = match kept {
        Some(kept) => {
            if let Some(arrays) = &kept.arrays {
                restore(
                    arrays,
                    kept.position.step,
                    &mut learner.model.changing(),
                    learner.optimizer.state(),
                )?;
            }
            let epoch = kept.position.epoch;
            setup
                .reporter
                .line(&format!("the probe of `{name}` goes on in its epoch {epoch}"));
            setup.trained(epoch.saturating_sub(1));
            (kept.position, kept.losses)
        }
        None => {
            let before = measured.losses(learner.model)?;
            let after = Vec::new();
            (Position::BEGIN, ProbeLosses { before, after })
        }
    };
    let mut probe = HeadProbe {
        setup,
        head,
        file,
        position,
        losses,
        last_kept: Instant::now(),
    };
    for epoch in position.epoch..=lengths.last().copied().unwrap_or(0) {
        probe.train_epoch(epoch, &samples, &active, &mut learner)?;
        if lengths.contains(&epoch) {
            probe.losses.after.push(measured.losses(learner.model)?);
        }
        if probe.losses.is_over(lengths.len()) {
            if let Some(file) = &probe.file {
                file.end(probe.position, &probe.losses)?;
            }
            break;
        }
    }
    Ok(probe.losses)
}

/// The strategy that trains one head alone.
fn alone(session: &Session<'_>, head: usize) -> Result<Box<dyn Blend>> {
    let heads = &session.heads;
    let name = &heads.names()[head];
    Ok(if name == JOINT {
        Joint {}.start(heads)?
    } else {
        Unimodal { head: name.clone() }.start(heads)?
    })
}

/// A probe under way.
struct HeadProbe<'a> {
    setup: &'a ProbeSetup<'a>,
    head: usize,
    file: Option<ProgressFile<'a>>,
    position: Position,
    losses: ProbeLosses,
    last_kept: Instant,
}

impl HeadProbe<'_> {
    /// Trains on what is left of an epoch.
    fn train_epoch(
        &mut self,
        epoch: usize,
        samples: &[SampleIndex],
        active: &ActiveHeads,
        learner: &mut Learner<'_>,
    ) -> Result<()> {
        let ProbeSetup {
            session,
            live,
            seed,
            reporter,
            ..
        } = *self.setup;
        if epoch != self.position.epoch {
            self.position.epoch = epoch;
            self.position.batches = 0;
        }
        let name = &session.heads.names()[self.head];
        let seed = seed.derive(name).nth(epoch as u64);
        let plan = Plan::training(samples, session.sampler(), session.batch_size(), seed);
        let plan = plan.skip(self.position.batches);
        let stream = format!("estimate.{}.{name}", live.epoch);
        let prefix = format!("in a probe of `{name}`, ");
        let context = session.step_context(&stream, &prefix, epoch);
        // A probe goes on where the live run stands.
        learner.model.begin_epoch(live.epoch + epoch)?;
        train_on(session, &plan, active, context, learner, self, reporter)?;
        self.position.step = learner.optimizer.steps();
        let interrupted = session.interrupt.check(live.epoch);
        if interrupted.is_err() {
            self.checkpoint(learner)?;
        }
        interrupted?;
        self.setup.trained(1);
        Ok(())
    }
}

impl Observer for HeadProbe<'_> {
    fn scored(&mut self, _: &[Option<Score>], _: &[usize]) {}

    fn stepped(&mut self, _: &[f64], _: &StepReport) {
        self.position.batches += 1;
    }

    fn checkpoint_is_due(&self, step: u64, _: usize) -> bool {
        let config = &self.setup.session.config.checkpoint;
        self.file.is_some() && config.is_due(step, self.last_kept)
    }

    fn checkpoint(&mut self, learner: &mut Learner<'_>) -> Result<()> {
        self.last_kept = Instant::now();
        self.position.step = learner.optimizer.steps();
        match &self.file {
            Some(file) => file.write(self.position, &self.losses, learner),
            None => Ok(()),
        }
    }
}

/// What a probe measures: the losses of its head, in evaluation mode.
struct Measured<'a> {
    setup: &'a ProbeSetup<'a>,
    head: usize,
    active: &'a ActiveHeads,
}

impl Measured<'_> {
    fn losses(&self, model: &mut Multimodal) -> Result<SampleLosses> {
        Ok(SampleLosses {
            train: self.losses_of(model, &self.setup.subset)?,
            held_out: self.losses_of(model, &self.setup.splits.held_out)?,
        })
    }

    /// The loss of each sample.
    fn losses_of(&self, model: &mut Multimodal, split: &dyn Evaluable) -> Result<Vec<Option<f64>>> {
        let (session, live) = (self.setup.session, self.setup.live);
        let loader = session.loader_for(model, self.active)?;
        let (batch_size, device) = (session.batch_size(), &session.device);
        let evaluation = evaluate(model, &loader, split, batch_size, device, self.active)?;
        let criterion = model.criteria().of(self.head);
        let losses = evaluation.losses(model.criteria(), self.head)?.into_iter();
        let losses: Vec<Option<f64>> = losses
            .map(|loss| loss.map(|loss| criterion.in_evaluation_unit(loss)))
            .collect();
        match losses.iter().flatten().find(|loss| !loss.is_finite()) {
            None => Ok(losses),
            Some(&value) => Err(Error::Diverged {
                what: format!(
                    "in a probe, the loss of head `{}`",
                    session.heads.names()[self.head]
                ),
                value,
                step: live.schedule_step + 1,
                epoch: live.epoch + 1,
            }),
        }
    }
}
