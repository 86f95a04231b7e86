//! Writes checkpoints beside training.
//!
//! Syncing a file takes as long as many training steps of a small network, and no processor time. So a thread of its own
//! writes, and training only waits where the checkpoint before is not yet written.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::contents::Checkpoint;
use super::store::Store;
use crate::error::{Error, Result};

/// A thread that writes checkpoints in the order in which it gets them.
#[derive(Debug)]
pub struct Writer {
    /// `None` once it was asked to end.
    queue: Option<SyncSender<Arc<Checkpoint>>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Writer {
    /// Starts the thread. `best` is the epoch and the hash of best parameters that are written already.
    ///
    /// # Errors
    /// [`NoRoom`](gblend_core::Error::NoRoom) for a thread.
    pub fn start(mut store: Store, mut best: Option<(usize, String)>) -> Result<Self> {
        let (queue, checkpoints) = sync_channel::<Arc<Checkpoint>>(1);
        let work = move || {
            for checkpoint in checkpoints {
                store.write(&checkpoint, &mut best)?;
            }
            Ok(())
        };
        let thread = std::thread::Builder::new().spawn(work).map_err(|error| {
            gblend_core::Error::NoRoom(format!("a thread that writes checkpoints ({error})"))
        })?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Hands a checkpoint over.
    ///
    /// # Errors
    /// [`Error::Write`] if an earlier one could not be written.
    pub fn write(&mut self, checkpoint: Arc<Checkpoint>) -> Result<()> {
        match &self.queue {
            Some(queue) if queue.send(checkpoint).is_ok() => Ok(()),
            _ => self.finish(),
        }
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// [`Error::Write`] for the first checkpoint that could not be.
    pub fn finish(&mut self) -> Result<()> {
        self.queue = None;
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        let panicked = |_| Error::Internal("the thread that writes checkpoints panicked".into());
        thread.join().map_err(panicked)?
    }
}

impl Drop for Writer {
    /// What was handed over is written, even if training ends with an error: the checkpoint before the error is the one
    /// that is needed.
    fn drop(&mut self) {
        let _ = self.finish();
    }
}
