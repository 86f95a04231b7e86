//! Each operation as one tape operation on the CPU's memory.
//!
//! An operation takes the gradient of its output out of the store when it has no further use for it, so
//! that its memory serves the next one. The gradient of an input is computed only if the input's recorder
//! asks for it; that of a network's input never does.

use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{Cpu, Gradients, PutTape, SplitTape, Tape, Tensor, TensorFromVec};
use dfdx::tensor_ops::ReshapeTo;

use super::cpu::conv::ConvSize;
use super::cpu::dense::DenseSize;
use super::cpu::norm::Moments;
use super::cpu::{conv as conv_kernels, dense, norm, pool, raw};
use super::engine::{BatchMoments, NormOptions, NormStatistics, ParamOn, TapedOn};
use super::window::WindowPlan;
use crate::error::{Error, Result};
use crate::tensor::{Dims1, Dims2, Dims4};

type Grads = Gradients<f32, Cpu>;
type DeviceResult<T = ()> = std::result::Result<T, <Cpu as dfdx::tensor::HasErr>::Err>;

/// The elements of a tensor that gblend made, which is always contiguous.
fn values<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> Result<&[f32]> {
    raw::contiguous(tensor).ok_or_else(|| {
        let extents: Vec<usize> = tensor.shape().concrete().into_iter().collect();
        Error::shape(
            "an operation of gblend",
            "a contiguous tensor (call `try_contiguous` first)",
            extents,
        )
    })
}

/// The elements of a tensor whose contiguity the forward pass has checked.
fn checked<S: Shape>(tensor: &Tensor<S, f32, Cpu>) -> &[f32] {
    raw::contiguous(tensor).unwrap_or_default()
}

fn tensor<S: Shape>(device: &Cpu, values: Vec<f32>, shape: S) -> Result<Tensor<S, f32, Cpu>> {
    device.try_tensor_from_vec(values, shape).map_err(Error::device)
}

/// The gradient of an operation's output, which nothing else will read.
macro_rules! take_gradient {
    ($grads:expr, $ghost:expr) => {
        std::mem::take(&mut **$grads.get_or_alloc_mut($ghost)?)
    };
}

fn conv_size(plan: &WindowPlan, input: Dims4, weight: Dims4) -> ConvSize {
    ConvSize {
        plan: *plan,
        in_channels: input.0,
        out_channels: weight.0,
        batch: input.3,
    }
}

/// See [`Engine::conv`](super::Engine::conv).
pub fn conv(
    input: TapedOn<Dims4, Cpu>,
    weight: &ParamOn<Dims4, Cpu>,
    bias: Option<&ParamOn<Dims1, Cpu>>,
    plan: &WindowPlan,
) -> Result<TapedOn<Dims4, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let wants_input = recorder.requires_grad();
    let size = conv_size(plan, *input.shape(), *weight.shape());
    let shape = (size.out_channels, plan.out_height, plan.out_width, size.batch);
    let mut maps = conv_kernels::forward(&size, values(&input)?, values(weight)?);
    let map = (plan.out_pixels() * size.batch).max(1);
    if let Some(bias) = bias {
        for (map, &bias) in maps.chunks_exact_mut(map).zip(values(bias)?) {
            map.iter_mut().for_each(|value| *value += bias);
        }
    }
    let output = tensor(input.device(), maps, shape)?;
    recorder.require_grad();
    if recorder.is_recording() {
        let (input_ghost, weight_ghost, output_ghost) = (input.ghost(), weight.ghost(), output.ghost());
        let bias_ghost = bias.map(Tensor::ghost);
        let weight = weight.clone();
        recorder.add_backward_op(move |grads: &mut Grads| -> DeviceResult {
            let gradient: Vec<f32> = take_gradient!(grads, &output_ghost);
            if let Some(bias) = &bias_ghost {
                let sums = gradient
                    .chunks_exact(map)
                    .map(|map| map.iter().map(|&g| f64::from(g)).sum::<f64>());
                for (bias, sum) in grads.get_or_alloc_mut(bias)?.iter_mut().zip(sums) {
                    *bias += sum as f32;
                }
            }
            conv_kernels::weight_gradient(
                &size,
                &gradient,
                checked(&input),
                grads.get_or_alloc_mut(&weight_ghost)?,
            );
            if wants_input {
                let target = grads.get_or_alloc_mut(&input_ghost)?;
                conv_kernels::input_gradient(&size, &gradient, checked(&weight), target);
            }
            Ok(())
        });
    }
    Ok(output.put_tape(recorder))
}

