//! Operations that the backward pass carries out again.

use dfdx::shapes::Shape;
use dfdx::tensor::{Gradients, PutTape, SplitTape, Tape};
use dfdx::tensor_ops::Device;

use crate::engine::operand::{ParamOn, TapedOn};
use crate::engine::recomputed::{Again, ExchangeGradients, follow, keep_failure};
use crate::engine::tape::RecorderOn;
use crate::error::Error;

/// See [`Engine::recomputed`](crate::engine::Engine::recomputed).
pub fn recomputed<S: Shape, T: Shape, D: Device<f32>>(
    input: TapedOn<S, D>,
    output: ParamOn<T, D>,
    again: Again<S, T, D>,
    exchange: ExchangeGradients<D>,
) -> TapedOn<T, D> {
    let (input, mut recorder) = input.split_tape();
    let (wanted, keeps) = (recorder.requires_grad(), recorder.keeps());
    recorder.require_grad();
    let ghost = output.ghost();
    recorder.add_backward_op(move |grads: &mut Gradients<f32, D>| {
        let (device, at_input) = (input.device().clone(), input.ghost());
        // Gradients change places and are not copied.
        let mut above = Gradients::leaky();
        std::mem::swap(above.get_or_alloc_mut(&ghost)?, grads.get_or_alloc_mut(&ghost)?);
        let mut found = None;
        keep_failure(|| {
            let entered = match wanted {
                true => RecorderOn::for_parameter(),
                false => RecorderOn::for_data(),
            };
            let (output, recorder) = again(input.put_tape(entered.keeping(keeps)))?.split_tape();
            if !recorder.requires_grad() {
                return Ok(());
            }
            let mut below = Gradients::leaky();
            if wanted {
                let (from, to) = (
                    grads.get_or_alloc_mut(&at_input),
                    below.get_or_alloc_mut(&at_input),
                );
                std::mem::swap(from.map_err(Error::device)?, to.map_err(Error::device)?);
            }
            let (output, of_input) = (output.ghost(), at_input.clone());
            let begin = move |inner: &mut Gradients<f32, D>| {
                std::mem::swap(inner.get_or_alloc_mut(&output)?, above.get_or_alloc_mut(&ghost)?);
                if wanted {
                    let from = below.get_or_alloc_mut(&of_input)?;
                    std::mem::swap(from, inner.get_or_alloc_mut(&of_input)?);
                }
                Ok(())
            };
            found = Some(follow(&device, recorder, begin, &exchange, grads)?);
            Ok(())
        });
        if let Some(mut found) = found.filter(|_| wanted) {
            let from = found.get_or_alloc_mut(&at_input)?;
            std::mem::swap(from, grads.get_or_alloc_mut(&at_input)?);
        }
        Ok(())
    });
    output.put_tape(recorder)
}
