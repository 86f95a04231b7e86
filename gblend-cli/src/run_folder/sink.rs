//! Where training leaves what it makes on its way.

use std::collections::BTreeMap;
use std::sync::Arc;

use gblend_core::BlendReport;

use super::FoldFolders;
use super::checkpoint::{Checkpoint, ProbeStore};
use crate::error::Result;
use crate::records::EpochMetrics;

/// Receives what training leaves behind on its way.
pub trait Sink {
    /// An epoch is over.
    ///
    /// # Errors
    /// What could not be written.
    fn epoch(&mut self, metrics: &EpochMetrics) -> Result<()>;

    /// The strategy has made something of an estimate, which took `seconds`.
    ///
    /// # Errors
    /// What could not be written.
    fn blend(&mut self, report: &BlendReport, seconds: f64) -> Result<()>;

    /// How many bytes its logs have, by name: what a resumed run cuts them back to.
    ///
    /// # Errors
    /// What could not be read.
    fn logs(&mut self) -> Result<BTreeMap<String, u64>>;

    /// The run can go on from here if it is stopped.
    ///
    /// # Errors
    /// What could not be written, now or earlier.
    fn checkpoint(&mut self, checkpoint: Arc<Checkpoint>) -> Result<()>;

    /// Where the probes of estimates keep how far they are, if anywhere.
    fn probes(&self) -> Option<&ProbeStore> {
        None
    }

    /// Where the trainings of a pool's folds keep how far they are, if anywhere.
    fn folds(&self) -> Option<FoldFolders> {
        None
    }
}

/// Each in turn.
impl Sink for Vec<&mut dyn Sink> {
    fn epoch(&mut self, metrics: &EpochMetrics) -> Result<()> {
        self.iter_mut().try_for_each(|sink| sink.epoch(metrics))
    }

    fn blend(&mut self, report: &BlendReport, seconds: f64) -> Result<()> {
        self.iter_mut().try_for_each(|sink| sink.blend(report, seconds))
    }

    fn logs(&mut self) -> Result<BTreeMap<String, u64>> {
        let mut logs = BTreeMap::new();
        for sink in self {
            logs.extend(sink.logs()?);
        }
        Ok(logs)
    }

    fn checkpoint(&mut self, checkpoint: Arc<Checkpoint>) -> Result<()> {
        self.iter_mut()
            .try_for_each(|sink| sink.checkpoint(Arc::clone(&checkpoint)))
    }

    fn probes(&self) -> Option<&ProbeStore> {
        self.iter().find_map(|sink| sink.probes())
    }

    fn folds(&self) -> Option<FoldFolders> {
        self.iter().find_map(|sink| sink.folds())
    }
}
