//! Tensors: their shapes, and how they come to the device and back.
//!
//! Shapes are run-time values (`usize` extents) because a configuration file decides them; ranks are
//! compile-time. The device is one type: a plugin never asks which it is.
//!
//! Layout: the batch is the innermost axis of everything convolutional. Feature maps have shape
//! `[channels, height, width, frames × batch]` with the batch innermost, so that a convolution of the
//! whole batch is one matrix product over contiguous rows, and a convolution over time is one over the
//! same memory seen as `[channels, height × width, frames, batch]`. Feature vectors are
//! `[batch, features]`.
//!
//! What is done with tensors is in [`nn`](crate::nn): layers, and operations from which other layers are made.

mod batch;
mod gradients;
mod reshape;
mod values;

pub use crate::device::AutoDevice;
pub use crate::shape::{Dims0, Dims1, Dims2, Dims3, Dims4, Shape};
pub use batch::{Batch, StackedSamples};
pub use gradients::Gradients;
pub use reshape::reshape;
pub use values::{Features, Logits, Loss, Maps, Plain, Snapshot, Taped};
