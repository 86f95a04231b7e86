//! A few steps to see that training works, and how long it is going to take.

use std::time::{Duration, Instant};

use gblend_core::Blend;

use super::learner::Learner;
use super::session::Session;
use super::step::{active_heads, step};
use super::train::run_length;
use crate::data::{Evaluable, Plan, Splits};
use crate::error::{Error, Result};
use crate::network::{ActiveHeads, Multimodal};

/// What a step takes, and how many there are.
#[derive(Clone, Debug)]
pub struct Trial {
    /// One step, with its batch in memory; none where a loss or gradient is not finite, whose text is the error.
    pub step: std::result::Result<Duration, String>,
    /// What frozen encoders take to compute the features of all samples, once.
    pub once: Duration,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Epochs.
    pub epochs: u64,
}

impl Trial {
    /// An epoch's time, if a step could be taken.
    pub fn seconds_per_epoch(&self) -> Option<f64> {
        let step = self.step.as_ref().ok()?;
        Some(step.as_secs_f64() * self.steps_per_epoch as f64)
    }
}

/// Takes a step on a batch of training samples, and then another one that is measured. The model is of no use afterwards.
///
/// # Errors
/// What training would end with in its first step, but for a loss that is not a number: that depends on settings as much
/// as on data.
pub fn trial(
    session: &Session<'_>,
    splits: &Splits,
    model: &mut Multimodal,
    blend: &mut dyn Blend,
) -> Result<Trial> {
    let run = run_length(session, blend, splits.train.samples());
    let mut optimizer = session.optimizer(run, 0)?;
    let samples = session.seen(splits.train.samples(), &active_heads(blend));
    let some = &samples[..samples.len().min(session.batch_size().get())];
    let context = session.step_context("check", "", 1);
    let once = session.try_frozen_features(model, some)?;
    let loader = session.loader_for(model, &ActiveHeads::all(session.heads.len()))?;
    let momentum = session.begin_momentum(model)?;
    let mut learner = Learner {
        model,
        optimizer: &mut optimizer,
        blend,
        momentum,
    };
    let mut taken = Ok(Duration::ZERO);
    // The first step sets memory aside.
    for _ in 0..2 {
        let (sampler, seed) = (session.sampler(), session.seed("check"));
        let plan = Plan::training(some, sampler, session.batch_size(), seed);
        let ran = loader.for_each(&plan, |_, loaded| {
            let began = Instant::now();
            step(&mut learner, loaded, context)?;
            taken = Ok(began.elapsed());
            Ok::<_, Error>(())
        });
        match ran {
            Ok(_) => {}
            Err(error @ Error::Diverged { .. }) => {
                taken = Err(error.to_string());
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Trial {
        step: taken,
        once,
        steps_per_epoch: run.steps_per_epoch,
        epochs: run.epochs,
    })
}
