//! Whether encoders come from a run that was trained on what is tested.
//!
//! A run of another fold, or of another division, has seen test samples of this one: its encoders know them by heart, and a test says
//! more than is true. That shows in no figure, so such a run is refused. What a file of parameters was trained on, nobody knows.

use std::path::Path;

use gblend_core::{Look, Reference};

use super::session::Session;
use crate::config::Pretrained;
use crate::data::{Splits, seen_before};
use crate::error::{Error, Result};
use crate::run_folder::TrainedRun;

/// Refuses runs that `pretrained` and `objective.to` name and that learned from test samples of this one.
///
/// # Errors
/// [`Error::Run`] with how many samples these are; what is wrong with the folder of such a run.
pub(super) fn refuse_pretrained_on_test(session: &Session<'_>, splits: &Splits) -> Result<()> {
    let config = session.config;
    if !config.is_tested() {
        return Ok(());
    }
    for (head, modality) in config.modalities.iter().enumerate() {
        let encoder = match &modality.pipeline.pretrained {
            Some(Pretrained::Run(run)) => Some((modality.key("pretrained"), run.as_path())),
            Some(Pretrained::File(_)) | None => None,
        };
        let look = session.objectives.of_head(head).look();
        let reference = match &look {
            Look::BesideReference(Reference::Run(run)) => {
                Some((modality.key("objective.to"), Path::new(run)))
            }
            _ => None,
        };
        for (key, run) in encoder.into_iter().chain(reference) {
            let folder = config.base.join(run);
            let Some(membership) = TrainedRun::membership_of_ended(&folder)? else {
                continue;
            };
            let found = seen_before(session.source.as_ref(), &session.prepared, splits, &membership);
            if let Some(example) = found.example {
                return Err(Error::Run {
                    folder,
                    problem: format!(
                        "{key}: {} of the samples that are tested here, such as `{example}`, were training, held-out or validation \
                         samples there, so that the test would say more than is true; name a run with the same test samples (of \
                         folds the method `pretrained` trains such), or go without a test (run.test = false)",
                        found.count
                    ),
                });
            }
        }
    }
    Ok(())
}
