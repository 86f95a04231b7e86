//! Objectives, one per file.

mod class_weighting;
mod classes;
mod multi_label;
mod regression;
mod single_label;
#[cfg(test)]
mod testing;

pub use class_weighting::ClassWeighting;
pub use multi_label::MultiLabel;
pub use regression::{Regression, RegressionLoss};
pub use single_label::SingleLabel;
