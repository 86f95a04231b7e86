//! Objectives, one per file.

mod anchor;
mod class_weighting;
mod classes;
mod classify;
mod contrast;
mod matching;
mod multi_label;
mod none;
mod regression;
mod single_label;
#[cfg(test)]
mod testing;
mod views;

pub use anchor::{Anchor, AnchoredTo};
pub use class_weighting::ClassWeighting;
pub use classify::Classify;
pub use contrast::Temperature;
pub use matching::Match;
pub use multi_label::MultiLabel;
pub use none::Nothing;
pub use regression::{Regression, RegressionLoss};
pub use single_label::SingleLabel;
pub use views::Views;
