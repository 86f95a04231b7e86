//! What the traits promise, as checks that a plugin's author calls in a test.
//!
//! A trait's documentation says more than its types do: that weights follow from the seed and the evidence alone,
//! that a checkpoint loses nothing, that evaluation changes nothing, that a sample's features are its own. A plugin
//! that breaks such a promise compiles, trains, and gives wrong numbers. Each check here runs a plugin through
//! many cases, always the same ones, and says as a [`Violation`] which [`Rule`] it broke and with what.
//!
//! Ask for the feature where tests alone see it:
//!
//! ```toml
//! [dev-dependencies]
//! gblend-core = { version = "0.1", features = ["conformance"] }
//! ```
//!
//! A strategy and its test:
//!
//! ```
//! use gblend_core::schemars::JsonSchema;
//! use gblend_core::serde::{Deserialize, Serialize};
//! use gblend_core::{Blend, BlendStrategy, BlendWeights, Heads, Result, conformance, typetag};
//!
//! /// All the weight on the joint head.
//! #[derive(Debug, Serialize, Deserialize, JsonSchema)]
//! #[serde(crate = "gblend_core::serde")]
//! #[schemars(crate = "gblend_core::schemars")]
//! struct JointAlone {}
//!
//! #[typetag::serde(name = "joint-alone")]
//! impl BlendStrategy for JointAlone {
//!     fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
//!         Ok(Box::new(Constant(BlendWeights::single(heads.len(), heads.joint())?)))
//!     }
//! }
//!
//! gblend_core::register!(Blend, "joint-alone" => JointAlone);
//!
//! #[derive(Debug)]
//! struct Constant(BlendWeights);
//!
//! impl Blend for Constant {
//!     fn weights(&self) -> &BlendWeights {
//!         &self.0
//!     }
//! }
//!
//! // In a test of your own, the body of `#[test] fn it_keeps_the_rules()`:
//! if let Err(violation) = conformance::strategy(&JointAlone {}) {
//!     panic!("{violation}");
//! }
//! ```
//!
//! [`modality`] wants media to try, of the kind and size that the modality is meant for; [`arbitrary::samples`]
//! makes some. [`arbitrary`] also has the generators of evidence, gradients and estimates, for properties of your
//! own.

pub mod arbitrary;
mod asked;
mod built;
mod config;
mod derivatives;
mod difference;
mod distinct;
mod evidence_kind;
mod flat;
mod fusion;
mod fusion_inputs;
mod halves;
mod harness;
mod modality;
mod objective;
mod optimizer;
mod order;
mod player;
mod presence;
mod registration;
mod rule;
mod strategy;
mod tensors;
mod violation;

pub use fusion::{fusion, fusion_tells_missing, fusion_with, fusion_with_stages};
pub use modality::modality;
pub use objective::objective;
pub use optimizer::optimizer;
pub use rule::Rule;
pub use strategy::{strategy, strategy_with};
pub use violation::Violation;
