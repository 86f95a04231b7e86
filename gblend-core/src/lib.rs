//! What a gblend plugin is made of, and nothing else.
//!
//! gblend trains a multimodal network with one head per modality and a joint head, and blends their
//! losses (Wang, Tran, Feiszli, "What Makes Training Multi-Modal Classification Networks Hard?", CVPR
//! 2020, <https://arxiv.org/abs/1905.12681>). Six traits are open to plugins:
//!
//! | trait | configured under | built as |
//! |---|---|---|
//! | [`Dataset`] | `[data]` | [`Source`] |
//! | [`Modality`] | `[modality.NAME]` | [`Encoder`] |
//! | [`Fusion`] | `[fusion]` | [`FusionModule`] |
//! | [`Objective`] | `[objective]`, `[modality.NAME.objective]` | [`Criterion`] |
//! | [`BlendStrategy`] | `[blend]` | [`Blend`] |
//! | [`Optimizer`] | `[optimizer]` | [`OptimizerState`] |
//!
//! What is configured and what is built are two types everywhere: the first is plain data that is read
//! from a configuration file and written into the run folder, the second owns parameters or state and is
//! checkpointed. A plugin crate needs this crate alone: it re-exports [`serde`], [`typetag`] and
//! [`schemars`]. Tensors are in [`tensor`], layers and operations in [`nn`], the rules of optimizers in [`update`]; the engine
//! that computes behind them is this crate's own affair.

pub mod advice;
pub mod array;
pub mod batch_parts;
pub mod category;
pub mod class_weights;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dataset;
pub mod device;
#[doc(hidden)]
pub mod engine;
pub mod error;
pub mod estimate;
pub mod evidence;
pub mod fit;
pub mod fusion;
pub mod gradient_products;
pub mod gradients;
pub mod graph;
pub mod keys;
pub mod label;
pub mod label_objective;
pub mod labels;
pub mod look;
pub mod media;
pub mod memory;
pub mod metric;
pub mod modality;
pub mod nn;
pub mod objective;
pub mod ogr;
pub mod optimizer;
pub mod params;
pub mod pass;
pub mod pool;
pub mod precision;
pub mod presence;
pub mod recorder;
pub mod registry;
mod role;
mod rule;
pub mod sameness;
pub mod sample_size;
pub mod score_function;
pub mod seed;
mod shape;
pub mod stage;
pub mod strategy;
pub mod targets;
pub mod tensor;
pub mod trace;
pub mod update;
pub mod weights;

pub use advice::{Advice, Finding, WeightSource};
pub use array::Array;
pub use class_weights::ClassWeights;
pub use dataset::{
    Dataset, Further, FurtherLabel, FurtherPlace, FurtherSource, OnBadSample, OpenContext, Partition, Sample,
    Source, Stream,
};
pub use error::{Error, Result};
pub use estimate::{
    BlendReport, Estimate, EstimateRequest, Estimator, GradientSamples, HeadReport, Measurement, ProbeLength,
};
pub use evidence::{BlendedGradient, ContestedGradient, Evidence, GradientEvidence, Observation, StepStart};
pub use fit::{FitContext, Fitted};
pub use fusion::{Fusion, FusionContext, FusionInputs, FusionModule};
pub use keys::{KeyQueue, KeyRing, Keys};
pub use label::{Label, LabelKind};
pub use labels::Labels;
pub use look::{Look, Reference};
pub use media::{Media, MediaKind};
pub use metric::{Axes, Better, MetricFormat, MetricKind};
pub use modality::{BuildContext, Encoder, Modality, StepValues};
pub use objective::{Answer, Criterion, Objective, ObjectiveContext, Strata};
pub use optimizer::{Optimizer, OptimizerState};
pub use params::{Module, ParamMut, ParamPath, ParamVisitor};
pub use pass::{Mode, Pass};
pub use pool::{HeadPool, Pooling};
pub use precision::Precision;
pub use presence::PresenceMask;
pub use registry::{Role, catalogue};
pub use sameness::Sameness;
pub use sample_size::{EffectiveGroups, LEAST_GROUPS, SampleSize};
pub use score_function::ScoreFunction;
pub use seed::{SampleRng, Seed};
pub use stage::{EncoderHalf, StageRequest, StageShape};
pub use strategy::{Blend, BlendStrategy, Heads, JOINT, JointReach};
pub use targets::{Labeled, Targets};
pub use tensor::{AutoDevice, Batch, Features, Logits};
pub use weights::BlendWeights;

pub use {inventory, rand, schemars, serde, serde_json, typetag};
