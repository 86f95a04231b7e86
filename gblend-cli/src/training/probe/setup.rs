//! What the probes of an estimate share.

use std::sync::atomic::{AtomicUsize, Ordering};

use gblend_core::Seed;
use gblend_core::params::State;

use super::progress_file::{ProgressFile, origin};
use super::starting_point::StartingPoint;
use crate::data::{Evaluable, Splits, TrainSubset};
use crate::error::Result;
use crate::progress::Reporter;
use crate::run_folder::checkpoint::{ProbeName, ProbeStore};
use crate::training::session::Session;

/// What the probes of an estimate begin from, and how far they are together.
pub(super) struct ProbeSetup<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) splits: &'a Splits,
    /// The training samples on which losses are measured.
    pub(super) subset: TrainSubset,
    /// The live parameters and running statistics.
    pub(super) state: &'a State,
    pub(super) live: StartingPoint,
    /// The random stream of the estimate.
    pub(super) seed: Seed,
    pub(super) reporter: &'a Reporter,
    keeping: Option<&'a ProbeStore>,
    /// Hash of what every probe begins from.
    origin: String,
    /// Epochs that probes have trained.
    done: AtomicUsize,
    /// Epochs that they are going to train at most.
    most: AtomicUsize,
}

impl<'a> ProbeSetup<'a> {
    /// Probes from the live parameters in `state`, which keep how far they are in `keeping`.
    ///
    /// # Errors
    /// If the state cannot be hashed.
    pub(super) fn new(
        session: &'a Session<'a>,
        splits: &'a Splits,
        state: &'a State,
        live: StartingPoint,
        keeping: Option<&'a ProbeStore>,
        reporter: &'a Reporter,
    ) -> Result<Self> {
        Ok(Self {
            session,
            splits,
            // Fixed over the run, so that estimates compare.
            subset: splits
                .train
                .subset(subset_size(splits), session.seed("estimate.subset")),
            state,
            live,
            seed: live.seed(session),
            reporter,
            keeping,
            origin: match keeping {
                Some(_) => origin(session, splits, state, live)?,
                None => String::new(),
            },
            done: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        })
    }

    /// Where the probe of a head over these lengths keeps how far it is, if anywhere.
    pub(super) fn file(&self, head: usize, lengths: &[usize]) -> Option<ProgressFile<'a>> {
        Some(ProgressFile {
            store: self.keeping?,
            name: ProbeName {
                epoch: self.live.epoch,
                head,
            },
            origin: format!("{} {lengths:?}", self.origin),
        })
    }

    /// Probes are going to train for `epochs` epochs more than they have at most.
    pub(super) fn left(&self, epochs: usize) {
        let done = self.done.load(Ordering::Relaxed);
        let most = done.saturating_add(epochs);
        self.most.store(most, Ordering::Relaxed);
        self.reporter.probing(done, most);
    }

    /// Probes have trained so many epochs more.
    pub(super) fn trained(&self, epochs: usize) {
        let done = self.done.fetch_add(epochs, Ordering::Relaxed) + epochs;
        self.reporter.probing(done, self.most.load(Ordering::Relaxed));
    }
}

/// Training samples on which the training loss is measured: enough that the held-out ones, which are fewer, decide
/// how sure the estimate is.
fn subset_size(splits: &Splits) -> usize {
    (2 * splits.held_out.samples().len()).max(500)
}
