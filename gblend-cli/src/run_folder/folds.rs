//! The trainings of a pool's folds: each is a run within the run, with checkpoints of its own.

use std::path::PathBuf;

use super::checkpoint::{Checkpoint, Store, Writer};
use crate::error::Result;

/// Where the trainings of folds keep how far they are: in `checkpoints/fold-N/`.
#[derive(Clone, Debug)]
pub struct FoldFolders {
    /// The folder of the run's checkpoints.
    folder: PathBuf,
}

impl FoldFolders {
    /// Below the folder of the run's checkpoints, which need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What keeps how far a fold is, and how far it was when the run stopped. `fingerprint` says which samples it is
    /// trained on, and how; a checkpoint with another one is passed over.
    ///
    /// # Errors
    /// [`Error::Run`](crate::Error::Run) for a checkpoint of a format that this version does not know.
    pub fn open(&self, fold: usize, fingerprint: &str) -> Result<(Writer, Option<Checkpoint>)> {
        let store = Store::new(self.path(fold));
        let found = store.newest(|description| match description.splits == fingerprint {
            true => Ok(()),
            false => Err("it is of another fold".to_owned()),
        })?;
        Ok((Writer::start(store, None)?, found.checkpoint))
    }

    fn path(&self, fold: usize) -> PathBuf {
        self.folder.join(format!("fold-{}", fold + 1))
    }
}
