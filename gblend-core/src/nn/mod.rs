//! Layers whose shapes are decided at run time.
//!
//! Every layer works on the tensors of [`crate::tensor`]: feature maps `[channels, height, width, frames ×
//! batch]` with the batch innermost, feature vectors `[batch, features]`. A layer is built from sizes, a
//! device and a [`Seed`](crate::Seed), and shows its parameters to a visitor.
//!
//! dfdx's own layers want their sizes at compile time, and its convolutions and pools need a nightly
//! compiler, so the operations are gblend's. Each exists twice behind one interface, [`Engine`]:
//!
//! - [`fast`]: one tape operation on the CPU's memory, written for the layout;
//! - [`composed`]: a chain of dfdx's own operations, which runs on any of its devices.
//!
//! The CPU uses the first, a GPU the second, and the tests hold one against the other.

mod adaptive_pool;
mod attention;
mod batch_norm;
mod binary_cross_entropy;
pub mod composed;
mod concat;
mod constants;
mod conv;
mod conv_norm;
mod cpu;
mod dropout;
mod engine;
mod factorized_residual;
pub mod fast;
mod frames;
mod gelu;
mod init;
mod layer_norm;
mod linear;
mod loss;
mod mlp;
mod operand;
mod pool;
mod position;
mod residual;
mod rows;
mod temporal;
mod transformer;
mod window;

pub use adaptive_pool::{Extents, adaptive_average_pool};
pub use attention::SelfAttention;
pub use batch_norm::BatchNorm;
pub use binary_cross_entropy::{binary_cross_entropy, binary_cross_entropy_of_each, sigmoid_of_each};
pub use concat::concat_channels;
pub use conv::Conv2d;
pub use conv_norm::ConvNorm;
pub use dropout::Dropout;
pub use engine::Engine;
pub use factorized_residual::FactorizedResidualBlock;
pub use gelu::gelu;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use loss::{backward, cross_entropy, cross_entropy_of_each, softmax_of_each};
pub use mlp::Mlp;
pub use operand::{BatchMoments, NormOptions, NormStatistics, ParamOn, TapedOn};
pub use pool::{average_pool, frame_average, global_average_pool, max_pool};
pub use position::SpaceTimeEmbedding;
pub use residual::{ResidualBlock, fork, relu};
pub use rows::{mask_rows, scatter_maps, scatter_rows};
pub use temporal::{FactorizedBlock, FactorizedStrides, TemporalConvNorm};
pub use transformer::{AttentionBranch, MlpBranch};
pub use window::{Window, WindowPlan};
