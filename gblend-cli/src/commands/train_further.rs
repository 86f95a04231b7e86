//! `gblend train --resume RUN --epochs N`: more epochs than a run was to have.

use std::path::Path;

use crate::config::{Config, Override, task_differences};
use crate::error::{Error, Result};
use crate::records::Summary;
use crate::run_folder::RunProgress;

/// Keys in which a run that is trained further may differ from what it was.
const MAY_DIFFER: [&str; 2] = ["run.epochs", "run.patience"];

/// The configuration of a run that goes on to `epochs` epochs: its own but for these, and for what changes nothing in what there
/// is already.
///
/// # Errors
/// [`Error::Run`] where further epochs have no meaning: a schedule that ends with the planned ones, a network that was trained on
/// validation samples, a run that stopped because nothing got better, or one whose checkpoints are gone.
pub(super) fn config(run: &Path, epochs: usize, overrides: &[Override]) -> Result<Config> {
    let refused = |problem: String| Error::Run {
        folder: run.to_owned(),
        problem,
    };
    let own = run.join("config.toml");
    let text = std::fs::read_to_string(&own).map_err(Error::read(&own))?;
    let progress = RunProgress::read(run)?;
    let ended = progress.summary.as_ref();
    let done = progress.epochs;
    if epochs <= done {
        return Err(refused(format!(
            "--epochs {epochs}: the run has {done} epochs already; expected more"
        )));
    }
    let planned = Config::of_run(&own, &[])?;
    let mut all = overrides.to_vec();
    let wanted = i64::try_from(epochs).unwrap_or(i64::MAX);
    all.push(Override::new(&["run", "epochs"], wanted));
    let config = Config::of_run(&own, &all)?;
    let mut others = task_differences(&text, &config.to_toml()?);
    others.retain(|key| !MAY_DIFFER.contains(&&**key));
    if !others.is_empty() {
        return Err(refused(format!(
            "the run has another configuration ({}); only {} may change when it is trained further",
            others.join(", "),
            MAY_DIFFER.join(" and ")
        )));
    }
    let schedule = config.optimizer.pipeline.schedule;
    if schedule.depends_on_length() && epochs != planned.run.epochs {
        return Err(refused(format!(
            "the learning rate follows the schedule `{}`, which ends with the {} epochs that the run was planned for: further \
             ones have no rate, and the first would have had others. Train anew with run.epochs = {epochs}, or begin a run from \
             this one's encoders (modality.NAME.pretrained)",
            schedule.name(),
            planned.run.epochs
        )));
    }
    if progress.refit || ended.is_some_and(|summary| summary.refitted) {
        return Err(refused(
            "the network was trained once more with the validation samples (run.refit), which can select no further epoch; train \
             anew, or with run.refit = false"
                .into(),
        ));
    }
    if let Some(early) = ended.and_then(|summary| stopped_early(summary, &planned, &config)) {
        return Err(refused(early));
    }
    if !progress.has_checkpoint {
        return Err(refused(
            "its checkpoints, from which training goes on, are gone or damaged: a run keeps the last one unless checkpoint.keep = false, runs \
             of comparisons keep none unless it is true, and those of older versions kept none"
                .into(),
        ));
    }
    Ok(config)
}

/// Whether nothing got better for as long as the run waits for, and it waits no longer now.
fn stopped_early(summary: &Summary, planned: &Config, config: &Config) -> Option<String> {
    let waited = planned.run.patience?;
    let still = config.run.patience.is_some_and(|patience| patience <= waited);
    (summary.epochs < planned.run.epochs && still).then(|| {
        format!(
            "the run ended after epoch {}, because none of the last {waited} was better (run.patience): it would end again at \
             once; --set run.patience=… lets it wait longer",
            summary.epochs
        )
    })
}
