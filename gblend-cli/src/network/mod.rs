//! The network: its inputs, its parts, and the device that it computes on.

pub(crate) mod device;
mod inputs;
mod model;

pub use inputs::{Input, Inputs};
pub use model::{ActiveHeads, Fused, Multimodal};
