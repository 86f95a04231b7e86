//! Attention between the steps of each sequence, as one tape operation.

use std::ops::Range;

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, Merge, PutTape, SplitTape};

use super::{DeviceResult, Grads, checked, downstream, tensor, upstream, values};
use crate::engine::cpu::attention::{self as kernels, AttentionSize};
use crate::engine::operand::TapedOn;
use crate::engine::steps::Steps;
use crate::error::Result;
use crate::shape::Dims2;

/// See [`SequenceEngine::attention`](crate::engine::SequenceEngine::attention), of query, key and value.
pub fn attention(
    [query, key, value]: [TapedOn<Dims2, Cpu>; 3],
    steps: &Steps,
    heads: usize,
) -> Result<TapedOn<Dims2, Cpu>> {
    let (query, mut recorder) = query.split_tape();
    let (key, mut of_key) = key.split_tape();
    let (value, mut of_value) = value.split_tape();
    let upstreams = [
        upstream(&query, &mut recorder),
        upstream(&key, &mut of_key),
        upstream(&value, &mut of_value),
    ];
    let mut recorder = recorder.merge(of_key).merge(of_value);
    let shape = *query.shape();
    let size = AttentionSize {
        width: shape.1,
        heads,
    };
    let sequences: Vec<Range<usize>> = steps.sequences().collect();
    let rows = kernels::forward(
        &size,
        &sequences,
        [values(&query)?, values(&key)?, values(&value)?],
    );
    let output = tensor(query.device(), rows, shape)?;
    if recorder.requires_grad() {
        let (handoff, gradient) = downstream(&output, None);
        recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
            let gradient = gradient(grads)?;
            let inputs = [checked(&query), checked(&key), checked(&value)];
            let gradients = kernels::backward(&size, &sequences, inputs, &gradient);
            for (to_input, gradient) in upstreams.into_iter().zip(gradients) {
                if let Some(to_input) = to_input {
                    to_input(grads, gradient)?;
                }
            }
            Ok(())
        });
    }
    Ok(output.put_tape(recorder))
}
