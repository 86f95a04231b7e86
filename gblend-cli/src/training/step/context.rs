//! Where a step is taken.

use std::num::NonZeroUsize;

use gblend_core::{AutoDevice, Heads, Seed};
use gblend_optim::Scale;

/// What a step needs to know beside what it changes.
#[derive(Clone, Copy, Debug)]
pub struct StepContext<'a> {
    /// Where it computes.
    pub device: &'a AutoDevice,
    /// The heads, the joint one last.
    pub heads: &'a Heads,
    /// The random stream of all steps, of which each takes its own part; probes have others than the live run.
    pub seed: Seed,
    /// What stands before the name of a value that is not finite.
    pub prefix: &'a str,
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Samples that an encoder computes at once; `None` for all.
    pub chunk: Option<NonZeroUsize>,
    /// What the blend's shares are multiplied by.
    pub scale: Scale,
}
