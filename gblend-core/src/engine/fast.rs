//! Each operation as one tape operation on the CPU's memory.
//!
//! An operation takes the gradient of its output, from the [`Handoff`] of the output or out of the store, so that its
//! memory serves the next one. The gradient of an input is computed only if the input's recorder asks for it; that of a
//! network's input never does.

mod attention;
mod gather;
mod gelu;
mod gru;
mod recomputed;
mod row_norm;
mod step_conv;
mod step_pool;
mod surprise;

use std::borrow::Cow;
use std::rc::Rc;

use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{Cpu, Gradients, PutTape, SplitTape, Tensor, TensorFromVec};
use dfdx::tensor_ops::ReshapeTo;
use rayon::prelude::*;

use super::composed;
use super::cpu::conv::ConvSize;
use super::cpu::dense::DenseSize;
use super::cpu::kept_maps::{self, KeptMaps};
use super::cpu::norm::{Moments, Source};
use super::cpu::pixel_rows as pixel_rows_kernels;
use super::cpu::weight_gradient::weight_gradient;
use super::cpu::{axis_sum, conv as conv_kernels, dense, elementwise, norm, pool, raw, transpose};
use super::handoff::{self, Handoff, Recompute};
use super::operand::{BatchMoments, NormOptions, NormStatistics, ParamOn, TapedOn};
use super::tape::RecorderOn;
use super::window::WindowPlan;
use crate::batch_parts;
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

/// Where the gradient of an operation's input goes; `None` if nobody asks for it.
fn upstream<S: Shape>(
    input: &Tensor<S, f32, Cpu>,
    recorder: &mut RecorderOn<Cpu>,
) -> Option<impl FnOnce(&mut Grads, Vec<f32>) -> DeviceResult + use<S>> {
    let ghost = input.ghost();
    let handoff = recorder.take_handoff(checked(input));
    let contribute = move |grads: &mut Grads, contribution: Vec<f32>| {
        match handoff.filter(Handoff::is_open) {
            Some(handoff) => handoff.add(contribution),
            None => handoff::add(grads.get_or_alloc_mut(&ghost)?, &contribution),
        }
        Ok(())
    };
    recorder.requires_grad().then_some(contribute)
}

/// Where the gradient of an operation's output comes from. Nothing else will read it.
fn downstream<S: Shape>(
    output: &Tensor<S, f32, Cpu>,
    recompute: Option<Recompute>,
) -> (
    Handoff,
    impl FnOnce(&mut Grads) -> DeviceResult<Vec<f32>> + use<S>,
) {
    let (ghost, handoff) = (output.ghost(), Handoff::of(checked(output), recompute));
    let own = handoff.clone();
    let gradient = move |grads: &mut Grads| {
        let mut gradient = own.close();
        if gradient.is_empty() || own.is_shared() {
            let stored = std::mem::take(&mut **grads.get_or_alloc_mut(&ghost)?);
            if gradient.is_empty() {
                return Ok(stored);
            }
            handoff::add(&mut gradient, &stored);
        }
        Ok(gradient)
    };
    (handoff, gradient)
}

/// The output of an operation of one input, with the step that makes the input's gradient of the output's.
fn unary<S: Shape, F: FnOnce(&mut Grads, Vec<f32>) -> DeviceResult + 'static>(
    output: Tensor<S, f32, Cpu>,
    mut recorder: RecorderOn<Cpu>,
    to_input: Option<F>,
    backward: impl FnOnce(Vec<f32>) -> Vec<f32> + 'static,
) -> TapedOn<S, Cpu> {
    if let Some(to_input) = to_input {
        let (handoff, gradient) = downstream(&output, None);
        recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
            let gradient = gradient(grads)?;
            to_input(grads, backward(gradient))
        });
    }
    output.put_tape(recorder)
}

/// An input until the backward pass needs it.
enum Kept {
    Tensor(Tensor<Dims4, f32, Cpu>),
    Recompute(Recompute),
}

