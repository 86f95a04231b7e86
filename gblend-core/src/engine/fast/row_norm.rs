//! Normalization of rows, as one tape operation.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, PutTape, SplitTape};

use super::{DeviceResult, Grads, add_pairs, batch_moments, checked, downstream, tensor, upstream, values};
use crate::batch_parts;
use crate::engine::cpu::norm::{Moments, Source, moments_of_parts};
use crate::engine::cpu::row_norm;
use crate::engine::operand::{BatchMoments, NormOptions, NormStatistics, ParamOn, TapedOn};
use crate::error::Result;
use crate::shape::{Dims1, Dims2};

/// See [`SequenceEngine::batch_norm_rows`](crate::engine::SequenceEngine::batch_norm_rows).
pub fn batch_norm_rows(
    input: TapedOn<Dims2, Cpu>,
    gamma: &ParamOn<Dims1, Cpu>,
    beta: &ParamOn<Dims1, Cpu>,
    options: NormOptions<'_>,
) -> Result<(TapedOn<Dims2, Cpu>, BatchMoments<Cpu>)> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let shape = *input.shape();
    let rows = values(&input)?;
    let (moments, source): (Vec<Moments>, Source) = match (options.statistics, batch_parts::at_hand()) {
        (NormStatistics::Batch, None) => {
            let moments = row_norm::column_moments(rows, shape.1, options.epsilon);
            (moments, Source::Batch)
        }
        (NormStatistics::Batch, Some(parts)) => {
            let sums = row_norm::column_power_sums(rows, shape.1);
            moments_of_parts(parts, &sums, shape.0, options.epsilon)
        }
        (NormStatistics::Fixed { mean, variance }, _) => {
            let moments = mean.iter().zip(variance);
            let moments = moments.map(|(&mean, &variance)| Moments::new(mean, variance, options.epsilon));
            (moments.collect(), Source::Elsewhere)
        }
    };
    let affine = (values(gamma)?, values(beta)?);
    let normalized = row_norm::normalize_columns(rows, &moments, affine, options.relu);
    let of_batch = batch_moments(&moments, &source, shape.0);
    let output = tensor(input.device(), normalized, shape)?;
    recorder.require_grad();
    if recorder.is_recording() {
        let (handoff, gradient) = downstream(&output, None);
        let (gamma, beta, relu) = (gamma.clone(), beta.clone(), options.relu);
        recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
            let mut gradient = gradient(grads)?;
            let affine = (checked(&gamma), checked(&beta));
            let rows = checked(&input);
            let sums = row_norm::columns_backward(&mut gradient, rows, &moments, affine, (relu, &source));
            add_pairs(grads, (&gamma, &beta), &sums)?;
            to_input.map_or(Ok(()), |to_input| to_input(grads, gradient))
        });
    }
    Ok((output.put_tape(recorder), of_batch))
}

/// See [`SequenceEngine::layer_norm`](crate::engine::SequenceEngine::layer_norm).
pub fn layer_norm(
    input: TapedOn<Dims2, Cpu>,
    gamma: &ParamOn<Dims1, Cpu>,
    beta: &ParamOn<Dims1, Cpu>,
    epsilon: f32,
) -> Result<TapedOn<Dims2, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let affine = (values(gamma)?, values(beta)?);
    let (normalized, moments) = row_norm::normalize_rows(values(&input)?, affine, epsilon);
    let output = tensor(input.device(), normalized, *input.shape())?;
    recorder.require_grad();
    if recorder.is_recording() {
        let (handoff, gradient) = downstream(&output, None);
        let (gamma, beta) = (gamma.clone(), beta.clone());
        recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
            let mut gradient = gradient(grads)?;
            let sums = row_norm::rows_backward(&mut gradient, checked(&input), &moments, checked(&gamma));
            add_pairs(grads, (&gamma, &beta), &sums)?;
            to_input.map_or(Ok(()), |to_input| to_input(grads, gradient))
        });
    }
    Ok(output.put_tape(recorder))
}
