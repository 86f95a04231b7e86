//! `gblend train --dry-run`: what a run would do, short of doing it.

use gblend_core::Estimator;

use super::inspected::{duration, looked_at};
use crate::config::{Config, Select};
use crate::data::Evaluable;
use crate::error::Result;
use crate::network::part_sizes;
use crate::progress::Reporter;
use crate::run_folder::Destination;
use crate::training::session::Session;

/// What would be trained on what, how, for how long, and where its result would go.
///
/// # Errors
/// Everything that the run would end with before its first step, and in it.
pub(super) fn dry_run(config: &Config, destination: &Destination, reporter: &Reporter) -> Result<String> {
    let folder = destination.preview()?;
    let (mut session, splits) = Session::open_without_writing(config, reporter)?;
    let (mut model, origins) = session.initial_model_and_origins()?;
    let sizes = part_sizes(&mut model)?;
    let blend = config.start_blend(&session.heads)?;
    let request = blend.estimate_due(0, config.run.epochs);
    let (mut lines, trial) = looked_at(&mut session, &splits, &mut model, &origins, false)?;
    let parts = sizes.iter().map(|(part, values)| format!("{part} {values}"));
    lines.push(format!(
        "parameters of the parts: {}",
        parts.collect::<Vec<_>>().join(", ")
    ));
    let shapes = (0..config.modalities.len()).map(|position| session.prepared.sample_shape(position));
    let values: usize = shapes.map(|shape| shape.iter().product::<usize>()).sum();
    let samples = splits.all().len();
    let bytes = (values as u64).saturating_mul(samples as u64 * size_of::<f32>() as u64);
    lines.push(format!(
        "prepared samples: {} MiB, of which run.memory = {} keeps in memory; the rest would be read from {}",
        bytes.div_ceil(1 << 20),
        config.run.memory,
        config.run.cache.display()
    ));
    lines.push(format!(
        "training: {} epochs of {} batches, blend `{}`, optimizer `{}` with the schedule {}",
        config.run.epochs,
        trial.steps_per_epoch,
        config.blend.plugin.typetag_name(),
        config.optimizer.plugin.typetag_name(),
        config.optimizer.pipeline.schedule.name(),
    ));
    lines.extend(request.map(|request| match request.estimator {
        Estimator::Probe { epochs, .. } => {
            let most = epochs.iter().max().copied().unwrap_or(0);
            let heads = session.heads.len();
            let seconds = trial.seconds_per_epoch().map(|seconds| {
                format!(", up to about {} each", duration(seconds * (most * heads) as f64))
            });
            format!(
                "estimates: by probes, the first before epoch 1: {heads} networks train for up to {most} epochs{}",
                seconds.unwrap_or_default()
            )
        }
        Estimator::Gradient { .. } => "estimates: by gradients, the first before epoch 1".to_owned(),
    }));
    let validation = splits.validation.samples().len();
    lines.push(match (config.run.select, validation) {
        (Select::Best, 1..) => {
            let again = if config.run.refit {
                ", then trains to it once more with these"
            } else {
                ""
            };
            format!("selection: the epoch that {validation} validation samples say is best{again}")
        }
        _ => "selection: the last epoch".to_owned(),
    });
    let [.., test] = splits.sizes();
    lines.push(match config.is_tested() {
        true => format!("test: {test} samples, once, in the end"),
        false => "test: none (run.test, or the shares of the dataset)".to_owned(),
    });
    lines.push(format!(
        "run folder: {}, which is not there yet",
        folder.display()
    ));
    lines.push(
        "nothing was written, and no epoch was trained: two steps were tried on a network that is gone"
            .to_owned(),
    );
    Ok(lines.join("\n"))
}
