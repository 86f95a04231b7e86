//! Operations that the backward pass carries out again.

use std::cell::Cell;
use std::rc::Rc;

use dfdx::shapes::Shape;
use dfdx::tensor::{Cpu, PutTape, SplitTape, Tensor};

use super::{DeviceResult, Grads, checked, downstream, upstream};
use crate::engine::handoff::Handoff;
use crate::engine::operand::{ParamOn, TapedOn};
use crate::engine::recomputed::{Again, ExchangeGradients, follow, keep_failure};
use crate::engine::tape::RecorderOn;
use crate::precision::Precision;

/// See [`Engine::recomputed`](crate::engine::Engine::recomputed).
pub fn recomputed<S: Shape, T: Shape>(
    input: TapedOn<S, Cpu>,
    output: ParamOn<T, Cpu>,
    again: Again<S, T, Cpu>,
    exchange: ExchangeGradients<Cpu>,
) -> TapedOn<T, Cpu> {
    let (input, mut recorder) = input.split_tape();
    let (wanted, keeps) = (recorder.requires_grad(), recorder.keeps());
    let of_input = recorder.take_handoff(checked(&input));
    recorder.require_grad();
    if recorder.is_recording() {
        let (handoff, gradient) = downstream(&output, None);
        recorder.record(handoff, &output, move |grads: &mut Grads| -> DeviceResult {
            let gradient = gradient(grads)?;
            if !wanted {
                follow_again(
                    input.put_tape(RecorderOn::for_data().keeping(keeps)),
                    gradient,
                    again,
                    &exchange,
                    grads,
                );
                return Ok(());
            }
            // What others have contributed comes first, as it does where nothing is run again.
            let ghost = input.ghost();
            let of_input = of_input.filter(Handoff::is_open);
            let so_far = match &of_input {
                Some(handoff) => handoff.take(),
                None => std::mem::take(&mut **grads.get_or_alloc_mut(&ghost)?),
            };
            let (at_input, values) = (Rc::new(Cell::new(Vec::new())), checked(&input).len());
            let entered = received(input, keeps, so_far, &at_input);
            follow_again(entered, gradient, again, &exchange, grads);
            let mut found = at_input.take();
            // Of a failure nothing is left, and what comes next counts on as many values.
            found.resize(values, 0.0);
            match of_input {
                Some(handoff) => handoff.add(found),
                None => **grads.get_or_alloc_mut(&ghost)? = found,
            }
            Ok(())
        });
    }
    output.put_tape(recorder)
}

/// Carries operations out again and follows them back from the gradient of their output.
fn follow_again<S: Shape, T: Shape>(
    input: TapedOn<S, Cpu>,
    gradient: Vec<f32>,
    again: Again<S, T, Cpu>,
    exchange: &ExchangeGradients<Cpu>,
    grads: &mut Grads,
) {
    let device = input.device().clone();
    keep_failure(|| {
        let (output, mut recorder) = again(input)?.split_tape();
        let Some(to_output) = upstream(&output, &mut recorder) else {
            return Ok(());
        };
        drop(output);
        let begin = move |inner: &mut Grads| to_output(inner, gradient);
        follow(&device, recorder, begin, exchange, grads).map(drop)
    });
}

/// A tensor at the beginning of a record, with the gradient that it has already; that and what is added to it is left there when
/// the record has been followed back.
fn received<S: Shape>(
    tensor: Tensor<S, f32, Cpu>,
    keeps: Precision,
    so_far: Vec<f32>,
    gradient: &Rc<Cell<Vec<f32>>>,
) -> TapedOn<S, Cpu> {
    let mut recorder = RecorderOn::for_parameter().keeping(keeps);
    let (handoff, found) = downstream(&tensor, None);
    handoff.add(so_far);
    let gradient = Rc::clone(gradient);
    recorder.record(handoff, &tensor, move |grads: &mut Grads| -> DeviceResult {
        gradient.set(found(grads)?);
        Ok(())
    });
    tensor.put_tape(recorder)
}
