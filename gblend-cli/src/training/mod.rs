//! Training: from a configuration to a run folder.

pub mod pipeline;
pub mod probe;
pub mod session;
pub mod step;
mod train;

pub use train::{Trained, train};
