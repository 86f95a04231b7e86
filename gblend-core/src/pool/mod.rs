//! How several heads predict together: pools whose few numbers are fitted on samples that trained nothing.
//!
//! - [`ExponentPool`], for answers with probabilities: a product of experts, each raised to an exponent of its own;
//! - [`AveragePool`], for numbers: a weighted average.
//!
//! [`HeadPool`] is the one of an objective's heads, as the objective's [`Pooling`] says.
//!
//! Both fall back to the plain mean where there are few samples to fit on, since the penalty draws towards it with a
//! strength of one over their number. Where samples are of groups, which head is believed more than another is a matter
//! of groups: of one speaker's recordings nothing is learned about the voice of the next. They know neither networks nor
//! tensors, and the same input gives the same bits everywhere.

mod average;
mod bounded_newton;
mod exponents;
mod heads;

pub use average::AveragePool;
pub use exponents::{ExponentPool, LEAST_LOG, Opinions};
pub use heads::{HeadPool, Pooling};

/// What fits no pool.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PoolError {
    /// There is nothing to fit on.
    #[error("a pool needs at least one sample and one head to be fitted on")]
    Empty,
    /// Two numbers of things differ that have to be the same.
    #[error("a pool was given {found} {what}, expected {expected}")]
    Sizes {
        /// What was counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A probability or number is not finite, or a probability is out of its range.
    #[error("a pool was given the {what} {value}")]
    Value {
        /// What it should have been.
        what: &'static str,
        /// What was found.
        value: f64,
    },
}

/// How strongly the penalty draws towards the mean: it is `STRENGTH / n` times the squared distance, n being samples, or
/// groups of them.
const STRENGTH: f64 = 10.0;