/// Normalized maps, the moments that were used, and whether they are the batch's own.
fn normalize(
    maps: &[f32],
    gamma: &[f32],
    beta: &[f32],
    options: &NormOptions<'_>,
) -> (Vec<f32>, Vec<Moments>, bool) {
    let (epsilon, relu) = (options.epsilon, options.relu);
    let from_batch = matches!(options.statistics, NormStatistics::Batch);
    let moments = |c: usize, channel: &[f32]| match options.statistics {
        NormStatistics::Batch => norm::moments(channel, epsilon),
        NormStatistics::Fixed { mean, variance } => Moments::new(mean[c], variance[c], epsilon),
    };
    let (normalized, moments) = norm::normalize(maps, moments, gamma, beta, relu);
    (normalized, moments, from_batch)
}

fn batch_moments(moments: &[Moments], from_batch: bool) -> BatchMoments<Cpu> {
    if !from_batch {
        return BatchMoments::Unused;
    }
    BatchMoments::Host {
        mean: moments.iter().map(|moments| moments.mean).collect(),
        variance: moments.iter().map(|moments| moments.variance).collect(),
    }
}

fn add_pairs(grads: &mut Grads, ghosts: (&Ghost, &Ghost), sums: &[(f32, f32)]) -> DeviceResult {
    for (gamma, sum) in grads.get_or_alloc_mut(ghosts.0)?.iter_mut().zip(sums) {
        *gamma += sum.0;
    }
    for (beta, sum) in grads.get_or_alloc_mut(ghosts.1)?.iter_mut().zip(sums) {
        *beta += sum.1;
    }
    Ok(())
}

/// A parameter whose values the backward pass does not need.
type Ghost = ParamOn<Dims1, Cpu>;

/// See [`Engine::batch_norm`](super::Engine::batch_norm).
pub fn batch_norm(
    input: TapedOn<Dims4, Cpu>,
    gamma: &ParamOn<Dims1, Cpu>,
    beta: &ParamOn<Dims1, Cpu>,
    options: NormOptions<'_>,
) -> Result<(TapedOn<Dims4, Cpu>, BatchMoments<Cpu>)> {
    let (input, mut recorder) = input.split_tape();
    let wants_input = recorder.requires_grad();
    let shape = *input.shape();
    let maps = values(&input)?;
    let (normalized, moments, from_batch) = normalize(maps, values(gamma)?, values(beta)?, &options);
    let batch_moments = batch_moments(&moments, from_batch);
    let output = tensor(input.device(), normalized, shape)?;
    recorder.require_grad();
    if recorder.is_recording() {
        let (input_ghost, output_ghost) = (input.ghost(), output.ghost());
        let (gamma, beta, relu) = (gamma.clone(), beta.clone(), options.relu);
        recorder.add_backward_op(move |grads: &mut Grads| -> DeviceResult {
            let mut gradient: Vec<f32> = take_gradient!(grads, &output_ghost);
            let (scale, shift) = (checked(&gamma), checked(&beta));
            let sums = norm::backward(
                &mut gradient,
                checked(&input),
                &moments,
                scale,
                shift,
                relu,
                from_batch,
            );
            add_pairs(grads, (&gamma, &beta), &sums)?;
            if wants_input {
                add(grads.get_or_alloc_mut(&input_ghost)?, &gradient);
            }
            Ok(())
        });
    }
    Ok((output.put_tape(recorder), batch_moments))
}

