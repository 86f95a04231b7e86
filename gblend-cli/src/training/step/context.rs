//! Where a step is taken.

use std::num::NonZeroUsize;

use gblend_core::{AutoDevice, Heads, Precision, Seed};
use gblend_optim::Scale;

use crate::config::BatchNormOver;
use crate::ranks::Ranks;

/// Whom a step is taken with that nobody else takes part in.
static ALONE: Ranks = Ranks::alone();

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
    /// Whether the backward pass runs stages of encoders again, rather than to keep what they made.
    pub recomputes: bool,
    /// How maps are kept for the backward pass.
    pub activations_as: Precision,
    /// What the blend's shares are multiplied by.
    pub scale: Scale,
    /// Who takes it together: nobody else, in a context that is not [`over`](Self::over) some.
    pub ranks: &'a Ranks,
    /// What batch normalization is over if there are several.
    pub batch_norm: BatchNormOver,
}

impl<'a> StepContext<'a> {
    /// On a device, for a network with these heads, by one process, of whole batches at once.
    pub fn alone(
        device: &'a AutoDevice,
        heads: &'a Heads,
        seed: Seed,
        prefix: &'a str,
        epoch: usize,
    ) -> Self {
        Self {
            device,
            heads,
            seed,
            prefix,
            epoch,
            chunk: None,
            recomputes: false,
            activations_as: Precision::default(),
            scale: Scale::default(),
            ranks: &ALONE,
            batch_norm: BatchNormOver::default(),
        }
    }

    /// The same, by all of these ranks together.
    #[must_use]
    pub fn over(self, ranks: &'a Ranks, batch_norm: BatchNormOver) -> Self {
        Self {
            ranks,
            batch_norm,
            ..self
        }
    }
}
