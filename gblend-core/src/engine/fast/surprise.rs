//! The surprise of rows, as one tape operation.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, PutTape, SplitTape};

use super::{DeviceResult, Grads, checked, downstream, tensor, upstream, values};
use crate::engine::cpu::surprise;
use crate::engine::operand::TapedOn;
use crate::engine::surprise::Candidates;
use crate::error::Result;
use crate::shape::{Dims1, Dims2};

/// See [`Engine::surprises`](crate::engine::Engine::surprises).
pub fn surprises(input: TapedOn<Dims2, Cpu>, candidates: &Candidates) -> Result<TapedOn<Dims1, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let &(rows, width) = input.shape();
    let (surprises, scales) = surprise::forward(values(&input)?, width, candidates);
    let output = tensor(input.device(), surprises, (rows,))?;
    if let Some(to_input) = to_input.filter(|_| recorder.is_recording()) {
        let (handoff, gradient) = downstream(&output, None);
        let candidates = candidates.clone();
        recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
            let gradient = gradient(grads)?;
            let slopes = surprise::backward(&gradient, checked(&input), width, &scales, &candidates);
            to_input(grads, slopes)
        });
    }
    Ok(output.put_tape(recorder))
}
