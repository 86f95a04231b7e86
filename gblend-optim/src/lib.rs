//! Objectives, optimizers, learning-rate schedules and blend strategies.
//!
//! [`BlendedOptimizer`] is the point of the crate: it takes the K+1 losses of a step, weighs them by the
//! blend, runs one backward pass and lets any [`Optimizer`](gblend_core::Optimizer) follow the gradient. The two halves of
//! a step, [`gradients`] and [`BlendedOptimizer::apply`], can be taken apart, with the gradient in hand between them.
//! Each optimizer in [`optim`] is a rule for one value; each strategy in [`blend`] decides the weights, each objective in
//! [`objective`] what the losses are. All are plugins: naming this crate in a binary registers them.

pub mod blend;
mod blended;
pub mod network;
pub mod objective;
pub mod optim;
mod range;
mod scale;
pub mod schedule;

pub use blended::{
    AddUp, Apply, BlendedOptimizer, BlendedSettings, StepLosses, StepReport, each_gradient, gradients,
    gradients_of_parts,
};
pub use network::{Network, Part};
pub use scale::{LossWeights, Scale};