/// What is kept of an input, and where its gradient goes, as of [`upstream`].
fn kept(
    input: Tensor<Dims4, f32, Cpu>,
    recorder: &mut RecorderOn<Cpu>,
) -> (
    Kept,
    Option<impl FnOnce(&mut Grads, Vec<f32>) -> DeviceResult + use<>>,
) {
    let recompute = recorder.handoff_of(checked(&input)).and_then(Handoff::recompute);
    let to_input = upstream(&input, recorder);
    (recompute.map_or(Kept::Tensor(input), Kept::Recompute), to_input)
}

impl Kept {
    fn values(&self) -> Cow<'_, [f32]> {
        match self {
            Self::Tensor(tensor) => Cow::Borrowed(checked(tensor)),
            Self::Recompute(recompute) => Cow::Owned(recompute()),
        }
    }
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
    let device = input.device().clone();
    let size = conv_size(plan, *input.shape(), *weight.shape());
    let shape = (size.out_channels, plan.out_height, plan.out_width, size.batch);
    let mut maps = conv_kernels::forward(&size, values(&input)?, values(weight)?);
    let map = (plan.out_pixels() * size.batch).max(1);
    if let Some(bias) = bias {
        let maps = maps.par_chunks_exact_mut(map).zip(values(bias)?);
        maps.for_each(|(map, &bias)| map.iter_mut().for_each(|value| *value += bias));
    }
    let output = tensor(&device, maps, shape)?;
    let (input, to_input) = kept(input, &mut recorder);
    recorder.require_grad();
    if recorder.is_recording() {
        let (handoff, gradient) = downstream(&output, None);
        let bias_ghost = bias.map(Tensor::ghost);
        let weight = weight.clone();
        recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
            let gradient = gradient(grads)?;
            if let Some(bias) = &bias_ghost {
                let biases = grads.get_or_alloc_mut(bias)?.par_iter_mut();
                biases
                    .zip(gradient.par_chunks_exact(map))
                    .for_each(|(bias, map)| {
                        *bias += map.iter().map(|&g| f64::from(g)).sum::<f64>() as f32;
                    });
            }
            conv_backward(grads, &size, &gradient, input, &weight, to_input)
        });
    }
    Ok(output.put_tape(recorder))
}

/// Adds the gradient of a convolution's weight, and hands on that of its input if somebody asks for it.
fn conv_backward(
    grads: &mut Grads,
    size: &ConvSize,
    gradient: &[f32],
    input: Kept,
    weight: &ParamOn<Dims4, Cpu>,
    to_input: Option<impl FnOnce(&mut Grads, Vec<f32>) -> DeviceResult>,
) -> DeviceResult {
    weight_gradient(size, gradient, &input.values(), grads.get_or_alloc_mut(weight)?);
    drop(input);
    match to_input {
        Some(to_input) => to_input(
            grads,
            conv_kernels::input_gradient(size, gradient, checked(weight)),
        ),
        None => Ok(()),
    }
}

/// The moments that maps are normalized by, as far as they are known before.
struct Statistics {
    known: Option<Vec<Moments>>,
    epsilon: f32,
}

impl Statistics {
    /// Those of maps, and what they are of.
    fn of(maps: &[f32], channels: usize, options: &NormOptions<'_>) -> (Self, Source) {
        let epsilon = options.epsilon;
        let (known, source) = match (options.statistics, batch_parts::at_hand()) {
            (NormStatistics::Batch, None) => (None, Source::Batch),
            (NormStatistics::Batch, Some(parts)) => {
                let sums = norm::power_sums(maps, channels);
                let count = maps.len() / channels.max(1);
                let (moments, source) = norm::moments_of_parts(parts, &sums, count, epsilon);
                (Some(moments), source)
            }
            (NormStatistics::Fixed { mean, variance }, _) => {
                let moments = mean.iter().zip(variance);
                let moments = moments.map(|(&mean, &variance)| Moments::new(mean, variance, epsilon));
                (Some(moments.collect()), Source::Elsewhere)
            }
        };
        (Self { known, epsilon }, source)
    }

