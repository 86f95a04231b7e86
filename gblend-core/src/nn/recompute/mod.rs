//! Memory for time: layers that the backward pass runs again (Chen, Xu, Zhang, Guestrin, "Training Deep Nets with Sublinear
//! Memory Cost", arXiv:1604.06174).
//!
//! A training step keeps what every operation made until the backward pass comes back to it, and at large batches that is most
//! of its memory. Of layers that are recomputed nothing is kept but their input: the backward pass, when it gets there, runs them
//! once more, this time with a record. That costs their forward pass, up to a third of a step, and changes no bit: the same
//! operations meet the same values, dropout draws by the pass's seed, and running statistics move in the first run alone.

mod recalled;
mod segments;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use dfdx::tensor::{HasErr, PutTape, SplitTape};

use crate::batch_parts;
use crate::device::{Chosen, Store};
use crate::engine::{Engine, ExchangeGradients, RecorderOn};
use crate::error::Result;
use crate::params::{Module, ParamMut, ParamPath, ParamVisitor, with_param};
use crate::pass::Pass;
use crate::tensor::{Shape, Taped};

use recalled::Sums;
pub use segments::{LayerSize, Segments};

thread_local! {
    /// What this thread has spent on running layers again.
    static SPENT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Runs `layers`, which the backward pass runs again if the pass [recomputes](Pass::recomputes) and is recorded.
///
/// `run` is the forward pass of the layers. It reads nothing of the pass but its input and the parameters that the layers show, and
/// keeps nothing of what it makes but in the layers. What those note as a batch passes, such as running statistics, they note
/// once: the backward pass runs copies of them. Besides the output, whatever else `run` says of it is returned as it is.
///
/// # Errors
/// Those of `run`. What a second run complains of, [`backward`](super::backward) returns.
pub fn recompute<M, S, T, X, F>(
    layers: &mut [M],
    input: Taped<S>,
    pass: &Pass,
    run: F,
) -> Result<(Taped<T>, X)>
where
    M: Module + Clone + 'static,
    S: Shape,
    T: Shape,
    F: Fn(&mut [M], Taped<S>, &Pass) -> Result<(Taped<T>, X)> + 'static,
{
    if layers.is_empty() || !pass.recomputes() || !input.is_recording() {
        return run(layers, input, pass);
    }
    let pass = pass.recomputing(false);
    let mut copies = layers.to_vec();
    let exchange = exchange_of(&mut copies)?;
    let (input, recorder) = input.into_engine().split_tape();
    let sums = Sums::at_hand();
    let entered = Taped::from(
        input
            .clone()
            .put_tape(RecorderOn::off().keeping(recorder.keeps())),
    );
    let (output, said) = batch_parts::within(sums.noting(), || run(layers, entered, &pass))?;
    let (output, _) = output.into_engine().split_tape();
    let again = Box::new(move |input| {
        let start = Instant::now();
        let made = batch_parts::within(sums.recalling(), || run(&mut copies, Taped::from(input), &pass));
        SPENT.set(SPENT.get() + start.elapsed());
        made.map(|(output, _)| output.into_engine())
    });
    let output = Chosen::recomputed(input.put_tape(recorder), output, again, exchange);
    Ok((Taped::from(output), said))
}

/// What `run` returns, and how much of its time this thread spent on running layers again.
pub fn time_recomputing<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let before = SPENT.get();
    let made = run();
    (made, SPENT.get().saturating_sub(before))
}

/// What exchanges the gradients of one parameter between two stores.
type Exchange = Box<dyn Fn(&mut Store, &mut Store) -> std::result::Result<(), <Chosen as HasErr>::Err>>;

/// What exchanges the gradients of all parameters of some layers.
fn exchange_of<M: Module>(layers: &mut [M]) -> Result<ExchangeGradients<Chosen>> {
    struct Collect(Vec<Exchange>);
    impl ParamVisitor for Collect {
        fn param(&mut self, _: &ParamPath, param: ParamMut<'_>) -> Result<()> {
            self.0.push(with_param!(&param.0, tensor => {
                let ghost = tensor.0.ghost();
                Box::new(move |one: &mut Store, other: &mut Store| {
                    std::mem::swap(one.get_or_alloc_mut(&ghost)?, other.get_or_alloc_mut(&ghost)?);
                    Ok(())
                })
            }));
            Ok(())
        }
    }
    let mut collect = Collect(Vec::new());
    for layer in layers {
        layer.visit_params(&ParamPath::root(), &mut collect)?;
    }
    let all = collect.0;
    Ok(Rc::new(move |one, other| {
        all.iter().try_for_each(|exchange| exchange(one, other))
    }))
}
