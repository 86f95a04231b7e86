//! A few steps to see that training works, and how long it is going to take.

use std::time::{Duration, Instant};

use gblend_core::Blend;

use super::learner::Learner;
use super::session::Session;
use super::step::{active_heads, step};
use super::train::run_length;
use crate::data::{Evaluable, Plan, Splits};
use crate::error::{Error, Result};
use crate::network::Multimodal;

/// What a step takes, and how many there are.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// One step, with its batch in memory.
    pub step: Duration,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Epochs.
    pub epochs: u64,
}

/// Takes a step on a batch of training samples, and then another one that is measured. The model is of no use afterwards.
///
/// # Errors
/// What training would end with in its first step.
pub fn trial(
    session: &Session<'_>,
    splits: &Splits,
    model: &mut Multimodal,
    blend: &mut dyn Blend,
) -> Result<Trial> {
    let run = run_length(session, blend, &splits.train);
    let mut optimizer = session.optimizer(run, 0)?;
    let samples = session.seen(splits.train.samples(), &active_heads(blend));
    let some = &samples[..samples.len().min(session.batch_size().get())];
    let context = session.step_context("check", "", 1);
    let loader = session.loader(vec![true; session.config.modalities.len()]);
    let mut learner = Learner {
        model,
        optimizer: &mut optimizer,
        blend,
    };
    let mut taken = Duration::ZERO;
    // The first step sets memory aside.
    for _ in 0..2 {
        let plan = Plan::training(some, session.batch_size(), session.seed("check"));
        loader.for_each(&plan, |_, loaded| {
            let began = Instant::now();
            step(&mut learner, loaded, context)?;
            taken = began.elapsed();
            Ok::<_, Error>(())
        })?;
    }
    Ok(Trial {
        step: taken,
        steps_per_epoch: run.steps_per_epoch,
        epochs: run.epochs,
    })
}
