//! Where an operation finds the gradient of its output, beside dfdx's store.
//!
//! dfdx fills the memory of a gradient with zeros before the first contribution is added to it, on one thread,
//! which takes as long as some of the operations. gblend's own operations compute a contribution as a whole, and
//! hand it over here. dfdx's operations know nothing of that and add to the store; the
//! recorder ([`RecorderOn`](super::tape::RecorderOn)) sees them and says so with [`share`](Handoff::share), and then the
//! gradient is the sum of both.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use rayon::prelude::*;

/// Contributions to the gradient of one operation's output, from its own backward pass: a branch may have a loss of its
/// own, whose pass ends where the branch began.
#[derive(Clone, Debug)]
pub(crate) struct Handoff(Rc<Contributions>);

/// Computes the elements of a tensor again, to the bit.
pub(crate) type Recompute = Rc<dyn Fn() -> Vec<f32>>;

struct Contributions {
    /// Where the output's elements are, which the recorder keeps there. It may be put on another tensor, whose gradient this
    /// is not.
    elements: *const [f32],
    /// How to compute the elements again.
    recompute: Option<Recompute>,
    /// The sum so far; empty if there is none.
    sum: Cell<Vec<f32>>,
    /// Whether the backward pass will ask for it.
    open: Cell<bool>,
    /// Whether the store may hold a contribution, too.
    shared: Cell<bool>,
}

impl fmt::Debug for Contributions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The sum is out of reach without taking it.
        let mut shown = f.debug_struct("Contributions");
        shown.field("open", &self.open).field("shared", &self.shared);
        shown.finish_non_exhaustive()
    }
}

impl Handoff {
    /// For the gradient of an output with these elements.
    ///
    /// If there is a way to `recompute` these elements, it takes less memory than to keep them until the backward pass.
    pub(crate) fn of(output: &[f32], recompute: Option<Recompute>) -> Self {
        Self(Rc::new(Contributions {
            elements: output,
            recompute,
            sum: Cell::default(),
            open: Cell::default(),
            shared: Cell::default(),
        }))
    }

    /// Whether it is for the gradient of a tensor with these elements.
    pub(crate) fn is_of(&self, tensor: &[f32]) -> bool {
        std::ptr::eq(self.0.elements, tensor)
    }

    /// How to compute the elements again.
    pub(crate) fn recompute(&self) -> Option<Recompute> {
        self.0.recompute.clone()
    }

    /// Says that a backward pass begins that will ask for the gradient.
    pub(crate) fn open(&self) {
        self.0.open.set(true);
    }

    /// Whether [`add`](Self::add) is of use; else the contribution belongs into the store.
    pub(crate) fn is_open(&self) -> bool {
        self.0.open.get()
    }

    /// Adds a contribution.
    pub(crate) fn add(&self, contribution: Vec<f32>) {
        let mut sum = self.0.sum.take();
        if sum.is_empty() {
            sum = contribution;
        } else {
            add(&mut sum, &contribution);
        }
        self.0.sum.set(sum);
    }

    /// The sum so far, which whoever takes it gives back with [`add`](Self::add); empty if there is none.
    pub(crate) fn take(&self) -> Vec<f32> {
        self.0.sum.take()
    }

    /// The sum of all contributions, of which there will be no more; empty if there was none.
    pub(crate) fn close(&self) -> Vec<f32> {
        self.0.open.set(false);
        self.0.sum.take()
    }

    /// Says that an operation of dfdx may add to the store.
    pub(crate) fn share(&self) {
        self.0.shared.set(true);
    }

    /// Whether the store has to be looked at.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.shared.get()
    }
}

/// `target += values`, element by element.
pub(crate) fn add(target: &mut [f32], values: &[f32]) {
    /// Elements that one task adds.
    const RUN: usize = 16_384;
    let runs = target.par_chunks_mut(RUN).zip(values.par_chunks(RUN));
    runs.for_each(|(target, values)| {
        for (target, value) in target.iter_mut().zip(values) {
            *target += value;
        }
    });
}