    /// Those of a channel.
    fn moments(&self, c: usize, channel: &[f32]) -> Moments {
        match &self.known {
            Some(moments) => moments[c],
            None => norm::moments(channel, self.epsilon),
        }
    }
}

/// The moments as running statistics take them, of a batch with `count` values of a channel.
fn batch_moments(moments: &[Moments], source: &Source, count: usize) -> BatchMoments<Cpu> {
    let count = match source {
        Source::Elsewhere => return BatchMoments::Unused,
        Source::Batch => count,
        Source::Parts(_, all) => *all as usize,
    };
    BatchMoments::Host {
        mean: moments.iter().map(|moments| moments.mean).collect(),
        variance: moments.iter().map(|moments| moments.variance).collect(),
        count,
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
    let to_input = upstream(&input, &mut recorder);
    let shape = *input.shape();
    let maps = values(&input)?;
    let affine = (values(gamma)?, values(beta)?);
    let (statistics, source) = Statistics::of(maps, affine.0.len(), &options);
    let of_channel = |c: usize, channel: &[f32]| statistics.moments(c, channel);
    let (normalized, moments) = norm::normalize(maps, of_channel, affine, options.relu);
    let batch_moments = batch_moments(&moments, &source, shape.1 * shape.2 * shape.3);
    let output = tensor(input.device(), normalized, shape)?;
    recorder.require_grad();
    if recorder.is_recording() {
        let (handoff, gradient) = downstream(&output, None);
        let (gamma, beta, relu) = (gamma.clone(), beta.clone(), options.relu);
        recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
            let mut gradient = gradient(grads)?;
            let (scale, shift) = (checked(&gamma), checked(&beta));
            let maps = checked(&input);
            let of_channel = |c: usize, channel: usize| Cow::Borrowed(&maps[c * channel..(c + 1) * channel]);
            let sums = norm::backward(&mut gradient, of_channel, &moments, scale, shift, relu, &source);
            add_pairs(grads, (&gamma, &beta), &sums)?;
            to_input.map_or(Ok(()), |to_input| to_input(grads, gradient))
        });
    }
    Ok((output.put_tape(recorder), batch_moments))
}

/// See [`Engine::conv_norm`](super::Engine::conv_norm). Keeps the convolution's output in place of two
/// intermediate maps and a mask; of several in a row the normalized maps are not kept either. As the recorder asks, it is rounded and
/// kept in 16 bits.
pub fn conv_norm(
    input: TapedOn<Dims4, Cpu>,
    weight: &ParamOn<Dims4, Cpu>,
    gamma: &ParamOn<Dims1, Cpu>,
    beta: &ParamOn<Dims1, Cpu>,
    plan: &WindowPlan,
    options: NormOptions<'_>,
) -> Result<(TapedOn<Dims4, Cpu>, BatchMoments<Cpu>)> {
    let (input, mut recorder) = input.split_tape();
    let device = input.device().clone();
    let size = conv_size(plan, *input.shape(), *weight.shape());
    let shape = (size.out_channels, plan.out_height, plan.out_width, size.batch);
    let mut maps = conv_kernels::forward(&size, values(&input)?, values(weight)?);
    // From here on the input is in the way, unless it is kept.
    let (input, to_input) = kept(input, &mut recorder);
    recorder.require_grad();
    // Also where nothing is kept, so that layers that are run again make the same twice.
    let narrow = kept_maps::rounded(&mut maps, recorder.keeps());
    let affine = (values(gamma)?, values(beta)?);
    let (statistics, source) = Statistics::of(&maps, affine.0.len(), &options);
    let of_channel = |c: usize, channel: &[f32]| statistics.moments(c, channel);
    let count = shape.1 * shape.2 * shape.3;
    if !recorder.is_recording() {
        drop(input);
        let moments = norm::normalize_in_place(&mut maps, of_channel, affine, options.relu);
        let batch_moments = batch_moments(&moments, &source, count);
        return Ok((tensor(&device, maps, shape)?.put_tape(recorder), batch_moments));
    }
    let (normalized, moments, maps) = match narrow {
        Some(narrow) => {
            let moments = norm::normalize_in_place(&mut maps, of_channel, affine, options.relu);
            (maps, moments, narrow)
        }
        None => {
            let (normalized, moments) = norm::normalize(&maps, of_channel, affine, options.relu);
            (normalized, moments, KeptMaps::Whole(maps))
        }
    };
    let batch_moments = batch_moments(&moments, &source, count);
    let output = tensor(&device, normalized, shape)?;
    let made = Rc::new(Normalized {
        maps,
        moments,
        gamma: gamma.clone(),
        beta: beta.clone(),
        relu: options.relu,
    });
    let again = Rc::clone(&made);
    let (handoff, gradient) = downstream(&output, Some(Rc::new(move || again.output())));
    let weight = weight.clone();
    recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
        let mut gradient = gradient(grads)?;
        let sums = made.backward(&mut gradient, &source);
        add_pairs(grads, (&made.gamma, &made.beta), &sums)?;
        drop(made);
        conv_backward(grads, &size, &gradient, input, &weight, to_input)
    });
    Ok((output.put_tape(recorder), batch_moments))
}

