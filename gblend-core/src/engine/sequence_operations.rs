//! The interface of operations on rows and on the steps of sequences, as [`Engine`] is of those on maps.

use dfdx::shapes::Shape;
use dfdx::tensor::Cpu;

use super::gru_params::GruParams;
use super::interleaved::Interleaved;
use super::operand::{BatchMoments, NormOptions, ParamOn, TapedOn};
use super::operations::Engine;
use super::row_sources::RowSources;
use super::steps::Steps;
use super::tape::RecorderOn;
use super::{composed, fast};
use crate::error::Result;
use crate::shape::{Dims1, Dims2, Dims3};

/// The operations behind the layers of sequences, whose rows are those of a [`Steps`]: chains of the engine's own, unless a
/// device has a way of its own. Shapes are checked by the layers before they get here.
pub trait SequenceEngine: Engine {
    /// Rows of `[rows, features]` from where `index` says, zeros from nowhere.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn gather_rows(input: TapedOn<Dims2, Self>, index: &RowSources) -> Result<TapedOn<Dims2, Self>> {
        composed::gather_rows(input, index)
    }

    /// [`gather_rows`](Self::gather_rows) of a parameter, on `recorder`.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn embedding(
        table: &ParamOn<Dims2, Self>,
        index: &RowSources,
        recorder: RecorderOn<Self>,
    ) -> Result<TapedOn<Dims2, Self>> {
        composed::embedding(table, index, recorder)
    }

    /// Mean over the steps of each sequence, `[batch, features]`; zeros of a sequence without any.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn step_mean(input: TapedOn<Dims2, Self>, steps: &Steps) -> Result<TapedOn<Dims2, Self>> {
        composed::step_mean(input, steps)
    }

    /// Maximum over the steps of each sequence, `[batch, features]`; zeros of a sequence without any.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn step_max(input: TapedOn<Dims2, Self>, steps: &Steps) -> Result<TapedOn<Dims2, Self>> {
        composed::step_max(input, steps)
    }

    /// [`Engine::batch_norm`] of rows `[rows, features]`, of which there is at least one.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn batch_norm_rows(
        input: TapedOn<Dims2, Self>,
        gamma: &ParamOn<Dims1, Self>,
        beta: &ParamOn<Dims1, Self>,
        options: NormOptions<'_>,
    ) -> Result<(TapedOn<Dims2, Self>, BatchMoments<Self>)> {
        composed::batch_norm_rows(input, gamma, beta, options)
    }

    /// `γ (x − μ) / √(σ² + ε) + β` with the mean and the biased variance of each row.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn layer_norm(
        input: TapedOn<Dims2, Self>,
        gamma: &ParamOn<Dims1, Self>,
        beta: &ParamOn<Dims1, Self>,
        epsilon: f32,
    ) -> Result<TapedOn<Dims2, Self>> {
        composed::layer_norm(input, gamma, beta, epsilon)
    }

    /// See `gelu` in `crate::nn`.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn gelu<S: Shape>(input: TapedOn<S, Self>) -> Result<TapedOn<S, Self>> {
        composed::gelu(input)
    }

    /// See `gelu_erf` in `crate::nn`.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn gelu_erf<S: Shape>(input: TapedOn<S, Self>) -> Result<TapedOn<S, Self>> {
        composed::gelu_erf(input)
    }

    /// Convolution over steps: of the rows `windows`, `[windows × kernel]`, of `[steps, inputs]` with `weight`, `[outputs,
    /// kernel, inputs]`, and a bias per output. Under one tap no two windows have the same row.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn step_conv(
        input: TapedOn<Dims2, Self>,
        weight: &ParamOn<Dims3, Self>,
        bias: Option<&ParamOn<Dims1, Self>>,
        windows: &RowSources,
    ) -> Result<TapedOn<Dims2, Self>> {
        composed::step_conv(input, weight, bias, windows)
    }

    /// `softmax(Q Kᵀ / √(width / heads)) V` of each head, between the steps of each sequence; rows `[steps, width]`, the
    /// features of a head side by side.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn attention(
        query: TapedOn<Dims2, Self>,
        key: TapedOn<Dims2, Self>,
        value: TapedOn<Dims2, Self>,
        steps: &Steps,
        heads: usize,
    ) -> Result<TapedOn<Dims2, Self>> {
        composed::attention([query, key, value], steps, heads)
    }

    /// As [`attention`](Self::attention), between the rows of sequences of one length that may lie between each other's.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn interleaved_attention(
        query: TapedOn<Dims2, Self>,
        key: TapedOn<Dims2, Self>,
        value: TapedOn<Dims2, Self>,
        sequences: Interleaved,
        heads: usize,
    ) -> Result<TapedOn<Dims2, Self>> {
        composed::interleaved_attention([query, key, value], sequences, heads)
    }

    /// The states of gated recurrent units, `[steps, hidden]`, of rows `[steps, inputs]`, from the start of each sequence
    /// or from its end.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn gru(
        input: TapedOn<Dims2, Self>,
        params: &GruParams<'_, Self>,
        steps: &Steps,
        reverse: bool,
    ) -> Result<TapedOn<Dims2, Self>> {
        composed::gru(input, params, steps, reverse)
    }
}

