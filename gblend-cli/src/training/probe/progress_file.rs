//! Where a probe keeps how far it is.

use gblend_core::params::State;

use super::starting_point::StartingPoint;
use crate::data::Splits;
use crate::error::Result;
use crate::files::to_safetensors;
use crate::records::ProbeLosses;
use crate::run_folder::checkpoint::{Arrays, Position, ProbeName, ProbeProgress, ProbeStore, capture};
use crate::training::learner::Learner;
use crate::training::session::Session;

/// Where one probe keeps how far it is.
pub(super) struct ProgressFile<'a> {
    pub(super) store: &'a ProbeStore,
    pub(super) name: ProbeName,
    /// What it began from, and how far it is to go.
    pub(super) origin: String,
}

impl ProgressFile<'_> {
    /// How far it was when the run stopped, if that is known.
    pub(super) fn read(&self) -> Option<ProbeProgress> {
        self.store.read(self.name, &self.origin)
    }

    /// Keeps where it stands.
    ///
    /// # Errors
    /// [`Error::Write`](crate::Error::Write).
    pub(super) fn write(
        &self,
        position: Position,
        losses: &ProbeLosses,
        learner: &mut Learner<'_>,
    ) -> Result<()> {
        let arrays = capture(&mut learner.model.changing(), learner.optimizer.state())?;
        self.keep(position, losses, Some(arrays))
    }

    /// Keeps that it is over.
    ///
    /// # Errors
    /// [`Error::Write`](crate::Error::Write).
    pub(super) fn end(&self, position: Position, losses: &ProbeLosses) -> Result<()> {
        self.keep(position, losses, None)
    }

    fn keep(&self, position: Position, losses: &ProbeLosses, arrays: Option<Arrays>) -> Result<()> {
        let progress = ProbeProgress {
            position,
            losses: losses.clone(),
            arrays,
        };
        self.store.write(self.name, &self.origin, progress)
    }
}

/// Hash of all that decides what a probe shows, but for the configuration, which a resumed run shares.
pub(super) fn origin(
    session: &Session<'_>,
    splits: &Splits,
    state: &State,
    live: StartingPoint,
) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    hasher.update(splits.fingerprint(session.source.as_ref()).as_bytes());
    hasher.update(&live.schedule_step.to_le_bytes());
    hasher.update(&to_safetensors(state)?);
    Ok(hasher.finalize().to_hex().to_string())
}
