//! Attention between the steps of each sequence, as one tape operation.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, Merge, PutTape, SplitTape};

use super::{DeviceResult, Grads, checked, downstream, tensor, upstream, values};
use crate::engine::cpu::attention::{self as kernels, AttentionSize, Bundle};
use crate::engine::interleaved::Interleaved;
use crate::engine::operand::TapedOn;
use crate::engine::steps::Steps;
use crate::error::Result;
use crate::shape::Dims2;

/// See [`SequenceEngine::attention`](crate::engine::SequenceEngine::attention), of query, key and value.
pub fn attention(
    inputs: [TapedOn<Dims2, Cpu>; 3],
    steps: &Steps,
    heads: usize,
) -> Result<TapedOn<Dims2, Cpu>> {
    between(inputs, Bundle::of_sequences(steps.sequences()), heads)
}

/// See [`SequenceEngine::interleaved_attention`](crate::engine::SequenceEngine::interleaved_attention), of query, key and value.
pub fn interleaved_attention(
    inputs: [TapedOn<Dims2, Cpu>; 3],
    sequences: Interleaved,
    heads: usize,
) -> Result<TapedOn<Dims2, Cpu>> {
    let groups = sequences.groups(inputs[0].shape().0);
    let bundles = groups.map(|rows| Bundle {
        rows,
        sequences: sequences.apart,
    });
    between(inputs, bundles.collect(), heads)
}

fn between(
    [query, key, value]: [TapedOn<Dims2, Cpu>; 3],
    bundles: Vec<Bundle>,
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
    let inputs = [values(&query)?, values(&key)?, values(&value)?];
    let (rows, peaks) = kernels::forward(&size, &bundles, inputs);
    let output = tensor(query.device(), rows, shape)?;
    if recorder.requires_grad() {
        let (handoff, gradient) = downstream(&output, None);
        let attended = output.clone();
        recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
            let gradient = gradient(grads)?;
            let inputs = [checked(&query), checked(&key), checked(&value)];
            let attended = (checked(&attended), peaks.as_slice());
            let gradients = kernels::backward(&size, &bundles, inputs, attended, &gradient);
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