/// See [`Engine::conv_norm`](super::Engine::conv_norm). Keeps the convolution's output in place of two
/// intermediate maps and a mask.
pub fn conv_norm(
    input: TapedOn<Dims4, Cpu>,
    weight: &ParamOn<Dims4, Cpu>,
    gamma: &ParamOn<Dims1, Cpu>,
    beta: &ParamOn<Dims1, Cpu>,
    plan: &WindowPlan,
    options: NormOptions<'_>,
) -> Result<(TapedOn<Dims4, Cpu>, BatchMoments<Cpu>)> {
    let (input, mut recorder) = input.split_tape();
    let wants_input = recorder.requires_grad();
    let size = conv_size(plan, *input.shape(), *weight.shape());
    let shape = (size.out_channels, plan.out_height, plan.out_width, size.batch);
    let maps = conv_kernels::forward(&size, values(&input)?, values(weight)?);
    let (normalized, moments, from_batch) = normalize(&maps, values(gamma)?, values(beta)?, &options);
    let batch_moments = batch_moments(&moments, from_batch);
    let output = tensor(input.device(), normalized, shape)?;
    recorder.require_grad();
    if recorder.is_recording() {
        let (input_ghost, weight_ghost, output_ghost) = (input.ghost(), weight.ghost(), output.ghost());
        let (weight, gamma, beta, relu) = (weight.clone(), gamma.clone(), beta.clone(), options.relu);
        recorder.add_backward_op(move |grads: &mut Grads| -> DeviceResult {
            let mut gradient: Vec<f32> = take_gradient!(grads, &output_ghost);
            let (scale, shift) = (checked(&gamma), checked(&beta));
            let sums = norm::backward(&mut gradient, &maps, &moments, scale, shift, relu, from_batch);
            drop(maps);
            add_pairs(grads, (&gamma, &beta), &sums)?;
            conv_kernels::weight_gradient(
                &size,
                &gradient,
                checked(&input),
                grads.get_or_alloc_mut(&weight_ghost)?,
            );
            if wants_input {
                let target = grads.get_or_alloc_mut(&input_ghost)?;
                conv_kernels::input_gradient(&size, &gradient, checked(&weight), target);
            }
            Ok(())
        });
    }
    Ok((output.put_tape(recorder), batch_moments))
}

/// See [`Engine::linear`](super::Engine::linear).
pub fn linear(
    input: TapedOn<Dims2, Cpu>,
    weight: &ParamOn<Dims2, Cpu>,
    bias: Option<&ParamOn<Dims1, Cpu>>,
) -> Result<TapedOn<Dims2, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let wants_input = recorder.requires_grad();
    let (&(batch, inputs), &(outputs, _)) = (input.shape(), weight.shape());
    let size = DenseSize {
        batch,
        inputs,
        outputs,
    };
    let bias_values = bias.map(values).transpose()?;
    let rows = dense::forward(&size, values(&input)?, values(weight)?, bias_values);
    let output = tensor(input.device(), rows, (batch, outputs))?;
    recorder.require_grad();
    if recorder.is_recording() {
        let (input_ghost, weight_ghost, output_ghost) = (input.ghost(), weight.ghost(), output.ghost());
        let bias_ghost = bias.map(Tensor::ghost);
        let weight = weight.clone();
        recorder.add_backward_op(move |grads: &mut Grads| -> DeviceResult {
            let gradient: Vec<f32> = take_gradient!(grads, &output_ghost);
            if let Some(bias) = &bias_ghost {
                dense::bias_gradient(&size, &gradient, grads.get_or_alloc_mut(bias)?);
            }
            dense::weight_gradient(
                &size,
                &gradient,
                checked(&input),
                grads.get_or_alloc_mut(&weight_ghost)?,
            );
            if wants_input {
                dense::input_gradient(
                    &size,
                    &gradient,
                    checked(&weight),
                    grads.get_or_alloc_mut(&input_ghost)?,
                );
            }
            Ok(())
        });
    }
    Ok(output.put_tape(recorder))
}

/// See [`Engine::max_pool`](super::Engine::max_pool).
pub fn max_pool(input: TapedOn<Dims4, Cpu>, plan: &WindowPlan) -> Result<TapedOn<Dims4, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let &(channels, _, _, batch) = input.shape();
    let shape = (channels, plan.out_height, plan.out_width, batch);
    let mut maps = vec![0.0; shape.num_elements()];
    let taps = pool::max(plan, batch.max(1), values(&input)?, &mut maps);
    let output = tensor(input.device(), maps, shape)?;
    if recorder.requires_grad() {
        let (input_ghost, output_ghost, plan) = (input.ghost(), output.ghost(), *plan);
        recorder.add_backward_op(move |grads: &mut Grads| -> DeviceResult {
            let gradient: Vec<f32> = take_gradient!(grads, &output_ghost);
            pool::max_backward(
                &plan,
                batch.max(1),
                &gradient,
                &taps,
                grads.get_or_alloc_mut(&input_ghost)?,
            );
            Ok(())
        });
    }
    Ok(output.put_tape(recorder))
}

