//! Every plugin that gblend brings along keeps the rules of its trait, and the kit that says so finds those that
//! do not.
#![allow(clippy::unwrap_used, clippy::panic)]

mod evidence;
mod exported;
mod fusions;
mod modalities;
mod objectives;
mod optimizers;
mod registered;
mod strategies;
