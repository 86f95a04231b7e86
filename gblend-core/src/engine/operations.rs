//! One interface for operations that a CPU and a GPU carry out in different ways.

use dfdx::shapes::Shape;
use dfdx::tensor::Cpu;
use dfdx::tensor_ops::Device;

use super::operand::{BatchMoments, NormOptions, ParamOn, TapedOn};
use super::recomputed::{Again, ExchangeGradients};
use super::surprise::Candidates;
use super::window::WindowPlan;
use super::{composed, fast};
use crate::error::Result;
use crate::shape::{Dims1, Dims2, Dims3, Dims4};

/// The operations behind gblend's layers: chains of the engine's own, unless a device has a way of its own. Shapes are checked
/// by the layers before they get here.
pub trait Engine: Device<f32> {
    /// Convolution of `[channels, height, width, batch]` with `weight`, `[out, in, kernel, kernel]`, and a
    /// bias per output channel.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn conv(
        input: TapedOn<Dims4, Self>,
        weight: &ParamOn<Dims4, Self>,
        bias: Option<&ParamOn<Dims1, Self>>,
        plan: &WindowPlan,
    ) -> Result<TapedOn<Dims4, Self>> {
        composed::conv(input, weight, bias, plan)
    }

    /// Normalization of each channel, `γ (x − μ) / √(σ² + ε) + β`, and the moments of the batch if they
    /// were used.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn batch_norm(
        input: TapedOn<Dims4, Self>,
        gamma: &ParamOn<Dims1, Self>,
        beta: &ParamOn<Dims1, Self>,
        options: NormOptions<'_>,
    ) -> Result<(TapedOn<Dims4, Self>, BatchMoments<Self>)> {
        composed::batch_norm(input, gamma, beta, options)
    }

    /// [`conv`](Self::conv) without bias, then [`batch_norm`](Self::batch_norm).
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn conv_norm(
        input: TapedOn<Dims4, Self>,
        weight: &ParamOn<Dims4, Self>,
        gamma: &ParamOn<Dims1, Self>,
        beta: &ParamOn<Dims1, Self>,
        plan: &WindowPlan,
        options: NormOptions<'_>,
    ) -> Result<(TapedOn<Dims4, Self>, BatchMoments<Self>)> {
        let maps = Self::conv(input, weight, None, plan)?;
        Self::batch_norm(maps, gamma, beta, options)
    }

    /// `x · weightᵀ + bias` of rows `[batch, inputs]` with `weight`, `[outputs, inputs]`.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn linear(
        input: TapedOn<Dims2, Self>,
        weight: &ParamOn<Dims2, Self>,
        bias: Option<&ParamOn<Dims1, Self>>,
    ) -> Result<TapedOn<Dims2, Self>> {
        composed::linear(input, weight, bias)
    }

    /// Maximum under each window.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn max_pool(input: TapedOn<Dims4, Self>, plan: &WindowPlan) -> Result<TapedOn<Dims4, Self>> {
        composed::max_pool(input, plan)
    }

    /// Average under each window, over all its pixels or over those inside the picture.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn average_pool(
        input: TapedOn<Dims4, Self>,
        plan: &WindowPlan,
        count_padding: bool,
    ) -> Result<TapedOn<Dims4, Self>> {
        composed::average_pool(input, plan, count_padding)
    }

    /// Mean over pixels and frames: `[channels, height, width, frames × batch]` to `[batch, channels]`.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn global_mean(input: TapedOn<Dims4, Self>, frames: usize) -> Result<TapedOn<Dims2, Self>> {
        composed::global_mean(input, frames)
    }

    /// The pixels of `[channels, height, width, frames × batch]` as rows, `[batch × frames × height × width, channels]`.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn pixel_rows(input: TapedOn<Dims4, Self>, frames: usize) -> Result<TapedOn<Dims2, Self>> {
        composed::pixel_rows(input, frames)
    }

    /// Sums over the second axis, `[outer, count, inner]` to `[outer, inner]`, of at least one element.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn sum_middle(input: TapedOn<Dims3, Self>) -> Result<TapedOn<Dims2, Self>> {
        composed::sum_middle(input)
    }

    /// `max(left + right, 0)`, the end of a residual block.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn relu_add(left: TapedOn<Dims4, Self>, right: TapedOn<Dims4, Self>) -> Result<TapedOn<Dims4, Self>> {
        composed::relu_add(left, right)
    }

    /// `left + right`, which are two tensors.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn add<S: Shape>(left: TapedOn<S, Self>, right: TapedOn<S, Self>) -> Result<TapedOn<S, Self>> {
        composed::add(left, right)
    }

    /// `max(input, 0)`.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn relu<S: Shape>(input: TapedOn<S, Self>) -> Result<TapedOn<S, Self>> {
        composed::relu(input)
    }

    /// Every value times its own of `factors`, which are data: as many as there are values.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn scale_each<S: Shape>(input: TapedOn<S, Self>, factors: Vec<f32>) -> Result<TapedOn<S, Self>> {
        composed::scale_each(input, factors)
    }

    /// The rows of a matrix as columns, which no gradient goes through.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn transposed(matrix: &ParamOn<Dims2, Self>) -> Result<ParamOn<Dims2, Self>> {
        composed::transposed(matrix)
    }

    /// Rows `[batch, length]` side by side, `[batch, Σ length]`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there is no part, [`Error::Device`](crate::Error::Device).
    fn concat(parts: Vec<TapedOn<Dims2, Self>>) -> Result<TapedOn<Dims2, Self>> {
        composed::concat(parts)
    }

    /// The channels of all parts, one part's after another's: `[channels, height, width, batch]` each, alike but for
    /// the channels, to `[Σ channels, height, width, batch]`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there is no part, [`Error::Device`](crate::Error::Device).
    fn concat_channels(parts: Vec<TapedOn<Dims4, Self>>) -> Result<TapedOn<Dims4, Self>> {
        composed::concat_channels(parts)
    }

    /// `output`, which `again` makes of the values of `input`, and of which nothing is kept for the backward pass: that carries out
    /// `again` with a record and follows it back. `exchange` is about the parameters that it reads; it reads nothing else of the
    /// pass.
    fn recomputed<S: Shape, T: Shape>(
        input: TapedOn<S, Self>,
        output: ParamOn<T, Self>,
        again: Again<S, T, Self>,
        exchange: ExchangeGradients<Self>,
    ) -> TapedOn<T, Self> {
        composed::recomputed(input, output, again, exchange)
    }

    /// `−log softmax(row)[right]` of each row of `[rows, places]`, over the places that are candidates, one of which is right.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn surprises(input: TapedOn<Dims2, Self>, candidates: &Candidates) -> Result<TapedOn<Dims1, Self>> {
        composed::surprises(input, candidates)
    }
}

