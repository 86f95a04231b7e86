//! Gated recurrent units over the steps of sequences, as one tape operation.

use std::ops::Range;

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, PutTape, SplitTape};

use super::{DeviceResult, Grads, checked, downstream, tensor, upstream, values};
use crate::engine::cpu::gru::{self as kernels, GruSize, GruWeights};
use crate::engine::gru_params::GruParams;
use crate::engine::handoff::add;
use crate::engine::operand::TapedOn;
use crate::engine::steps::Steps;
use crate::error::Result;
use crate::shape::Dims2;

/// See [`SequenceEngine::gru`](crate::engine::SequenceEngine::gru).
pub fn gru(
    input: TapedOn<Dims2, Cpu>,
    params: &GruParams<'_, Cpu>,
    steps: &Steps,
    reverse: bool,
) -> Result<TapedOn<Dims2, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let size = GruSize {
        inputs: input.shape().1,
        hidden: params.state.shape().1,
        reverse,
    };
    let weights = GruWeights {
        input: values(params.input)?,
        state: values(params.state)?,
        input_bias: values(params.input_bias)?,
        state_bias: values(params.state_bias)?,
    };
    let sequences: Vec<Range<usize>> = steps.sequences().collect();
    let (states, gates) = kernels::forward(&size, &sequences, values(&input)?, &weights);
    let output = tensor(input.device(), states, (steps.rows(), size.hidden))?;
    recorder.require_grad();
    if recorder.is_recording() {
        let (handoff, gradient) = downstream(&output, None);
        let matrices = [params.input.clone(), params.state.clone()];
        let biases = [params.input_bias, params.state_bias].map(|bias| bias.ghost());
        let states = output.clone();
        recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
            let gradient = gradient(grads)?;
            let (states, [of_input, of_state]) = (checked(&states), [&matrices[0], &matrices[1]]);
            let back = kernels::backward(&size, &sequences, states, gates, checked(of_state), &gradient);
            let mut sums = [
                vec![0.0; checked(of_input).len()],
                vec![0.0; checked(of_state).len()],
                vec![0.0; 3 * size.hidden],
                vec![0.0; 3 * size.hidden],
            ];
            back.add_to_weights(
                &size,
                &sequences,
                checked(&input),
                states,
                sums.each_mut().map(Vec::as_mut_slice),
            );
            add(grads.get_or_alloc_mut(of_input)?, &sums[0]);
            add(grads.get_or_alloc_mut(of_state)?, &sums[1]);
            add(grads.get_or_alloc_mut(&biases[0])?, &sums[2]);
            add(grads.get_or_alloc_mut(&biases[1])?, &sums[3]);
            match to_input {
                Some(to_input) => to_input(grads, back.of_rows(&size, checked(of_input))),
                None => Ok(()),
            }
        });
    }
    Ok(output.put_tape(recorder))
}
