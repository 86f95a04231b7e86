//! How a rank reaches the others.

use std::fmt::Debug;

use crate::error::Result;

/// Messages to and from every other rank. Those of one rank to another arrive whole and in their order.
///
/// Several threads may use it at a time, but not to hear from the same rank.
pub trait Link: Debug + Send + Sync {
    /// Which rank this is, counted from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// What messages call a rank, such as `rank 1 on node7`.
    fn name(&self, rank: usize) -> String {
        format!("rank {rank}")
    }

    /// How many ranks are on this one's machine, this one among them, and which of them it is, counted from 0.
    fn on_machine(&self) -> (usize, usize);

    /// Sends a message, and does not wait until it has arrived.
    ///
    /// # Errors
    /// [`Error::Rank`](crate::Error::Rank) if the other one is gone.
    fn send(&self, to: usize, message: Vec<u8>) -> Result<()>;

    /// Waits for the next message of a rank.
    ///
    /// # Errors
    /// [`Error::Rank`](crate::Error::Rank) if it, or any other, is gone, or cannot go on.
    fn receive(&self, from: usize) -> Result<Vec<u8>>;
}
