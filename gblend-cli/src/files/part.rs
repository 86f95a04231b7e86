//! Parts of a file that threads read side by side, each at its own place.

use std::fs::File;
use std::io;
use std::time::SystemTime;

/// Fills `bytes` from a place in a file that other threads read from too.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Fills `bytes` from a place in a file that other threads read from too.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                bytes = &mut bytes[read..];
                offset += read as u64;
            }
        }
    }
    Ok(())
}

/// A file that stays open, and that nobody writes to meanwhile.
#[derive(Debug)]
pub(crate) struct StillFile {
    file: File,
    state: (u64, Option<SystemTime>),
}

impl StillFile {
    /// The file as it is now.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let state = state(&file)?;
        Ok(Self { file, state })
    }

    /// Fills `bytes` from a place in the file.
    ///
    /// # Errors
    /// If the file is shorter, or has been written to.
    pub(crate) fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        read_at(&self.file, bytes, offset)?;
        if state(&self.file)? == self.state {
            return Ok(());
        }
        Err(io::Error::other("it was written to since it was opened"))
    }
}

/// Length and time of the last change, where the system knows it.
fn state(file: &File) -> io::Result<(u64, Option<SystemTime>)> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.modified().ok()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_written_meanwhile_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"abcdef").unwrap();
        let file = StillFile::new(File::open(&path).unwrap()).unwrap();
        let read = || {
            let mut bytes = [0; 2];
            file.read_at(&mut bytes, 3).map(|()| bytes)
        };
        assert_eq!(read().unwrap(), *b"de");
        let written = File::options().write(true).open(&path).unwrap();
        let before = written.metadata().unwrap().modified().unwrap();
        written.set_modified(before + Duration::from_secs(1)).unwrap();
        assert!(read().unwrap_err().to_string().contains("written to"));
        written.set_modified(before).unwrap();
        assert_eq!(read().unwrap(), *b"de");
        written.set_len(4).unwrap();
        assert!(read().is_err());
    }
}
