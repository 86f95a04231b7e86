//! Each operation as a chain of dfdx's own, on any of its devices.
//!
//! Two things are avoided because dfdx compiles their kernels on the GPU machine at run time: reshaping a
//! tensor that is not contiguous, and concatenation. Padding is a gather of some pixel inside the picture,
//! then a multiplication by 0. Sums run in two stages, since a sequential `f32` sum over a whole channel
//! would lose two digits; a value that is spread over a channel is spread in two stages for the same
//! reason, as the backward pass sums over what was spread.

mod attention;
mod gather;
mod gelu;
mod gru;
mod recomputed;
mod row_norm;
mod step_conv;
mod step_pool;
mod surprise;

use dfdx::shapes::{Axes2, Axes4, Axis, HasShape, Shape};
use dfdx::tensor::{PutTape, SplitTape, Tensor};
use dfdx::tensor_ops::{
    BroadcastTo, Device, GatherTo, MaxTo, PermuteTo, ReshapeTo, SumTo, TryAdd, TryMatMul, TryMul, TrySub,
};

use super::constants::{Key, kept};
use super::cpu::pool::average_weights;
use super::operand::{BatchMoments, NormOptions, NormStatistics, ParamOn, TapedOn};
use super::tape::RecorderOn;
use super::window::WindowPlan;
use crate::error::{Error, Result};
use crate::shape::{Dims1, Dims2, Dims3, Dims4};

pub use attention::{attention, interleaved_attention};
pub use gather::{embedding, gather_rows};
pub use gelu::{gelu, gelu_erf};
pub use gru::gru;
pub use recomputed::recomputed;
pub use row_norm::{batch_norm_rows, layer_norm};
pub use step_conv::step_conv;
pub use step_pool::{step_max, step_mean};
pub use surprise::surprises;

/// A tensor that is neither data of the run nor a parameter.
fn constant<S: Shape, D: Device<f32>>(device: &D, values: Vec<f32>, shape: S) -> Result<TapedOn<S, D>> {
    let tensor = device.try_tensor_from_vec(values, shape).map_err(Error::device)?;
    Ok(tensor.put_tape(RecorderOn::for_data()))
}

/// A tensor that two operations read: the tape stays on the first.
fn fork<S: Shape, D: Device<f32>>(tensor: TapedOn<S, D>) -> (TapedOn<S, D>, TapedOn<S, D>) {
    let (tensor, recorder) = tensor.split_tape();
    let branch = tensor.clone().put_tape(recorder.branch());
    (tensor.put_tape(recorder), branch)
}

/// A tensor, and its values without a tape.
fn values_of<S: Shape, D: Device<f32>>(tensor: TapedOn<S, D>) -> (TapedOn<S, D>, ParamOn<S, D>) {
    let (tensor, recorder) = tensor.split_tape();
    (tensor.clone().put_tape(recorder), tensor)
}

fn view<S: Shape, T: Shape, D: Device<f32>>(tensor: TapedOn<S, D>, shape: T) -> Result<TapedOn<T, D>> {
    tensor.try_reshape_like(&shape).map_err(Error::device)
}

/// One value per channel to `[channels, pixels, batch]`.
fn spread<D: Device<f32>>(values: TapedOn<Dims1, D>, shape: Dims3) -> Result<TapedOn<Dims3, D>> {
    let rows: TapedOn<Dims2, D> = values
        .try_broadcast_like::<_, Axis<1>>(&(shape.0, shape.2))
        .map_err(Error::device)?;
    // A product with 1 makes the first stage an operation of its own.
    let rows = rows.try_mul(1.0).map_err(Error::device)?;
    rows.try_broadcast_like::<_, Axis<1>>(&shape)
        .map_err(Error::device)
}

/// Sum of each channel of `[channels, pixels, batch]`.
fn channel_sums<D: Device<f32>>(maps: TapedOn<Dims3, D>) -> Result<TapedOn<Dims1, D>> {
    let rows: TapedOn<Dims2, D> = maps.try_sum::<_, Axis<1>>().map_err(Error::device)?;
    rows.try_sum::<_, Axis<1>>().map_err(Error::device)
}

/// The input under every tap of every window, `[channels, taps, out pixels, batch]`; whatever lies in the
/// padding is some pixel of the picture.
fn windows<D: Device<f32>>(input: TapedOn<Dims4, D>, plan: &WindowPlan) -> Result<TapedOn<Dims4, D>> {
    let &(channels, _, _, batch) = input.shape();
    let shape = (channels, plan.taps(), plan.out_pixels(), batch);
    let rows = view(input, (channels * plan.in_pixels(), batch))?;
    let key = Key {
        purpose: "sources",
        plan: *plan,
        channels,
    };
    let index: Tensor<Dims1, usize, D> = kept(key, || {
        let mut index = Vec::with_capacity(channels * plan.taps() * plan.out_pixels());
        for channel in 0..channels {
            for tap in 0..plan.taps() {
                for pixel in 0..plan.out_pixels() {
                    index.push(channel * plan.in_pixels() + plan.source(pixel, tap).unwrap_or(0));
                }
            }
        }
        let shape = (index.len(),);
        rows.device()
            .try_tensor_from_vec(index, shape)
            .map_err(Error::device)
    })?;
    let gathered: TapedOn<Dims2, D> = rows.try_gather(index).map_err(Error::device)?;
    view(gathered, shape)
}

