//! How good each head was in a step, read from the device when somebody needs it.
//!
//! Reading waits until the device has done everything that it was told so far. On the CPU that is no wait, and scores are
//! read before any parameter moves; on a GPU they are read some steps later, unless the strategy looks at them.

use std::sync::Arc;

use gblend_core::tensor::{Dims2, Snapshot};
use gblend_core::{Array, Keys, Logits, Targets};

use super::context::StepContext;
use crate::data::WholeBatch;
use crate::error::{Error, Result};
use crate::network::Criteria;
use crate::records::Score;

/// The most steps whose scores wait to be read.
pub(crate) const MOST_UNREAD: usize = 64;

/// Accuracy and loss of each head on the samples of a batch that it sees; `None` for heads that were not computed.
pub enum Scores {
    /// They are known.
    Read(Vec<Option<Score>>),
    /// They are on the device.
    Unread(Unread),
}

/// What the scores of a step are computed from.
pub struct Unread {
    /// The output of each head, and what it should have said.
    heads: Vec<Option<(Snapshot<Dims2>, Targets)>>,
    /// What the joint head's samples were to be found among.
    keys: Option<Arc<Keys>>,
    step: u64,
    epoch: usize,
    prefix: String,
}

impl Unread {
    /// Of the outputs of step `step`, counted from 1.
    pub(crate) fn new(
        logits: &[Option<Logits>],
        whole: &WholeBatch,
        keys: Option<Arc<Keys>>,
        step: u64,
        context: StepContext<'_>,
    ) -> Self {
        let heads = logits.iter().enumerate().map(|(head, logits)| {
            let logits = logits.as_ref()?.snapshot();
            Some((logits, whole.targets_of(head).into_owned()))
        });
        Self {
            heads: heads.collect(),
            keys,
            step,
            epoch: context.epoch,
            prefix: context.prefix.to_owned(),
        }
    }

    /// The output of each head, `[samples, width]`.
    pub(crate) fn rows(&self) -> Result<Vec<Option<Array>>> {
        let heads = self.heads.iter();
        let rows = heads.map(|head| head.as_ref().map(|(logits, _)| logits.to_array()).transpose());
        Ok(rows.collect::<gblend_core::Result<_>>()?)
    }

    /// The scores, from what [`rows`](Self::rows) returned.
    ///
    /// # Errors
    /// [`Error::Diverged`] if a loss is not finite.
    pub(crate) fn scores_of(
        &self,
        rows: &[Option<Array>],
        criteria: &Criteria,
        names: &[String],
    ) -> Result<Vec<Option<Score>>> {
        let heads = self.heads.iter().zip(rows).zip(names).enumerate();
        let scores = heads.map(|(position, ((head, rows), name))| {
            let (Some((_, targets)), Some(rows)) = (head, rows) else {
                return Ok(None);
            };
            let keys = self.keys.as_deref().filter(|_| position + 1 == criteria.heads());
            let score = Score::among(criteria.of(position).get(), rows, targets, keys)?;
            if score.loss.is_finite() {
                return Ok(Some(score));
            }
            Err(Error::Diverged {
                what: format!("{}the loss of head `{name}`", self.prefix),
                value: score.loss,
                step: self.step,
                epoch: self.epoch,
            })
        });
        scores.collect()
    }

    /// Reads them; `names` are those of the heads.
    ///
    /// # Errors
    /// [`Error::Diverged`] if a loss is not finite.
    pub fn read(&self, criteria: &Criteria, names: &[String]) -> Result<Vec<Option<Score>>> {
        self.scores_of(&self.rows()?, criteria, names)
    }
}
