//! Operations that are carried out twice: in the forward pass without a record, and in the backward pass once more with one.

use std::cell::RefCell;
use std::rc::Rc;

use dfdx::shapes::Rank0;
use dfdx::tensor::{Gradients, HasErr, PutTape, Tape};
use dfdx::tensor_ops::{Backward, Device};

use super::operand::TapedOn;
use super::tape::RecorderOn;
use crate::error::{Error, Result};

/// Carries out the operations once more on their input.
pub type Again<S, T, D> = Box<dyn FnOnce(TapedOn<S, D>) -> Result<TapedOn<T, D>>>;

/// Gives each store the gradients that the other has of the parameters behind the operations.
pub type ExchangeGradients<D> =
    Rc<dyn Fn(&mut Gradients<f32, D>, &mut Gradients<f32, D>) -> std::result::Result<(), <D as HasErr>::Err>>;

thread_local! {
    /// Why operations could not be carried out again, in a backward pass on this thread.
    static FAILURE: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// The failure of a backward pass that has just ended: it has no way of its own to tell of any but the device's.
pub(super) fn take_failure() -> Option<Error> {
    FAILURE.with(|failure| failure.borrow_mut().take())
}

/// Runs a part of a backward pass that may fail.
pub(super) fn keep_failure<T>(run: impl FnOnce() -> Result<T>) -> Option<T> {
    match run() {
        Ok(made) => Some(made),
        Err(error) => {
            // The first is the one to tell of.
            FAILURE.with(|failure| _ = failure.borrow_mut().get_or_insert(error));
            None
        }
    }
}

/// Follows a record back from its end, where `begin` puts the gradient that there is.
///
/// Gradients of parameters are added to those of `store`, in the order of a pass that had this record as its own.
///
/// # Errors
/// [`Error::Device`], or the failure of what the record carried out again.
pub(super) fn follow<D: Device<f32>>(
    device: &D,
    mut recorder: RecorderOn<D>,
    begin: impl FnOnce(&mut Gradients<f32, D>) -> std::result::Result<(), D::Err> + 'static,
    exchange: &ExchangeGradients<D>,
    store: &mut Gradients<f32, D>,
) -> Result<Gradients<f32, D>> {
    let mut carried = Gradients::leaky();
    exchange(store, &mut carried).map_err(Error::device)?;
    let enter = Rc::clone(exchange);
    recorder.add_backward_op(move |inner| {
        begin(inner)?;
        enter(&mut carried, inner)
    });
    let end = device.try_zeros::<Rank0>().map_err(Error::device)?;
    let Some(tape) = recorder.into_finished_tape() else {
        return Err(Error::Device("the backward pass of what was not recorded".into()));
    };
    let mut found = end.put_tape(tape).try_backward().map_err(Error::device)?;
    exchange(&mut found, store).map_err(Error::device)?;
    take_failure().map_or(Ok(found), Err)
}
