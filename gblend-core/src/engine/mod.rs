//! The engine: dfdx's tensors and tape, and the operations behind gblend's layers.
//!
//! dfdx's own layers want their sizes at compile time, and its convolutions and pools need a nightly compiler, so the
//! operations are gblend's. Each exists twice behind one interface, [`Engine`] or, on rows and the steps of sequences,
//! [`SequenceEngine`]:
//!
//! - [`fast`]: one tape operation on the CPU's memory, written for the layout;
//! - [`composed`]: a chain of dfdx's own operations, which runs on any of its devices.
//!
//! The CPU uses the first, a GPU the second, and the tests hold one against the other: for them, and for benches, this module
//! is public. It is no part of what plugins use, which is in [`tensor`](crate::tensor) and [`nn`](crate::nn).

mod backward;
pub mod composed;
mod constants;
pub(crate) mod cpu;
pub mod fast;
mod gru_params;
mod handoff;
mod interleaved;
mod mask;
mod operand;
mod operations;
mod recomputed;
mod row_sources;
mod sequence_operations;
mod steps;
mod surprise;
mod tape;
mod window;

pub use backward::backward;
pub use gru_params::GruParams;
pub use interleaved::Interleaved;
pub use mask::Mask;
pub use operand::{BatchMoments, NormOptions, NormStatistics, ParamOn, TapedOn};
pub use operations::Engine;
pub use recomputed::{Again, ExchangeGradients};
pub use row_sources::RowSources;
pub use sequence_operations::SequenceEngine;
pub use steps::Steps;
pub use surprise::{Candidates, Negatives};
pub use tape::RecorderOn;
pub(crate) use tape::enclosed;
pub use window::{Window, WindowPlan};
