//! Fusions, one per file.
//!
//! A fusion owns what it is given: the features that a modality's own head reads are another copy, so nothing here
//! can reach a unimodal head but through the gradient of the joint loss at the encoder.

mod attention;
mod concat;
mod film;
mod gated;
mod inputs;
mod lmf;
mod mid_concat;
mod projections;
mod se;
mod sum;

pub use attention::Attention;
pub use concat::Concat;
pub use film::Film;
pub use gated::{Gated, Gates};
pub use lmf::LowRank;
pub use mid_concat::MidConcat;
pub use se::SqueezeExcitation;
pub use sum::Sum;
