//! What all ranks must have alike.

use std::path::Path;
use std::sync::OnceLock;

use super::{Ranks, Reader, Writer};
use crate::error::{Error, Result};

/// What a rank has, by what messages call it.
#[derive(Debug, Default)]
pub struct Identity {
    parts: Vec<(&'static str, String)>,
}

impl Identity {
    /// With one thing more: what it is called, and what tells it from others.
    #[must_use]
    pub fn with(mut self, name: &'static str, is: impl Into<String>) -> Self {
        self.parts.push((name, is.into()));
        self
    }

    /// With the program that runs here.
    ///
    /// # Errors
    /// [`Error::Read`] if it cannot be read.
    pub fn with_program(self) -> Result<Self> {
        /// It stays what it is.
        static PROGRAM: OnceLock<String> = OnceLock::new();
        if let Some(known) = PROGRAM.get() {
            return Ok(self.with("gblend", known));
        }
        let unknown = |source| Error::Read {
            path: "the running program".into(),
            source,
        };
        let path = std::env::current_exe().map_err(unknown)?;
        let hash = hash_of_file(&path)?;
        Ok(self.with("gblend", PROGRAM.get_or_init(|| hash)))
    }
}

fn hash_of_file(path: &Path) -> Result<String> {
    let file = std::fs::File::open(path).map_err(Error::read(path))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(Error::read(path))?;
    Ok(hasher.finalize().to_hex().to_string())
}

impl Ranks {
    /// Makes sure that all ranks have the same. All find the same error if not.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the first rank that has something else than rank 0, and what.
    pub fn agree(&self, identity: &Identity) -> Result<()> {
        if !self.is_many() {
            return Ok(());
        }
        let mut own = Writer::default();
        for (_, is) in &identity.parts {
            own.bytes(is.as_bytes());
        }
        let all = self.gather(own.finish())?;
        for (rank, other) in all.iter().enumerate() {
            let (mut first, mut other) = (Reader::new(&all[0]), Reader::new(other));
            for (name, _) in &identity.parts {
                if first.bytes()? != other.bytes()? {
                    return Err(Error::Usage(format!(
                        "{} has another {name} than {}: all ranks of a job need the same; copy it there, or name a place that all of \
                         them see",
                        self.name(rank),
                        self.name(0)
                    )));
                }
            }
        }
        Ok(())
    }

    /// Makes sure that what all ranks have computed is the same.
    ///
    /// # Errors
    /// [`Error::Rank`] that names the first rank that has something else than rank 0: the same on all ranks.
    pub fn check_same(&self, what: &str, own: &[u8]) -> Result<()> {
        let all = self.gather(own.to_vec())?;
        match all.iter().position(|other| *other != all[0]) {
            None => Ok(()),
            Some(rank) => Err(Error::Rank {
                rank: self.name(rank),
                problem: format!(
                    "{what} are not those of {}: its processor computes other digits; run on machines of one kind",
                    self.name(0)
                ),
                code: 1,
            }),
        }
    }

    /// How many ranks are on this one's machine, and which of them it is.
    pub fn on_machine(&self) -> (usize, usize) {
        self.link.as_ref().map_or((1, 0), |link| link.on_machine())
    }
}
