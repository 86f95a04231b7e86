//! What losses that compare the samples of a batch have in common: directions, a temperature, and the cross entropy of
//! similarities.

mod directions;
mod own;
mod similarities;
mod temperature;

pub(super) use directions::{Directions, unit_rows};
pub(super) use own::{check_own, check_sizes, likelihoods, losses_of_rows, rows_of, scores_of};
pub(super) use similarities::{Contrast, surprise};
pub(super) use temperature::BuiltTemperature;
pub use temperature::Temperature;
