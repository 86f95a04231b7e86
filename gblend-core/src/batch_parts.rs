//! A batch of which several processes compute a part each.
//!
//! Most of a network treats samples one by one and need not know. Normalization by the batch must: its moments are those of
//! all parts. Whoever computes a part says so with [`within`] around the forward pass; layers find it there, and the backward
//! pass, which comes later, takes it along.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;

thread_local! {
    static AT_HAND: RefCell<Option<Rc<dyn BatchParts>>> = const { RefCell::new(None) };
}

/// Those who have a part of a batch each.
///
/// All of them compute the same operations in the same order, so that the sums of one meet the same sums of the others.
pub trait BatchParts: Debug {
    /// Adds to each of these numbers the same one of every other part, in an order that does not depend on timing.
    ///
    /// A backward pass has no way to tell of a failure, so whoever cannot do it remembers that, and whoever called for the step
    /// asks afterwards.
    fn add_up(&self, sums: &mut [f64]);
}

/// Runs the forward pass of a part of a batch; with `None`, of a whole one.
pub fn within<T>(parts: Option<Rc<dyn BatchParts>>, run: impl FnOnce() -> T) -> T {
    /// Puts back what was at hand, also if `run` panics.
    struct Restored(Option<Rc<dyn BatchParts>>);
    impl Drop for Restored {
        fn drop(&mut self) {
            let before = self.0.take();
            AT_HAND.with(|at_hand| at_hand.replace(before));
        }
    }
    let _restored = Restored(AT_HAND.with(|at_hand| at_hand.replace(parts)));
    run()
}

/// The other parts of the batch that a forward pass on this thread is about.
pub(crate) fn at_hand() -> Option<Rc<dyn BatchParts>> {
    AT_HAND.with(|at_hand| at_hand.borrow().clone())
}
