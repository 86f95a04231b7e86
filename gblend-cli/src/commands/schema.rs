//! `gblend schema`: for `cargo xtask gen` and editors.

use clap::Args;

use super::print_json;
use crate::config::json_schema;
use crate::error::Result;

/// Prints the JSON schema of configurations with the plugins of this binary.
#[derive(Debug, Args)]
pub(super) struct PrintSchema {}

impl PrintSchema {
    pub(super) fn run(self) -> Result<()> {
        print_json(&json_schema()?)
    }
}