/// Maps, and how they were normalized.
struct Normalized {
    maps: KeptMaps,
    moments: Vec<Moments>,
    gamma: ParamOn<Dims1, Cpu>,
    beta: ParamOn<Dims1, Cpu>,
    relu: bool,
}

impl Normalized {
    /// The normalized maps, once more.
    fn output(&self) -> Vec<f32> {
        let moments = |c: usize, _: &[f32]| self.moments[c];
        let affine = (checked(&self.gamma), checked(&self.beta));
        match &self.maps {
            KeptMaps::Whole(maps) => norm::normalize(maps, moments, affine, self.relu).0,
            narrow => {
                let mut maps = narrow.to_vec();
                norm::normalize_in_place(&mut maps, moments, affine, self.relu);
                maps
            }
        }
    }

    /// As [`norm::backward`].
    fn backward(&self, gradient: &mut [f32], source: &Source) -> Vec<norm::AffineGradient> {
        let (gamma, beta) = (checked(&self.gamma), checked(&self.beta));
        norm::backward(
            gradient,
            |c, channel| self.maps.channel(c, channel),
            &self.moments,
            gamma,
            beta,
            self.relu,
            source,
        )
    }
}

/// See [`Engine::linear`](super::Engine::linear).
pub fn linear(
    input: TapedOn<Dims2, Cpu>,
    weight: &ParamOn<Dims2, Cpu>,
    bias: Option<&ParamOn<Dims1, Cpu>>,
) -> Result<TapedOn<Dims2, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
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
        let ((handoff, gradient), weight_ghost) = (downstream(&output, None), weight.ghost());
        let bias_ghost = bias.map(Tensor::ghost);
        let weight = weight.clone();
        recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
            let gradient = gradient(grads)?;
            if let Some(bias) = &bias_ghost {
                dense::bias_gradient(&size, &gradient, grads.get_or_alloc_mut(bias)?);
            }
            dense::weight_gradient(
                &size,
                &gradient,
                checked(&input),
                grads.get_or_alloc_mut(&weight_ghost)?,
            );
            if let Some(to_input) = to_input {
                to_input(grads, dense::input_gradient(&size, &gradient, checked(&weight)))?;
            }
            Ok(())
        });
    }
    Ok(output.put_tape(recorder))
}

