//! `gblend check`.

use std::path::PathBuf;

use clap::Args;
use gblend_core::LabelKind;
use gblend_core::params::parameter_count;

use super::device::DeviceOption;
use super::print;
use super::train::parse_overrides;
use crate::config::{Config, Objectives};
use crate::error::{Error, Result};
use crate::progress::Reporter;
use crate::training::session::{Session, with_threads};

/// Checks everything that `train` needs, short of training.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The configuration file. Without one the built-in scene is checked.
    config: Option<PathBuf>,
    /// Overrides a key of the configuration, as in --set blend.kind=equal.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    device: DeviceOption,
    /// Shows no progress.
    #[arg(long)]
    quiet: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<()> {
        let mut overrides = parse_overrides(&self.set, None)?;
        overrides.extend(self.device.overrides());
        let config = Config::load(self.config.as_deref(), &overrides)?;
        let reporter = Reporter::new(self.quiet);
        let text = with_threads(config.run.threads, || {
            let (session, splits) = Session::open_thoroughly(&config, &reporter)?;
            let mut model = session.initial_model()?;
            config.blend.start(&session.heads)?;
            session.load_one_batch(&splits)?;
            let source = session.source.as_ref();
            let [train, held_out, validation, test] = splits.sizes();
            let mut lines = vec![format!(
                "samples: {train} training, {held_out} held out, {validation} validation, {test} test, such as {}",
                source.sample(0).id
            )];
            if session.skipped_samples > 0 {
                lines.push(format!("skipped: {} samples", session.skipped_samples));
                lines.extend(session.skipped.iter().map(|problem| format!("  {problem}")));
            }
            if splits.unlabeled() > 0 {
                lines.push(format!(
                    "without a label, and left out: {} samples",
                    splits.unlabeled()
                ));
            }
            lines.push(match source.label_kind() {
                LabelKind::Number => "labels: numbers".to_owned(),
                _ => format!("classes: {}", source.classes().join(", ")),
            });
            lines.extend(asked(
                &session.objectives,
                session.heads.names(),
                config.objective.is_some(),
            ));
            let modalities = config.modalities.iter().zip(session.sample_shapes()?);
            for ((modality, shape), fitted) in modalities.zip(&session.fitted) {
                let kind = modality.plugin.typetag_name();
                lines.push(format!(
                    "modality {}: {kind}, samples of shape {shape:?}",
                    modality.name
                ));
                lines.extend(fitted.summary().iter().map(|line| format!("  {line}")));
            }
            lines.push(format!("parameters: {}", parameter_count(&mut model)?));
            lines.push("everything that training needs is there".to_owned());
            Ok(lines.join("\n"))
        })
        .map_err(Error::located(&config))?;
        reporter.finish();
        print(&text)
    }
}

/// What heads are asked, where the configuration says so.
fn asked(objectives: &Objectives<'_>, names: &[String], joint: bool) -> Vec<String> {
    let heads = names.iter().enumerate();
    let named = heads.filter(|(head, _)| objectives.own(*head).is_some() || joint && head + 1 == names.len());
    named
        .map(|(head, name)| format!("objective of {name}: {}", objectives.of_head(head).typetag_name()))
        .collect()
}
