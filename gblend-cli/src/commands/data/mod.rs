//! `gblend data`.

mod export;

use clap::{Args, Subcommand};

use crate::error::Result;

/// Does something with a dataset, short of training on it.
#[derive(Debug, Args)]
pub(super) struct Data {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a dataset as ordinary files, with a table and a configuration.
    Export(export::Export),
}

impl Data {
    pub(super) fn run(self) -> Result<()> {
        match self.command {
            Command::Export(command) => command.run(),
        }
    }
}