/// See [`Engine::max_pool`](super::Engine::max_pool).
pub fn max_pool(input: TapedOn<Dims4, Cpu>, plan: &WindowPlan) -> Result<TapedOn<Dims4, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let &(channels, _, _, batch) = input.shape();
    let shape = (channels, plan.out_height, plan.out_width, batch);
    let mut maps = vec![0.0; shape.num_elements()];
    let taps = pool::max(plan, batch.max(1), values(&input)?, &mut maps);
    let output = tensor(input.device(), maps, shape)?;
    let plan = *plan;
    Ok(unary(output, recorder, to_input, move |gradient| {
        pool::max_backward(&plan, batch.max(1), &gradient, &taps, channels)
    }))
}

/// See [`Engine::average_pool`](super::Engine::average_pool).
pub fn average_pool(
    input: TapedOn<Dims4, Cpu>,
    plan: &WindowPlan,
    count_padding: bool,
) -> Result<TapedOn<Dims4, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let &(channels, _, _, batch) = input.shape();
    let shape = (channels, plan.out_height, plan.out_width, batch);
    let weights = pool::average_weights(plan, count_padding);
    let mut maps = vec![0.0; shape.num_elements()];
    pool::average(plan, batch.max(1), &weights, values(&input)?, &mut maps);
    let output = tensor(input.device(), maps, shape)?;
    let plan = *plan;
    Ok(unary(output, recorder, to_input, move |gradient| {
        pool::average_backward(&plan, batch.max(1), &weights, &gradient, channels)
    }))
}

/// See [`Engine::global_mean`](super::Engine::global_mean).
pub fn global_mean(input: TapedOn<Dims4, Cpu>, frames: usize) -> Result<TapedOn<Dims2, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let &(channels, height, width, columns) = input.shape();
    let (pixels, batch) = (height * width, columns / frames);
    let rows = pool::global_mean(channels, pixels, frames, batch, values(&input)?);
    let output = tensor(input.device(), rows, (batch, channels))?;
    Ok(unary(output, recorder, to_input, move |gradient| {
        pool::global_mean_backward(channels, pixels, frames, batch, &gradient)
    }))
}

/// See [`Engine::pixel_rows`](super::Engine::pixel_rows).
pub fn pixel_rows(input: TapedOn<Dims4, Cpu>, frames: usize) -> Result<TapedOn<Dims2, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let &(channels, height, width, columns) = input.shape();
    let shape = [channels, height * width, frames, columns / frames];
    let rows = pixel_rows_kernels::rows(shape, values(&input)?);
    let output = tensor(input.device(), rows, (height * width * columns, channels))?;
    Ok(unary(output, recorder, to_input, move |gradient| {
        pixel_rows_kernels::maps(shape, &gradient)
    }))
}

/// See [`Engine::sum_middle`](super::Engine::sum_middle).
pub fn sum_middle(input: TapedOn<Dims3, Cpu>) -> Result<TapedOn<Dims2, Cpu>> {
    if raw::contiguous(&input).is_none() {
        return composed::sum_middle(input);
    }
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let &(outer, count, inner) = input.shape();
    let sums = axis_sum::sum([outer, count, inner], values(&input)?);
    let output = tensor(input.device(), sums, (outer, inner))?;
    Ok(unary(output, recorder, to_input, move |gradient| {
        axis_sum::spread([outer, count, inner], &gradient)
    }))
}

/// See [`Engine::relu_add`](super::Engine::relu_add).
pub fn relu_add(left: TapedOn<Dims4, Cpu>, right: TapedOn<Dims4, Cpu>) -> Result<TapedOn<Dims4, Cpu>> {
    sum_of(
        left,
        right,
        elementwise::relu_sum,
        Some(elementwise::relu_backward),
    )
}

/// See [`Engine::add`](super::Engine::add).
pub fn add<S: Shape>(left: TapedOn<S, Cpu>, right: TapedOn<S, Cpu>) -> Result<TapedOn<S, Cpu>> {
    if raw::contiguous(&left).is_none() || raw::contiguous(&right).is_none() {
        // What dfdx has spread along an axis, or turned.
        return composed::add(left, right);
    }
    sum_of(left, right, elementwise::sum, None)
}

