//! `gblend check`.

use std::path::PathBuf;

use clap::Args;

use super::device::DeviceOption;
use super::inspected::looked_at;
use super::print;
use super::train::parse_overrides;
use crate::config::Config;
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
    /// Lists every sample that cannot be used, and not only how many there are of each kind, with the first.
    #[arg(long)]
    all: bool,
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
            let (mut session, splits) = Session::open_thoroughly(&config, &reporter)?;
            let (mut model, origins) = session.initial_model_and_origins()?;
            let (mut lines, _) = looked_at(&mut session, &splits, &mut model, &origins, self.all)?;
            lines.push("everything that training needs is there".to_owned());
            Ok(lines.join("\n"))
        })
        .map_err(|error| match error {
            Error::Samples(problems) if self.all => Error::EverySample(problems),
            other => other,
        })
        .map_err(Error::located(&config))?;
        reporter.finish();
        print(&text)
    }
}