/// See [`Engine::average_pool`](super::Engine::average_pool).
pub fn average_pool(
    input: TapedOn<Dims4, Cpu>,
    plan: &WindowPlan,
    count_padding: bool,
) -> Result<TapedOn<Dims4, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let &(channels, _, _, batch) = input.shape();
    let shape = (channels, plan.out_height, plan.out_width, batch);
    let weights = pool::average_weights(plan, count_padding);
    let mut maps = vec![0.0; shape.num_elements()];
    pool::average(plan, batch.max(1), &weights, values(&input)?, &mut maps);
    let output = tensor(input.device(), maps, shape)?;
    if recorder.requires_grad() {
        let (input_ghost, output_ghost, plan) = (input.ghost(), output.ghost(), *plan);
        recorder.add_backward_op(move |grads: &mut Grads| -> DeviceResult {
            let gradient: Vec<f32> = take_gradient!(grads, &output_ghost);
            let target = grads.get_or_alloc_mut(&input_ghost)?;
            pool::average_backward(&plan, batch.max(1), &weights, &gradient, target);
            Ok(())
        });
    }
    Ok(output.put_tape(recorder))
}

/// See [`Engine::global_mean`](super::Engine::global_mean).
pub fn global_mean(input: TapedOn<Dims4, Cpu>, frames: usize) -> Result<TapedOn<Dims2, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let &(channels, height, width, columns) = input.shape();
    let (pixels, batch) = (height * width, columns / frames);
    let rows = pool::global_mean(channels, pixels, frames, batch, values(&input)?);
    let output = tensor(input.device(), rows, (batch, channels))?;
    if recorder.requires_grad() {
        let (input_ghost, output_ghost) = (input.ghost(), output.ghost());
        recorder.add_backward_op(move |grads: &mut Grads| -> DeviceResult {
            let gradient: Vec<f32> = take_gradient!(grads, &output_ghost);
            let target = grads.get_or_alloc_mut(&input_ghost)?;
            pool::global_mean_backward(channels, pixels, frames, batch, &gradient, target);
            Ok(())
        });
    }
    Ok(output.put_tape(recorder))
}

/// See [`Engine::relu_add`](super::Engine::relu_add).
pub fn relu_add(left: TapedOn<Dims4, Cpu>, right: TapedOn<Dims4, Cpu>) -> Result<TapedOn<Dims4, Cpu>> {
    use dfdx::tensor::Merge;
    let (left, left_recorder) = left.split_tape();
    let (right, right_recorder) = right.split_tape();
    let wanted = (left_recorder.requires_grad(), right_recorder.requires_grad());
    let mut recorder = left_recorder.merge(right_recorder);
    let sums = values(&left)?.iter().zip(values(&right)?);
    let maps: Vec<f32> = sums
        .map(|(&left, &right)| {
            let sum = left + right;
            if sum < 0.0 { 0.0 } else { sum }
        })
        .collect();
    let output = tensor(left.device(), maps, *left.shape())?;
    if recorder.requires_grad() {
        let (left_ghost, right_ghost) = (left.ghost(), right.ghost());
        let saved = output.clone();
        recorder.add_backward_op(move |grads: &mut Grads| -> DeviceResult {
            let mut gradient: Vec<f32> = take_gradient!(grads, &saved);
            for (gradient, &value) in gradient.iter_mut().zip(checked(&saved)) {
                *gradient = if value > 0.0 { *gradient } else { 0.0 };
            }
            if wanted.0 {
                add(grads.get_or_alloc_mut(&left_ghost)?, &gradient);
            }
            if wanted.1 {
                add(grads.get_or_alloc_mut(&right_ghost)?, &gradient);
            }
            Ok(())
        });
    }
    Ok(output.put_tape(recorder))
}

