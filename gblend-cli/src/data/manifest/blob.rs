//! Where the bytes of a piece of media are: a file, a part of a shard, or a cell of the table.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::sniff;
use crate::files::StillFile;

/// A file, a member of a shard that is read where it lies, or bytes of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    /// The name under which the user knows it.
    name: String,
    place: Place,
    length: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    File {
        /// Absolute.
        file: PathBuf,
        /// Its place in the file; the whole file if there is none.
        part: Option<Part>,
    },
    Memory(Bytes),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    offset: u64,
}

/// What is wrong with a file, and which one it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub(super) struct FileFault {
    file: String,
    problem: String,
}

impl FileFault {
    /// Of the file that the user knows under this name.
    pub(super) fn new(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            problem: problem.into(),
        }
    }
}

/// What a path of the table leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A file.
    One(Blob),
    /// The files of a folder in natural order.
    Sequence(Vec<Blob>),
}

impl Blob {
    /// A whole file.
    pub(super) fn file(name: String, file: PathBuf) -> Result<Self, FileFault> {
        let metadata = std::fs::metadata(&file).map_err(unreadable(&name))?;
        if !metadata.is_file() {
            return Err(FileFault::new(name, "is no ordinary file"));
        }
        Ok(Self {
            name,
            place: Place::File { file, part: None },
            length: metadata.len(),
        })
    }

    /// Bytes that the table has. `name` is that of the file that they were, or of their column; what they are is told by how
    /// they begin.
    pub(super) fn embedded(name: &str, bytes: Bytes) -> Result<Self, FileFault> {
        let extension = sniff::extension(&bytes).ok_or_else(|| {
            let problem = format!(
                "found {} bytes in the table of no kind that is known, expected one of: {}",
                bytes.len(),
                sniff::KNOWN
            );
            FileFault::new(name, problem)
        })?;
        let named = name.to_ascii_lowercase().replace(".jpeg", ".jpg");
        Ok(Self {
            name: match named.ends_with(&format!(".{extension}")) {
                true => name.to_owned(),
                false => format!("{name}.{extension}"),
            },
            length: bytes.len() as u64,
            place: Place::Memory(bytes),
        })
    }

    /// A member of a shard.
    pub(super) fn member(name: String, shard: PathBuf, offset: u64, length: u64) -> Self {
        Self {
            name,
            place: Place::File {
                file: shard,
                part: Some(Part { offset }),
            },
            length,
        }
    }

    /// The name under which the user knows it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// What stands behind the last dot of the name, in small letters.
    pub(super) fn extension(&self) -> String {
        let file = self.name.rsplit('/').next().unwrap_or_default();
        let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
        extension.to_ascii_lowercase()
    }

    fn open(&self) -> Result<Box<dyn Read + '_>, FileFault> {
        Ok(match &self.place {
            Place::File { .. } => Box::new(self.positioned()?.take(self.length)),
            Place::Memory(bytes) => Box::new(&bytes[..]),
        })
    }

    /// A reader from its first byte on, which may go beyond its last.
    pub(super) fn reader(&self) -> Result<BufReader<File>, FileFault> {
        self.positioned().map(BufReader::new)
    }

    fn positioned(&self) -> Result<File, FileFault> {
        let (file, part) = self.on_disk()?;
        let mut file = File::open(file).map_err(unreadable(&self.name))?;
        if let Some(part) = part {
            file.seek(SeekFrom::Start(part.offset))
                .map_err(unreadable(&self.name))?;
        }
        Ok(file)
    }

    /// The file that has it, and its place there.
    fn on_disk(&self) -> Result<(&Path, Option<Part>), FileFault> {
        match &self.place {
            Place::File { file, part } => Ok((file, *part)),
            Place::Memory(_) => Err(FileFault::new(
                self.name(),
                "is in the table, expected a file of its own",
            )),
        }
    }

    /// All of its bytes, if they are `limit` at most.
    pub(super) fn read(&self, limit: usize) -> Result<Vec<u8>, FileFault> {
        if self.length > limit as u64 {
            let problem = format!(
                "found {} bytes, expected at most {} MiB; if that is meant, raise the stream's `max_mib`",
                self.length,
                limit >> 20
            );
            return Err(FileFault::new(self.name(), problem));
        }
        let mut bytes = Vec::with_capacity(self.length as usize);
        let read = self.open()?.read_to_end(&mut bytes);
        read.map_err(unreadable(&self.name))?;
        if bytes.len() as u64 != self.length {
            let problem = format!(
                "found {} bytes, expected {}; it changed while it was read",
                bytes.len(),
                self.length
            );
            return Err(FileFault::new(self.name(), problem));
        }
        Ok(bytes)
    }

    /// The file that has it, and the place of its first byte there.
    pub(super) fn still(&self) -> Result<(StillFile, u64), FileFault> {
        let (file, part) = self.on_disk()?;
        let file = File::open(file).and_then(StillFile::new);
        let file = file.map_err(unreadable(&self.name))?;
        Ok((file, part.map_or(0, |part| part.offset)))
    }

    /// At most `count` bytes of its beginning.
    pub(super) fn head(&self, count: u64) -> Result<Vec<u8>, FileFault> {
        let mut bytes = Vec::new();
        let read = self.open()?.take(count).read_to_end(&mut bytes);
        read.map_err(unreadable(&self.name))?;
        Ok(bytes)
    }

    /// Adds its bytes to a hash.
    pub(super) fn hash(&self, hasher: &mut blake3::Hasher) -> Result<(), FileFault> {
        let hashed = hasher.update_reader(self.open()?);
        hashed.map_err(unreadable(&self.name))?;
        Ok(())
    }

    /// How `ffmpeg` gets at it: by no way to another machine.
    pub(super) fn protocols(&self) -> &'static str {
        match self.place {
            Place::File { part: Some(_), .. } => "file,subfile,pipe",
            _ => "file,pipe",
        }
    }

    /// How `ffmpeg` is told where it is. The prefix keeps a name with a colon or a dash from being taken for
    /// something else.
    pub(super) fn address(&self) -> Result<OsString, FileFault> {
        let (file, part) = self.on_disk()?;
        let mut address = OsString::new();
        if let Some(Part { offset }) = part {
            address.push(format!("subfile,,start,{offset},end,{},,:", offset + self.length));
        }
        address.push("file:");
        address.push(file);
        Ok(address)
    }
}

/// A file that the system does not let be read.
fn unreadable(name: &str) -> impl Fn(std::io::Error) -> FileFault + '_ {
    move |error| FileFault::new(name, format!("cannot be read: {error}"))
}
