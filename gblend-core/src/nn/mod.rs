//! Layers whose shapes are decided at run time, and the operations that other layers are made of.
//!
//! Everything works on the tensors of [`crate::tensor`]: feature maps `[channels, height, width, frames × batch]` with the
//! batch innermost, feature vectors `[batch, features]`. A layer is built from sizes, a device and a
//! [`Seed`](crate::Seed), and shows its parameters to a visitor. An operation is a function: it takes tensors, records
//! itself with them, and returns a tensor, or an error that names the shapes.
//!
//! | operations | |
//! |---|---|
//! | element by element | [`add`], [`subtract`], [`multiply`], [`divide`], [`scale`], [`offset`] |
//! | of each element | [`relu`], [`gelu`], [`gelu_erf()`], [`sigmoid`], [`tanh`], [`exp`], [`ln`], [`sqrt`], [`abs`], [`square`], [`powi`] |
//! | over axes | [`sum`], [`mean`], [`sum_axis`], [`mean_axis`], [`softmax`], [`log_softmax`] |
//! | of matrices | [`matmul()`], [`matmul_of_each`], [`inner_products`], [`transpose`] |
//! | side by side | [`concatenate`], [`concat_channels`], [`repeat()`] |
//! | of rows | [`take_rows`] with a [`RowIndex`], [`scatter_rows`], [`scatter_maps`], [`mask_rows`], [`mask_maps`] |
//! | of axes | [`permute()`], [`reshape`](crate::tensor::reshape) |
//! | into sequences | [`steps_of`], [`tokens_of`]: [`Steps`], which a [`Mask`] tells |
//! | over the steps of sequences | [`step_mean`], [`step_max`], [`last_step`] |
//! | over maps | [`max_pool`], [`average_pool`], [`adaptive_average_pool`] to [`Extents`], [`global_average_pool`], [`frame_average`], [`pixel_rows()`] |
//! | losses | [`cross_entropy`], [`weighted_cross_entropy`], [`surprises`] among [`Candidates`], of which [`Negatives`] are wrong, [`binary_cross_entropy()`], [`weighted_binary_cross_entropy`], [`squared_error()`], [`absolute_error`] |
//! | losses and shares of each sample, on the host | [`cross_entropy_of_each`], [`binary_cross_entropy_of_each`], [`weighted_binary_cross_entropy_of_each`], [`softmax_of_each`], [`sigmoid_of_each`] |
//! | the way of gradients | [`fork()`], [`detach`], [`with_history`], [`backward`] |
//! | layers that the backward pass runs again | [`recompute()`], in [`Segments`] of layers of a [`LayerSize`]; [`time_recomputing`] |
//!
//! | layers | |
//! |---|---|
//! | of rows | [`Linear`], [`Mlp`], [`ResidualMlpBlock`] of [`ResidualMlpOptions`], [`Activation`], [`Dropout`] |
//! | of ids | [`Embedding`], of [`Ids`] that are values of samples |
//! | that normalize | rows: [`LayerNorm`], [`RowBatchNorm`], [`RowNorm`] by [`Normalization`]; maps: [`BatchNorm`] |
//! | of pictures | [`Conv2d`] over a [`Window`], which a [`WindowPlan`] lays out; [`ConvNorm`], [`ResidualBlock`] |
//! | of pictures over time | [`TemporalConvNorm`], [`FactorizedBlock`] with [`FactorizedStrides`], [`FactorizedResidualBlock`] |
//! | of sequences | [`StepConv`] over a [`StepWindow`], [`StepResidualBlock`] of [`StepResidualOptions`], [`Gru`] of [`GruOptions`] |
//! | attention | [`SelfAttention`], [`AttentionBranch`], [`MlpBranch`], [`TransformerEncoder`] of [`TransformerOptions`] |
//! | positions | [`StepPositions`] of a [`PositionKind`], [`SpaceTimeEmbedding`] |
//!
//! [`Permute`], [`Reduce`] and [`Extend`] say of which numbers of axes an operation is.
//!
//! **Sequences.** A batch of padded sequences becomes the rows that are there, `[steps, features]`, and [`Steps`], which says
//! whose they are, as soon as it enters a network ([`steps_of`], [`Embedding::forward_batch`]). Layers of rows take them as
//! they are, and padding is never computed with.
//!
//! **Broadcasting.** Nothing is stretched to another tensor's shape on its own: operands have one shape, else the
//! operation is [`Error::Shape`](crate::Error::Shape) with both. A number goes with any shape ([`scale`], [`offset`]); a
//! tensor gets an axis that it lacks from [`repeat()`].

