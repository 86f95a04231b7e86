//! Where an estimate is made.

use gblend_core::Seed;

use crate::training::session::Session;

/// Where the live run stands.
#[derive(Clone, Copy, Debug)]
pub struct StartingPoint {
    /// Epochs trained.
    pub epoch: usize,
    /// Where in the learning rate's schedule it is: probes go on from there.
    pub schedule_step: u64,
}

impl StartingPoint {
    /// The random stream of an estimate that is made here.
    pub(super) fn seed(self, session: &Session<'_>) -> Seed {
        session.seed("estimate").nth(self.epoch as u64)
    }
}
