//! `--device`, which every command has that computes.

use std::path::Path;

use clap::Args;

use crate::config::{Config, DeviceChoice, Override};
use crate::error::Result;
use crate::progress::Reporter;
use crate::run_folder::TrainedRun;

/// The option.
#[derive(Debug, Args)]
pub(super) struct DeviceOption {
    /// Where to compute: cpu, or cuda or cuda:N in a binary built for it. Overrides run.device.
    #[arg(long, value_name = "cpu|cuda|cuda:N")]
    device: Option<DeviceChoice>,
}

impl DeviceOption {
    /// What it overrides in the configuration.
    pub(super) fn overrides(&self) -> Option<Override> {
        let device = self.device?;
        Some(Override::new(&["run", "device"], device.to_string()))
    }

    /// A run with a model, and its configuration with that device. Of one that did not end it is said how far it came.
    ///
    /// # Errors
    /// What either has wrong.
    pub(super) fn open_run(&self, folder: &Path, reporter: &Reporter) -> Result<(TrainedRun, Config)> {
        let run = TrainedRun::open(folder)?;
        if let Some(stopped) = &run.stopped {
            reporter.warn(&stopped.to_string());
        }
        let overrides: Vec<Override> = self.overrides().into_iter().collect();
        let config = Config::of_run(&run.config_path(), &overrides)?;
        Ok((run, config))
    }
}