/// Makes of the gradient of an operation's output, and that output, another gradient.
type Back = fn(Vec<f32>, &[f32]) -> Vec<f32>;

/// A sum, and what becomes of its gradient, given the output, before it is that of both operands.
fn sum_of<S: Shape>(
    left: TapedOn<S, Cpu>,
    right: TapedOn<S, Cpu>,
    sum: fn(&[f32], &[f32]) -> Vec<f32>,
    back: Option<Back>,
) -> Result<TapedOn<S, Cpu>> {
    use dfdx::tensor::Merge;
    let (left, mut left_recorder) = left.split_tape();
    let (right, mut right_recorder) = right.split_tape();
    let to_left = upstream(&left, &mut left_recorder);
    let to_right = upstream(&right, &mut right_recorder);
    let mut recorder = left_recorder.merge(right_recorder);
    let output = tensor(left.device(), sum(values(&left)?, values(&right)?), *left.shape())?;
    if recorder.requires_grad() {
        let (handoff, gradient) = downstream(&output, None);
        let back = back.map(|back| (back, output.clone()));
        recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
            let mut gradient = gradient(grads)?;
            if let Some((back, output)) = back {
                gradient = back(gradient, checked(&output));
            }
            match (to_left, to_right) {
                (Some(to_left), Some(to_right)) => {
                    to_left(grads, gradient.clone())?;
                    to_right(grads, gradient)
                }
                (Some(to_left), None) => to_left(grads, gradient),
                (None, Some(to_right)) => to_right(grads, gradient),
                (None, None) => Ok(()),
            }
        });
    }
    Ok(output.put_tape(recorder))
}

/// See [`Engine::relu`](super::Engine::relu). A NaN stays one.
pub fn relu<S: Shape>(input: TapedOn<S, Cpu>) -> Result<TapedOn<S, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let output = tensor(input.device(), elementwise::relu(values(&input)?), *input.shape())?;
    let saved = output.clone();
    Ok(unary(output, recorder, to_input, move |gradient| {
        elementwise::relu_backward(gradient, checked(&saved))
    }))
}

/// See [`Engine::scale_each`](super::Engine::scale_each).
pub fn scale_each<S: Shape>(input: TapedOn<S, Cpu>, factors: Vec<f32>) -> Result<TapedOn<S, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let scaled = elementwise::product(values(&input)?, &factors);
    let output = tensor(input.device(), scaled, *input.shape())?;
    Ok(unary(output, recorder, to_input, move |gradient| {
        elementwise::scaled(gradient, &factors)
    }))
}

/// See [`Engine::transposed`](super::Engine::transposed).
pub fn transposed(matrix: &ParamOn<Dims2, Cpu>) -> Result<ParamOn<Dims2, Cpu>> {
    let &(rows, columns) = matrix.shape();
    let turned = transpose::transposed(values(matrix)?, rows, columns);
    tensor(matrix.device(), turned, (columns, rows))
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
    let to_first = upstream(&first, &mut recorder);
    let mut sources = vec![(first, to_first)];
    for part in parts {
        let (part, mut other) = part.split_tape();
        let to_part = upstream(&part, &mut other);
        sources.push((part, to_part));
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
        let (handoff, gradient) = downstream(&output, None);
        let sources: Vec<_> = sources
            .into_iter()
            .map(|(part, to_part)| (part.shape().1, to_part))
            .collect();
        recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
            let gradient = gradient(grads)?;
            let mut start = 0;
            for (length, to_part) in sources {
                if let Some(to_part) = to_part {
                    let mut of_part = Vec::with_capacity(batch * length);
                    for row in gradient.chunks_exact(total.max(1)) {
                        of_part.extend_from_slice(&row[start..start + length]);
                    }
                    to_part(grads, of_part)?;
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
