//! Every method with settings that suit it, before they are compared.
//!
//! One setting for all flatters whoever it suits. So each method is tuned for itself, by what the validation samples say of the
//! epoch that its run selects, with seeds that nothing is compared with; what its runs say of the test samples is not read. Where
//! every fold is tested in turn, each has a tuning of its own: the samples that another fold would choose by are tested in this one.

mod grid;
mod search;
mod stage;

pub use grid::{Grid, LEARNING_RATE};
pub(super) use search::Outcome;
pub(super) use stage::Stage;

/// The seeds of tuning begin so far above the first one that is compared, so that they stay the same when more are.
const FIRST_SEED: u64 = 1_000_000;

/// What is chosen by validation before anything is compared.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// The settings that are tried.
    pub grid: Grid,
    /// How many seeds each is tried with.
    pub seeds: usize,
}
