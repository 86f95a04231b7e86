//! Blend strategies, one per file.

mod constant;
mod equal;
mod fixed;
mod joint;
mod unimodal;

pub use equal::Equal;
pub use fixed::Fixed;
pub use joint::Joint;
pub use unimodal::Unimodal;
