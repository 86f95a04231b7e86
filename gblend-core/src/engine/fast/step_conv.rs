//! Convolution over steps, as one tape operation.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, PutTape, SplitTape, Tensor};

use super::{DeviceResult, Grads, checked, downstream, tensor, upstream, values};
use crate::engine::cpu::dense::{self, DenseSize};
use crate::engine::cpu::step_conv as kernels;
use crate::engine::cpu::step_conv_size::StepConvSize;
use crate::engine::operand::{ParamOn, TapedOn};
use crate::engine::row_sources::RowSources;
use crate::error::Result;
use crate::shape::{Dims1, Dims2, Dims3};

/// See [`SequenceEngine::step_conv`](crate::engine::SequenceEngine::step_conv). Keeps no windows: the backward pass takes
/// them again.
pub fn step_conv(
    input: TapedOn<Dims2, Cpu>,
    weight: &ParamOn<Dims3, Cpu>,
    bias: Option<&ParamOn<Dims1, Cpu>>,
    windows: &RowSources,
) -> Result<TapedOn<Dims2, Cpu>> {
    let (input, mut recorder) = input.split_tape();
    let to_input = upstream(&input, &mut recorder);
    let &(outputs, taps, inputs) = weight.shape();
    let size = StepConvSize {
        taps,
        inputs,
        outputs,
    };
    let bias_values = bias.map(values).transpose()?;
    let rows = kernels::forward(&size, windows, values(&input)?, values(weight)?, bias_values);
    let batch = windows.len() / taps;
    let output = tensor(input.device(), rows, (batch, outputs))?;
    recorder.require_grad();
    if recorder.is_recording() {
        let ((handoff, gradient), weight_ghost) = (downstream(&output, None), weight.ghost());
        let bias_ghost = bias.map(Tensor::ghost);
        let (weight, windows) = (weight.clone(), windows.clone());
        recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
            let gradient = gradient(grads)?;
            if let Some(bias) = &bias_ghost {
                let size = DenseSize {
                    batch,
                    inputs,
                    outputs,
                };
                dense::bias_gradient(&size, &gradient, grads.get_or_alloc_mut(bias)?);
            }
            let of_weight = grads.get_or_alloc_mut(&weight_ghost)?;
            kernels::weight_gradient(&size, &windows, &gradient, checked(&input), of_weight);
            if let Some(to_input) = to_input {
                let of_input = kernels::input_gradient(&size, &windows, &gradient, checked(&weight));
                to_input(grads, of_input)?;
            }
            Ok(())
        });
    }
    Ok(output.put_tape(recorder))
}