/// See [`Engine::relu`](super::Engine::relu). A NaN stays one.
pub fn relu<S: Shape>(input: TapedOn<S, Cpu>) -> Result<TapedOn<S, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let rectified = values(&input)?.iter();
    let rectified = rectified.map(|&value| if value < 0.0 { 0.0 } else { value });
    let output = tensor(input.device(), rectified.collect(), *input.shape())?;
    if recorder.requires_grad() {
        let (input_ghost, saved) = (input.ghost(), output.clone());
        recorder.add_backward_op(move |grads: &mut Grads| -> DeviceResult {
            let gradient: Vec<f32> = take_gradient!(grads, &saved);
            let target = grads.get_or_alloc_mut(&input_ghost)?;
            for ((target, gradient), &value) in target.iter_mut().zip(gradient).zip(checked(&saved)) {
                *target += if value > 0.0 { gradient } else { 0.0 };
            }
            Ok(())
        });
    }
    Ok(output.put_tape(recorder))
}

/// See [`Engine::concat`](super::Engine::concat).
pub fn concat(parts: Vec<TapedOn<Dims2, Cpu>>) -> Result<TapedOn<Dims2, Cpu>> {
    use dfdx::tensor::Merge;
    let total: usize = parts.iter().map(|part| part.shape().1).sum();
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else {
        return Err(Error::shape("a concatenation", "at least one part", [0]));
    };
    let (first, mut recorder) = first.split_tape();
    let (batch, device) = (first.shape().0, first.device().clone());
    let mut sources = vec![(first, recorder.requires_grad())];
    for part in parts {
        let (part, other) = part.split_tape();
        sources.push((part, other.requires_grad()));
        recorder = recorder.merge(other);
    }
    let mut rows = vec![0.0; batch * total];
    let mut start = 0;
    for (part, _) in &sources {
        let length = part.shape().1;
        let values = values(part)?;
        for (row, part) in rows
            .chunks_exact_mut(total.max(1))
            .zip(values.chunks_exact(length.max(1)))
        {
            row[start..start + length].copy_from_slice(part);
        }
        start += length;
    }
    let output = tensor(&device, rows, (batch, total))?;
    if recorder.requires_grad() {
        let output_ghost = output.ghost();
        let sources: Vec<_> = sources
            .into_iter()
            .map(|(part, wanted)| (part.ghost(), part.shape().1, wanted))
            .collect();
        recorder.add_backward_op(move |grads: &mut Grads| -> DeviceResult {
            let gradient: Vec<f32> = take_gradient!(grads, &output_ghost);
            let mut start = 0;
            for (ghost, length, wanted) in &sources {
                if *wanted {
                    let target = grads.get_or_alloc_mut(ghost)?;
                    let rows = target
                        .chunks_exact_mut((*length).max(1))
                        .zip(gradient.chunks_exact(total.max(1)));
                    rows.for_each(|(target, row)| add(target, &row[start..start + length]));
                }
                start += length;
            }
            Ok(())
        });
    }
    Ok(output.put_tape(recorder))
}

/// See [`Engine::concat_channels`](super::Engine::concat_channels): channels are outermost, so each part is a
/// contiguous piece of the whole, and the whole one row.
pub fn concat_channels(parts: Vec<TapedOn<Dims4, Cpu>>) -> Result<TapedOn<Dims4, Cpu>> {
    let Some(&(_, height, width, columns)) = parts.first().map(HasShape::shape) else {
        return Err(Error::shape(
            "a concatenation of channels",
            "at least one part",
            [0],
        ));
    };
    let channels = parts.iter().map(|part| part.shape().0).sum();
    let pieces = parts.into_iter().map(|part| {
        let length = part.shape().num_elements();
        part.try_reshape_like(&(1, length)).map_err(Error::device)
    });
    let row = concat(pieces.collect::<Result<_>>()?)?;
    row.try_reshape_like(&(channels, height, width, columns))
        .map_err(Error::device)
}

fn add(target: &mut [f32], values: &[f32]) {
    for (target, value) in target.iter_mut().zip(values) {
        *target += value;
    }
}
