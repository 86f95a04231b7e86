//! `--device`, which every command has that computes.

use clap::Args;

use crate::config::{DeviceChoice, Override};

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
}
