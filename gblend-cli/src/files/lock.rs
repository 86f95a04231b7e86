//! One process writes to a folder at a time.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::{Error, Result};

/// The right to write to a folder; given back when it is dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// The name of the file that is locked. It stays: removing it would let two processes hold a lock each.
    pub(crate) const NAME: &str = ".lock";

    /// Whether another process has the right. Where that cannot be told, it has not.
    pub(crate) fn is_taken(folder: &Path) -> bool {
        let file = File::open(folder.join(Self::NAME));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Takes the right.
    ///
    /// # Errors
    /// [`Error::Run`] if another process has it; [`Error::Write`].
    pub(crate) fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(Self::NAME);
        let file = File::create(&path).map_err(Error::write(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Run {
                folder: folder.to_owned(),
                problem:
                    "another gblend is writing to this folder; wait for it, or name another one with --out"
                        .into(),
            }),
            Err(TryLockError::Error(error)) => Err(Error::write(&path)(error)),
        }
    }
}
