//! Evaluation: every head on every sample of a split, and what is counted of it.

mod calibration;
mod ensemble;
mod evaluate;
mod feature_space;
mod metrics;
mod prediction;
mod results;
mod subsets;
mod test_details;
mod test_samples;
#[cfg(test)]
mod testing;

pub use ensemble::Ensemble;
pub use evaluate::{Evaluation, HeadOutput, evaluate};
pub use feature_space::{NearestOthers, ReadLabel, Spaces, Tower, Vectors};
pub use prediction::{Combined, CombinedInPart, Scored};
pub use results::HeadResult;
pub use subsets::{MOST_MODALITIES, score_subsets};