impl Engine for Cpu {
    fn conv(
        input: TapedOn<Dims4, Self>,
        weight: &ParamOn<Dims4, Self>,
        bias: Option<&ParamOn<Dims1, Self>>,
        plan: &WindowPlan,
    ) -> Result<TapedOn<Dims4, Self>> {
        fast::conv(input, weight, bias, plan)
    }

    fn batch_norm(
        input: TapedOn<Dims4, Self>,
        gamma: &ParamOn<Dims1, Self>,
        beta: &ParamOn<Dims1, Self>,
        options: NormOptions<'_>,
    ) -> Result<(TapedOn<Dims4, Self>, BatchMoments<Self>)> {
        fast::batch_norm(input, gamma, beta, options)
    }

    fn conv_norm(
        input: TapedOn<Dims4, Self>,
        weight: &ParamOn<Dims4, Self>,
        gamma: &ParamOn<Dims1, Self>,
        beta: &ParamOn<Dims1, Self>,
        plan: &WindowPlan,
        options: NormOptions<'_>,
    ) -> Result<(TapedOn<Dims4, Self>, BatchMoments<Self>)> {
        fast::conv_norm(input, weight, gamma, beta, plan, options)
    }

    fn linear(
        input: TapedOn<Dims2, Self>,
        weight: &ParamOn<Dims2, Self>,
        bias: Option<&ParamOn<Dims1, Self>>,
    ) -> Result<TapedOn<Dims2, Self>> {
        fast::linear(input, weight, bias)
    }

    fn max_pool(input: TapedOn<Dims4, Self>, plan: &WindowPlan) -> Result<TapedOn<Dims4, Self>> {
        fast::max_pool(input, plan)
    }

    fn average_pool(
        input: TapedOn<Dims4, Self>,
        plan: &WindowPlan,
        count_padding: bool,
    ) -> Result<TapedOn<Dims4, Self>> {
        fast::average_pool(input, plan, count_padding)
    }

    fn global_mean(input: TapedOn<Dims4, Self>, frames: usize) -> Result<TapedOn<Dims2, Self>> {
        fast::global_mean(input, frames)
    }

    fn pixel_rows(input: TapedOn<Dims4, Self>, frames: usize) -> Result<TapedOn<Dims2, Self>> {
        fast::pixel_rows(input, frames)
    }

    fn sum_middle(input: TapedOn<Dims3, Self>) -> Result<TapedOn<Dims2, Self>> {
        fast::sum_middle(input)
    }

    fn relu_add(left: TapedOn<Dims4, Self>, right: TapedOn<Dims4, Self>) -> Result<TapedOn<Dims4, Self>> {
        fast::relu_add(left, right)
    }

    fn add<S: Shape>(left: TapedOn<S, Self>, right: TapedOn<S, Self>) -> Result<TapedOn<S, Self>> {
        fast::add(left, right)
    }

    fn relu<S: Shape>(input: TapedOn<S, Self>) -> Result<TapedOn<S, Self>> {
        fast::relu(input)
    }

    fn scale_each<S: Shape>(input: TapedOn<S, Self>, factors: Vec<f32>) -> Result<TapedOn<S, Self>> {
        fast::scale_each(input, factors)
    }

    fn transposed(matrix: &ParamOn<Dims2, Self>) -> Result<ParamOn<Dims2, Self>> {
        fast::transposed(matrix)
    }

    fn concat(parts: Vec<TapedOn<Dims2, Self>>) -> Result<TapedOn<Dims2, Self>> {
        fast::concat(parts)
    }

    fn concat_channels(parts: Vec<TapedOn<Dims4, Self>>) -> Result<TapedOn<Dims4, Self>> {
        fast::concat_channels(parts)
    }

    fn recomputed<S: Shape, T: Shape>(
        input: TapedOn<S, Self>,
        output: ParamOn<T, Self>,
        again: Again<S, T, Self>,
        exchange: ExchangeGradients<Self>,
    ) -> TapedOn<T, Self> {
        fast::recomputed(input, output, again, exchange)
    }

    fn surprises(input: TapedOn<Dims2, Self>, candidates: &Candidates) -> Result<TapedOn<Dims1, Self>> {
        fast::surprises(input, candidates)
    }
}
