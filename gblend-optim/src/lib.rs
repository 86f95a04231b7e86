//! Optimizers, learning-rate schedules and blend strategies.
//!
//! [`BlendedOptimizer`] is the point of the crate: it takes the K+1 losses of a step, weighs them by the
//! blend, runs one backward pass and lets any [`Optimizer`](gblend_core::Optimizer) follow the gradient.
//! Each optimizer in [`optim`] wraps one of dfdx's update rules; each strategy in [`blend`] decides the
//! weights. Both are plugins: naming this crate in a binary registers them.

pub mod blend;
mod blended;
pub mod network;
pub mod optim;
pub mod schedule;

pub use blended::{Apply, BlendedOptimizer, BlendedSettings, StepLosses, StepReport};
pub use network::{Network, Part};
