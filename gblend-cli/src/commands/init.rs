//! `gblend init`.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use clap::Args;

use super::print;
use crate::config::BUILTIN;
use crate::error::{Error, Result};

/// Writes the built-in configuration to a file, to start from.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The file, which must not be there yet.
    #[arg(default_value = "gblend.toml")]
    file: PathBuf,
}

impl Init {
    pub(super) fn run(self) -> Result<()> {
        let mut file = std::fs::File::create_new(&self.file).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Error::Usage(format!(
                "{} is there already; name another file",
                self.file.display()
            )),
            _ => Error::write(&self.file)(error),
        })?;
        file.write_all(BUILTIN.as_bytes())
            .map_err(Error::write(&self.file))?;
        print(&format!(
            "wrote {0}; train with `gblend train {0}`",
            self.file.display()
        ))
    }
}