mod activation;
mod adaptive_pool;
mod arithmetic;
mod attention;
mod batch_norm;
mod binary_cross_entropy;
mod concat;
mod conv;
mod conv_norm;
mod dropout;
mod embedding;
mod factorized_residual;
mod fork;
mod frames;
mod gather;
mod gelu_erf;
mod gru;
mod ids;
mod init;
mod layer_norm;
mod linear;
mod loss;
mod matmul;
mod mlp;
mod permute;
mod pixel_rows;
mod pointwise;
mod pool;
mod position;
mod recompute;
mod reduce;
mod repeat;
mod residual;
mod residual_mlp;
mod row_norm;
mod rows;
mod squared_error;
mod step_batch;
mod step_conv;
mod step_pool;
mod step_position;
mod step_residual;
mod surprise;
mod temporal;
mod transformer;
mod transformer_encoder;

pub use crate::engine::{Candidates, Mask, Negatives, Steps, Window, WindowPlan};
pub use activation::Activation;
pub use adaptive_pool::{Extents, adaptive_average_pool};
pub use arithmetic::{add, divide, multiply, offset, scale, subtract};
pub use attention::SelfAttention;
pub use batch_norm::BatchNorm;
pub use binary_cross_entropy::{
    binary_cross_entropy, binary_cross_entropy_of_each, sigmoid_of_each, weighted_binary_cross_entropy,
    weighted_binary_cross_entropy_of_each,
};
pub use concat::{concat_channels, concatenate};
pub use conv::Conv2d;
pub use conv_norm::ConvNorm;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use factorized_residual::FactorizedResidualBlock;
pub use fork::{detach, fork, with_history};
pub use gather::{RowIndex, take_rows};
pub use gelu_erf::gelu_erf;
pub use gru::{Gru, GruOptions};
pub use ids::Ids;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use loss::{backward, cross_entropy, cross_entropy_of_each, softmax_of_each, weighted_cross_entropy};
pub use matmul::{inner_products, matmul, matmul_of_each};
pub use mlp::Mlp;
pub use permute::{Permute, permute, transpose};
pub use pixel_rows::pixel_rows;
pub use pointwise::{abs, exp, gelu, ln, powi, relu, sigmoid, sqrt, square, tanh};
pub use pool::{average_pool, frame_average, global_average_pool, max_pool};
pub use position::SpaceTimeEmbedding;
pub use recompute::{LayerSize, Segments, recompute, time_recomputing};
pub use reduce::{Reduce, log_softmax, mean, mean_axis, softmax, sum, sum_axis};
pub use repeat::{Extend, repeat};
pub use residual::ResidualBlock;
pub use residual_mlp::{ResidualMlpBlock, ResidualMlpOptions};
pub use row_norm::{Normalization, RowBatchNorm, RowNorm};
pub use rows::{mask_maps, mask_rows, scatter_maps, scatter_rows};
pub use squared_error::{absolute_error, squared_error};
pub use step_batch::{steps_of, tokens_of};
pub use step_conv::{StepConv, StepWindow};
pub use step_pool::{last_step, step_max, step_mean};
pub use step_position::{PositionKind, StepPositions};
pub use step_residual::{StepResidualBlock, StepResidualOptions};
pub use surprise::surprises;
pub use temporal::{FactorizedBlock, FactorizedStrides, TemporalConvNorm};
pub use transformer::{AttentionBranch, MlpBranch};
pub use transformer_encoder::{TransformerEncoder, TransformerOptions};

#[cfg(test)]
mod tests {
    #[test]
    fn every_layer_and_operation_is_in_the_tables() {
        let source = include_str!("mod.rs");
        let of_use = source
            .split("pub use ")
            .skip(1)
            .filter_map(|rest| rest.split_once(';'));
        let names = of_use.flat_map(|(path, _)| {
            let names = path.rsplit("::").next().unwrap_or(path);
            names
                .split(['{', '}', ','])
                .map(str::trim)
                .filter(|name| !name.is_empty())
        });
        let docs: String = source.lines().filter(|line| line.starts_with("//!")).collect();
        let is_told =
            |name: &str| docs.contains(&format!("[`{name}`]")) || docs.contains(&format!("[`{name}()`]"));
        let names: Vec<&str> = names
            .filter(|name| name.starts_with(char::is_alphabetic))
            .collect();
        assert!(names.len() > 80, "{names:?}");
        let missing: Vec<&str> = names.into_iter().filter(|name| !is_told(name)).collect();
        assert!(missing.is_empty(), "the tables lack {missing:?}");
    }
}