impl SequenceEngine for Cpu {
    fn gather_rows(input: TapedOn<Dims2, Self>, index: &RowSources) -> Result<TapedOn<Dims2, Self>> {
        fast::gather_rows(input, index)
    }

    fn embedding(
        table: &ParamOn<Dims2, Self>,
        index: &RowSources,
        recorder: RecorderOn<Self>,
    ) -> Result<TapedOn<Dims2, Self>> {
        fast::embedding(table, index, recorder)
    }

    fn step_mean(input: TapedOn<Dims2, Self>, steps: &Steps) -> Result<TapedOn<Dims2, Self>> {
        fast::step_mean(input, steps)
    }

    fn step_max(input: TapedOn<Dims2, Self>, steps: &Steps) -> Result<TapedOn<Dims2, Self>> {
        fast::step_max(input, steps)
    }

    fn batch_norm_rows(
        input: TapedOn<Dims2, Self>,
        gamma: &ParamOn<Dims1, Self>,
        beta: &ParamOn<Dims1, Self>,
        options: NormOptions<'_>,
    ) -> Result<(TapedOn<Dims2, Self>, BatchMoments<Self>)> {
        fast::batch_norm_rows(input, gamma, beta, options)
    }

    fn layer_norm(
        input: TapedOn<Dims2, Self>,
        gamma: &ParamOn<Dims1, Self>,
        beta: &ParamOn<Dims1, Self>,
        epsilon: f32,
    ) -> Result<TapedOn<Dims2, Self>> {
        fast::layer_norm(input, gamma, beta, epsilon)
    }

    fn gelu<S: Shape>(input: TapedOn<S, Self>) -> Result<TapedOn<S, Self>> {
        fast::gelu(input)
    }

    fn gelu_erf<S: Shape>(input: TapedOn<S, Self>) -> Result<TapedOn<S, Self>> {
        fast::gelu_erf(input)
    }

    fn step_conv(
        input: TapedOn<Dims2, Self>,
        weight: &ParamOn<Dims3, Self>,
        bias: Option<&ParamOn<Dims1, Self>>,
        windows: &RowSources,
    ) -> Result<TapedOn<Dims2, Self>> {
        fast::step_conv(input, weight, bias, windows)
    }

    fn attention(
        query: TapedOn<Dims2, Self>,
        key: TapedOn<Dims2, Self>,
        value: TapedOn<Dims2, Self>,
        steps: &Steps,
        heads: usize,
    ) -> Result<TapedOn<Dims2, Self>> {
        fast::attention([query, key, value], steps, heads)
    }

    fn interleaved_attention(
        query: TapedOn<Dims2, Self>,
        key: TapedOn<Dims2, Self>,
        value: TapedOn<Dims2, Self>,
        sequences: Interleaved,
        heads: usize,
    ) -> Result<TapedOn<Dims2, Self>> {
        fast::interleaved_attention([query, key, value], sequences, heads)
    }

    fn gru(
        input: TapedOn<Dims2, Self>,
        params: &GruParams<'_, Self>,
        steps: &Steps,
        reverse: bool,
    ) -> Result<TapedOn<Dims2, Self>> {
        fast::gru(input, params, steps, reverse)
    }
}