/// One value per tap and output pixel, spread over the channels and samples of [`windows`].
fn per_tap<D: Device<f32>>(
    device: &D,
    shape: Dims4,
    (purpose, plan): (&'static str, &WindowPlan),
    value: impl Fn(usize, usize) -> f32,
) -> Result<TapedOn<Dims4, D>> {
    let (_, taps, pixels, _) = shape;
    let key = Key {
        purpose,
        plan: *plan,
        channels: 0,
    };
    let values: ParamOn<Dims2, D> = kept(key, || {
        let values = (0..taps).flat_map(|tap| (0..pixels).map(move |pixel| (tap, pixel)));
        let values = values.map(|(tap, pixel)| value(tap, pixel)).collect();
        device
            .try_tensor_from_vec(values, (taps, pixels))
            .map_err(Error::device)
    })?;
    values
        .put_tape(RecorderOn::for_data())
        .try_broadcast_like::<_, Axes2<0, 3>>(&shape)
        .map_err(Error::device)
}

fn has_padding(plan: &WindowPlan) -> bool {
    plan.window.padding != (0, 0)
}

/// [`windows`] with zeros in the padding.
fn padded_windows<D: Device<f32>>(input: TapedOn<Dims4, D>, plan: &WindowPlan) -> Result<TapedOn<Dims4, D>> {
    let windows = windows(input, plan)?;
    if !has_padding(plan) {
        return Ok(windows);
    }
    let mask = per_tap(
        windows.device(),
        *windows.shape(),
        ("mask", plan),
        |tap, pixel| {
            if plan.source(pixel, tap).is_some() {
                1.0
            } else {
                0.0
            }
        },
    )?;
    windows.try_mul(mask).map_err(Error::device)
}

/// See [`Engine::conv`](super::Engine::conv).
pub fn conv<D: Device<f32>>(
    input: TapedOn<Dims4, D>,
    weight: &ParamOn<Dims4, D>,
    bias: Option<&ParamOn<Dims1, D>>,
    plan: &WindowPlan,
) -> Result<TapedOn<Dims4, D>> {
    let &(in_channels, _, _, batch) = input.shape();
    let out_channels = weight.shape().0;
    let depth = in_channels * plan.taps();
    let columns = padded_windows(input, plan)?;
    let columns = view(columns, (depth, plan.out_pixels() * batch))?;
    let matrix = view(weight.retaped::<RecorderOn<D>>(), (out_channels, depth))?;
    let maps = matrix.try_matmul(columns).map_err(Error::device)?;
    let mut maps = view(maps, (out_channels, plan.out_pixels(), batch))?;
    if let Some(bias) = bias {
        let bias = spread(bias.retaped::<RecorderOn<D>>(), *maps.shape())?;
        maps = maps.try_add(bias).map_err(Error::device)?;
    }
    view(maps, (out_channels, plan.out_height, plan.out_width, batch))
}

/// See [`Engine::batch_norm`](super::Engine::batch_norm).
pub fn batch_norm<D: Device<f32>>(
    input: TapedOn<Dims4, D>,
    gamma: &ParamOn<Dims1, D>,
    beta: &ParamOn<Dims1, D>,
    options: NormOptions<'_>,
) -> Result<(TapedOn<Dims4, D>, BatchMoments<D>)> {
    let shape @ (channels, height, width, batch) = *input.shape();
    let flat = (channels, height * width, batch);
    let maps = view(input, flat)?;
    let (centered, variance, moments) = match options.statistics {
        NormStatistics::Batch => {
            let share = 1.0 / (height * width * batch).max(1) as f32;
            let (maps, branch) = fork(maps);
            let mean = channel_sums(branch)?.try_mul(share).map_err(Error::device)?;
            let (mean, mean_of_batch) = values_of(mean);
            let centered = maps.try_sub(spread(mean, flat)?).map_err(Error::device)?;
            let (centered, branch) = fork(centered);
            let squares = branch.try_square().map_err(Error::device)?;
            let variance = channel_sums(squares)?.try_mul(share).map_err(Error::device)?;
            let (variance, variance_of_batch) = values_of(variance);
            let moments = BatchMoments::Device {
                mean: mean_of_batch,
                variance: variance_of_batch,
            };
            (centered, variance, moments)
        }
        NormStatistics::Fixed { mean, variance } => {
            let device = maps.device().clone();
            let mean = constant(&device, mean.to_vec(), (channels,))?;
            let variance = constant(&device, variance.to_vec(), (channels,))?;
            let centered = maps.try_sub(spread(mean, flat)?).map_err(Error::device)?;
            (centered, variance, BatchMoments::Unused)
        }
    };
    let deviation = variance
        .try_add(options.epsilon)
        .and_then(Tensor::try_sqrt)
        .map_err(Error::device)?;
    let scale = gamma.retaped::<RecorderOn<D>>() / deviation;
    let scaled = centered.try_mul(spread(scale, flat)?).map_err(Error::device)?;
    let shift = spread(beta.retaped::<RecorderOn<D>>(), flat)?;
    let mut output = scaled.try_add(shift).map_err(Error::device)?;
    if options.relu {
        output = relu(output)?;
    }
    Ok((view(output, shape)?, moments))
}

/// See [`Engine::linear`](super::Engine::linear).
pub fn linear<D: Device<f32>>(
    input: TapedOn<Dims2, D>,
    weight: &ParamOn<Dims2, D>,
    bias: Option<&ParamOn<Dims1, D>>,
) -> Result<TapedOn<Dims2, D>> {
    let (batch, outputs) = (input.shape().0, weight.shape().0);
    let weight = weight
        .retaped::<RecorderOn<D>>()
        .try_permute::<Dims2, Axes2<1, 0>>()
        .map_err(Error::device)?;
    let product = input.try_matmul(weight).map_err(Error::device)?;
    let Some(bias) = bias else { return Ok(product) };
    let bias: TapedOn<Dims2, D> = bias
        .retaped::<RecorderOn<D>>()
        .try_broadcast_like::<_, Axis<0>>(&(batch, outputs))
        .map_err(Error::device)?;
    product.try_add(bias).map_err(Error::device)
}

/// See [`Engine::max_pool`](super::Engine::max_pool). Equal maxima share the gradient.
pub fn max_pool<D: Device<f32>>(input: TapedOn<Dims4, D>, plan: &WindowPlan) -> Result<TapedOn<Dims4, D>> {
    let &(channels, _, _, batch) = input.shape();
    let mut windows = windows(input, plan)?;
    if has_padding(plan) {
        let penalty = per_tap(
            windows.device(),
            *windows.shape(),
            ("penalty", plan),
            |tap, pixel| {
                if plan.source(pixel, tap).is_some() {
                    0.0
                } else {
                    -1e30
                }
            },
        )?;
        windows = windows.try_add(penalty).map_err(Error::device)?;
    }
    let maxima: TapedOn<Dims3, D> = windows.try_max::<_, Axis<1>>().map_err(Error::device)?;
    view(maxima, (channels, plan.out_height, plan.out_width, batch))
}

/// See [`Engine::average_pool`](super::Engine::average_pool).
pub fn average_pool<D: Device<f32>>(
    input: TapedOn<Dims4, D>,
    plan: &WindowPlan,
    count_padding: bool,
) -> Result<TapedOn<Dims4, D>> {
    let &(channels, _, _, batch) = input.shape();
    let weights = average_weights(plan, count_padding);
    let windows = windows(input, plan)?;
    let purpose = if count_padding {
        "share of all"
    } else {
        "share of those inside"
    };
    let share = per_tap(
        windows.device(),
        *windows.shape(),
        (purpose, plan),
        |tap, pixel| plan.source(pixel, tap).map_or(0.0, |_| weights[pixel]),
    )?;
    let weighted = windows.try_mul(share).map_err(Error::device)?;
    let averages: TapedOn<Dims3, D> = weighted.try_sum::<_, Axis<1>>().map_err(Error::device)?;
    view(averages, (channels, plan.out_height, plan.out_width, batch))
}

/// See [`Engine::global_mean`](super::Engine::global_mean).
pub fn global_mean<D: Device<f32>>(input: TapedOn<Dims4, D>, frames: usize) -> Result<TapedOn<Dims2, D>> {
    let &(channels, height, width, columns) = input.shape();
    let batch = columns / frames.max(1);
    let maps = view(input, (channels, height * width, frames, batch))?;
    let sums: TapedOn<Dims3, D> = maps.try_sum::<_, Axis<1>>().map_err(Error::device)?;
    let sums: TapedOn<Dims2, D> = sums.try_sum::<_, Axis<1>>().map_err(Error::device)?;
    let share = 1.0 / (height * width * frames).max(1) as f32;
    let means = sums.try_mul(share).map_err(Error::device)?;
    means.try_permute::<Dims2, Axes2<1, 0>>().map_err(Error::device)
}

/// See [`Engine::relu`](super::Engine::relu).
pub fn relu<S: Shape, D: Device<f32>>(input: TapedOn<S, D>) -> Result<TapedOn<S, D>> {
    input.try_relu().map_err(Error::device)
}

/// See [`Engine::scale_each`](super::Engine::scale_each).
pub fn scale_each<S: Shape, D: Device<f32>>(
    input: TapedOn<S, D>,
    factors: Vec<f32>,
) -> Result<TapedOn<S, D>> {
    let factors = constant(input.device(), factors, *input.shape())?;
    input.try_mul(factors).map_err(Error::device)
}

/// See [`Engine::transposed`](super::Engine::transposed).
pub fn transposed<D: Device<f32>>(matrix: &ParamOn<Dims2, D>) -> Result<ParamOn<Dims2, D>> {
    let columns = matrix.clone().try_permute::<Dims2, Axes2<1, 0>>();
    let columns = columns.map_err(Error::device)?;
    columns.try_contiguous().map_err(Error::device)
}

/// See [`Engine::pixel_rows`](super::Engine::pixel_rows).
pub fn pixel_rows<D: Device<f32>>(input: TapedOn<Dims4, D>, frames: usize) -> Result<TapedOn<Dims2, D>> {
    let &(channels, height, width, columns) = input.shape();
    let (pixels, batch) = (height * width, columns / frames);
    let rows = view(input, (channels, pixels, frames, batch))?
        .try_permute::<Dims4, Axes4<3, 2, 1, 0>>()
        .and_then(ReshapeTo::try_contiguous)
        .map_err(Error::device)?;
    view(rows, (batch * frames * pixels, channels))
}

/// See [`Engine::sum_middle`](super::Engine::sum_middle).
pub fn sum_middle<D: Device<f32>>(input: TapedOn<Dims3, D>) -> Result<TapedOn<Dims2, D>> {
    input.try_sum::<Dims2, Axis<1>>().map_err(Error::device)
}

/// See [`Engine::add`](super::Engine::add).
pub fn add<S: Shape, D: Device<f32>>(left: TapedOn<S, D>, right: TapedOn<S, D>) -> Result<TapedOn<S, D>> {
    left.try_add(right).map_err(Error::device)
}

/// See [`Engine::relu_add`](super::Engine::relu_add).
pub fn relu_add<D: Device<f32>>(
    left: TapedOn<Dims4, D>,
    right: TapedOn<Dims4, D>,
) -> Result<TapedOn<Dims4, D>> {
    relu(left.try_add(right).map_err(Error::device)?)
}

/// See [`Engine::concat`](super::Engine::concat): each part is multiplied by a matrix of zeros and ones
/// that puts it in its place.
pub fn concat<D: Device<f32>>(parts: Vec<TapedOn<Dims2, D>>) -> Result<TapedOn<Dims2, D>> {
    let total: usize = parts.iter().map(|part| part.shape().1).sum();
    let mut start = 0;
    let mut sum: Option<TapedOn<Dims2, D>> = None;
    for part in parts {
        let length = part.shape().1;
        let mut place = vec![0.0; length * total];
        for row in 0..length {
            place[row * total + start + row] = 1.0;
        }
        start += length;
        let place = constant(part.device(), place, (length, total))?;
        let placed = part.try_matmul(place).map_err(Error::device)?;
        sum = Some(match sum {
            None => placed,
            Some(sum) => sum.try_add(placed).map_err(Error::device)?,
        });
    }
    sum.ok_or_else(|| Error::shape("a concatenation", "at least one part", [0]))
}

/// See [`Engine::concat_channels`](super::Engine::concat_channels): as [`concat()`], from the left.
pub fn concat_channels<D: Device<f32>>(parts: Vec<TapedOn<Dims4, D>>) -> Result<TapedOn<Dims4, D>> {
    let Some(&(_, height, width, columns)) = parts.first().map(HasShape::shape) else {
        return Err(Error::shape(
            "a concatenation of channels",
            "at least one part",
            [0],
        ));
    };
    let total: usize = parts.iter().map(|part| part.shape().0).sum();
    let mut start = 0;
    let mut sum: Option<TapedOn<Dims2, D>> = None;
    for part in parts {
        let channels = part.shape().0;
        let mut place = vec![0.0; total * channels];
        for channel in 0..channels {
            place[(start + channel) * channels + channel] = 1.0;
        }
        start += channels;
        let place = constant(part.device(), place, (total, channels))?;
        let rows = view(part, (channels, height * width * columns))?;
        let placed = place.try_matmul(rows).map_err(Error::device)?;
        sum = Some(match sum {
            None => placed,
            Some(sum) => sum.try_add(placed).map_err(Error::device)?,
        });
    }
    let sum = sum.ok_or_else(|| Error::shape("a concatenation of channels", "at least one part", [0]))?;
    view(sum, (total, height, width, columns))
}
