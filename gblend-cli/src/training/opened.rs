//! The dataset of a task, opened by all ranks of a job.

use gblend_core::AutoDevice;
use gblend_core::device::DeviceKind;

use crate::config::Config;
use crate::data::{Splits, write_membership};
use crate::error::{Error, Result};
use crate::progress::Reporter;
use crate::ranks::{Identity, Ranks};
use crate::records::FittedModalities;
use crate::training::alike::agree_on_task;
use crate::training::session::Session;

/// Opens the dataset on every rank. Those whose cache is in the same place share out the preparation of samples.
///
/// # Errors
/// As [`Session::open_with`]; if ranks are another program or have another configuration or dataset.
pub fn open_together<'c>(
    config: &'c Config,
    fitted: &FittedModalities,
    ranks: &Ranks,
    reporter: &Reporter,
) -> Result<(Session<'c>, Splits)> {
    agree_on_task(config, ranks)?;
    if ranks.is_many() {
        refuse_on_gpus()?;
    }
    let (mut session, splits) = Session::open_among(config, fitted, ranks, reporter)?;
    if ranks.is_many() {
        let identity = Identity::default();
        ranks.agree(&identity.with("dataset", dataset_hash(&session, &splits)?))?;
    }
    session.ranks = ranks.clone();
    Ok((session, splits))
}

/// What tells a dataset and its division from another.
fn dataset_hash(session: &Session<'_>, splits: &Splits) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    write_membership(&mut hasher, session.source.as_ref(), &session.prepared, splits)
        .map_err(|error| Error::Internal(error.to_string()))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Several ranks compute on processors.
fn refuse_on_gpus() -> Result<()> {
    match AutoDevice::KIND {
        DeviceKind::Cpu => Ok(()),
        _ => Err(Error::Usage(
            "--distributed: ranks compute on processors, and this gblend computes on a GPU; take a binary that was built without \
             `cuda`"
                .into(),
        )),
    }
}
