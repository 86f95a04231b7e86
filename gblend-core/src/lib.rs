//! What a gblend plugin is made of, and nothing else.
//!
//! gblend trains a multimodal classifier with one head per modality and a joint head, and blends their
//! losses (Wang, Tran, Feiszli, "What Makes Training Multi-Modal Classification Networks Hard?", CVPR
//! 2020, <https://arxiv.org/abs/1905.12681>). Five traits are open to plugins:
//!
//! | trait | configured under | built as |
//! |---|---|---|
//! | [`Dataset`] | `[data]` | [`Source`] |
//! | [`Modality`] | `[modality.NAME]` | [`Encoder`] |
//! | [`Fusion`] | `[fusion]` | [`FusionModule`] |
//! | [`BlendStrategy`] | `[blend]` | [`Blend`] |
//! | [`Optimizer`] | `[optimizer]` | [`OptimizerState`] |
//!
//! What is configured and what is built are two types everywhere: the first is plain data that is read
//! from a configuration file and written into the run folder, the second owns parameters or state and is
//! checkpointed. A plugin crate needs this crate alone: it re-exports [`serde`], [`typetag`],
//! [`schemars`] and [`dfdx`].

pub mod advice;
pub mod array;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod dataset;
pub mod error;
pub mod estimate;
pub mod evidence;
pub mod fusion;
mod handoff;
pub mod inner_product;
pub mod media;
pub mod modality;
pub mod nn;
pub mod ogr;
pub mod optimizer;
pub mod params;
pub mod pass;
pub mod pool;
pub mod recorder;
pub mod registry;
mod role;
pub mod seed;
pub mod stage;
pub mod strategy;
pub mod task;
pub mod tensor;
pub mod weights;

pub use advice::{Advice, Finding, WeightSource};
pub use array::Array;
pub use dataset::{Dataset, OnBadSample, OpenContext, Partition, Sample, Source, Stream};
pub use error::{Error, Result};
pub use estimate::{
    BlendReport, Estimate, EstimateRequest, Estimator, GradientSamples, HeadReport, Measurement,
};
pub use evidence::{BlendedGradient, ContestedGradient, Evidence, GradientEvidence, Observation, StepStart};
pub use fusion::{Fusion, FusionContext, FusionInputs, FusionModule};
pub use media::{Media, MediaKind};
pub use modality::{BuildContext, Encoder, Modality};
pub use optimizer::{Optimizer, OptimizerState};
pub use params::{Module, ParamMut, ParamPath, ParamVisitor};
pub use pass::{Mode, Pass};
pub use registry::{Role, catalogue};
pub use seed::{SampleRng, Seed};
pub use stage::{EncoderHalf, StageRequest, StageShape};
pub use strategy::{Blend, BlendStrategy, Heads, JOINT};
pub use task::{Label, Targets, Task};
pub use tensor::{AutoDevice, Batch, Features, Logits};
pub use weights::BlendWeights;

pub use {dfdx, inventory, rand, schemars, serde, serde_json, typetag};
