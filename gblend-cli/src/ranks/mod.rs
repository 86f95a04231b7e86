//! Several processes that train one model: what they say to each other.
//!
//! A rank is one of them, counted from 0. Everything that is said goes from one rank to another over a [`Link`]; what all do together
//! is made of that here, so that it is the same over MPI and between threads, and so that no sum depends on who was faster: values
//! are added in the order of the ranks. One process alone is [`Ranks::alone`], to whom all of this costs nothing.

mod agreement;
mod bytes;
mod link;
#[cfg(feature = "mpi")]
mod mpi;
mod queue;
mod rows;
mod sum;
mod threads;

use std::sync::Arc;

use crate::error::{Error, Result};

pub use agreement::Identity;
pub(crate) use bytes::{Reader, Writer};
pub use link::Link;
#[cfg(feature = "mpi")]
pub use mpi::Job;
pub use queue::Failed;
pub use threads::between_threads;

/// The ranks of a job, as one of them sees it.
#[derive(Clone, Debug, Default)]
pub struct Ranks {
    link: Option<Arc<dyn Link>>,
}

/// What a message is part of, its first byte: ranks that are not at the same place of the program notice at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Gather = 1,
    Broadcast,
    Terms,
    Sums,
    Task,
    Answer,
    NoMore,
}

impl Ranks {
    /// One process, which is all there is.
    pub const fn alone() -> Self {
        Self { link: None }
    }

    /// A rank with links to all others.
    pub fn over(link: Arc<dyn Link>) -> Self {
        Self { link: Some(link) }
    }

    /// Which one this is, counted from 0.
    pub fn rank(&self) -> usize {
        self.link.as_ref().map_or(0, |link| link.rank())
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.link.as_ref().map_or(1, |link| link.size())
    }

    /// Whether this is rank 0, which writes and speaks for all.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Whether there are others.
    pub fn is_many(&self) -> bool {
        self.size() > 1
    }

    /// What messages call a rank.
    pub fn name(&self, rank: usize) -> String {
        self.link
            .as_ref()
            .map_or_else(|| format!("rank {rank}"), |link| link.name(rank))
    }

    /// Everybody but this rank, in order.
    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let own = self.rank();
        (0..self.size()).filter(move |&rank| rank != own)
    }

    fn send(&self, to: usize, kind: Kind, content: &[u8]) -> Result<()> {
        let mut message = Vec::with_capacity(content.len() + 1);
        message.push(kind as u8);
        message.extend_from_slice(content);
        match &self.link {
            Some(link) => link.send(to, message),
            None => Err(Error::Internal("one process alone has nobody to send to".into())),
        }
    }

    fn receive_any(&self, from: usize) -> Result<(u8, Vec<u8>)> {
        let Some(link) = &self.link else {
            return Err(Error::Internal(
                "one process alone has nobody to hear from".into(),
            ));
        };
        let mut message = link.receive(from)?;
        if message.is_empty() {
            return Err(self.astray(from));
        }
        let kind = message.remove(0);
        Ok((kind, message))
    }

    fn receive(&self, from: usize, kind: Kind) -> Result<Vec<u8>> {
        match self.receive_any(from)? {
            (found, content) if found == kind as u8 => Ok(content),
            _ => Err(self.astray(from)),
        }
    }

    /// The error of a rank that says something that nobody waits for.
    fn astray(&self, from: usize) -> Error {
        Error::Internal(format!(
            "{} and {} are not at the same place of the program",
            self.name(from),
            self.name(self.rank())
        ))
    }

    /// What every rank has, in the order of the ranks.
    ///
    /// # Errors
    /// [`Error::Rank`] if one cannot be heard from.
    pub fn gather(&self, own: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        for rank in self.others() {
            self.send(rank, Kind::Gather, &own)?;
        }
        let mut own = Some(own);
        let all = (0..self.size()).map(|rank| match rank == self.rank() {
            true => Ok(own.take().unwrap_or_default()),
            false => self.receive(rank, Kind::Gather),
        });
        all.collect()
    }

    /// What rank 0 has, which alone calls `make`.
    ///
    /// # Errors
    /// What `make` returns, to rank 0; [`Error::Rank`].
    pub fn broadcast(&self, make: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
        if !self.is_first() {
            return self.receive(0, Kind::Broadcast);
        }
        let content = make()?;
        for rank in self.others() {
            self.send(rank, Kind::Broadcast, &content)?;
        }
        Ok(content)
    }

    /// As [`broadcast`](Self::broadcast), of something that JSON holds.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub fn broadcast_json<T: serde::Serialize + serde::de::DeserializeOwned>(
        &self,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let internal = |error: serde_json::Error| Error::Internal(error.to_string());
        let mut made = None;
        let content = self.broadcast(|| {
            let content = make()?;
            let json = match self.is_many() {
                true => serde_json::to_vec(&content).map_err(internal)?,
                false => Vec::new(),
            };
            made = Some(content);
            Ok(json)
        })?;
        match made {
            Some(made) => Ok(made),
            None => serde_json::from_slice(&content).map_err(internal),
        }
    }

    /// Whether any rank says yes.
    ///
    /// # Errors
    /// [`Error::Rank`].
    pub fn any(&self, own: bool) -> Result<bool> {
        let all = self.gather(vec![u8::from(own)])?;
        Ok(all.iter().any(|answer| answer.contains(&1)))
    }

    /// Waits until everybody is here.
    ///
    /// # Errors
    /// [`Error::Rank`].
    pub fn meet(&self) -> Result<()> {
        self.gather(Vec::new()).map(|_| ())
    }

    /// The bounds of the part of each rank of so many things, in the order of the ranks: even to one.
    pub fn bounds(&self, things: usize) -> Vec<usize> {
        bounds(things, self.size())
    }
}

/// Where each of `parts` parts of `things` things begins, and the end of the last.
pub(crate) fn bounds(things: usize, parts: usize) -> Vec<usize> {
    (0..=parts).map(|part| part * things / parts.max(1)).collect()
}

#[cfg(test)]
mod tests;
