//! Tensors that more than one operation reads.

use crate::error::Result;
use crate::tensor::{Shape, Taped};

/// The two ways that a tensor goes from here. Gradients of both add up in it.
///
/// How it was made is recorded on the first: that one has to lead to the loss, or be given to [`with_history`].
pub fn fork<S: Shape>(tensor: Taped<S>) -> (Taped<S>, Taped<S>) {
    tensor.fork()
}

/// The values of a tensor as data: no gradient goes through them to what made the tensor.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device).
pub fn detach<S: Shape>(tensor: &Taped<S>) -> Result<Taped<S>> {
    tensor.detached()
}

/// `tensor`, with what is recorded of how `unread` was made, whose values nobody reads.
///
/// A feature that two heads read has its history on one of them, as [`fork`] says. Where that one's loss is left out, the
/// other's takes over its history.
#[must_use]
pub fn with_history<S: Shape, T: Shape>(tensor: Taped<S>, unread: Taped<T>) -> Taped<S> {
    tensor.merged(unread)
}
