//! `gblend init`.

mod names;
mod plugin;
mod template;

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use self::template::PluginRole;
use super::print;
use crate::config::BUILTIN;
use crate::error::{Error, Result};

/// Writes the built-in configuration to a file, to start from, or a crate with a plugin of your own.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The file, which must not be there yet.
    #[arg(default_value = "gblend.toml", conflicts_with = "plugin")]
    file: PathBuf,
    /// Writes a crate with a plugin of this kind, its tests and a binary, into a new folder of this name.
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// What the plugin is.
    #[arg(long, requires = "plugin", value_enum, default_value_t = PluginRole::Modality)]
    role: PluginRole,
    /// Folder of gblend's repository that the crate is built against. Default: the released crates.
    #[arg(long, value_name = "FOLDER", requires = "plugin")]
    gblend: Option<PathBuf>,
}

impl Init {
    pub(super) fn run(self) -> Result<()> {
        if let Some(name) = &self.plugin {
            plugin::write(name, self.role, self.gblend.as_deref())?;
            return print(&plugin::next_steps(name, self.gblend.as_deref()));
        }
        write_new(&self.file, BUILTIN)?;
        print(&format!(
            "wrote {0}; train with `gblend train {0}`",
            self.file.display()
        ))
    }
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, text: &str) -> Result<()> {
    let mut file = std::fs::File::create_new(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Error::Usage(format!("{} is there already; name another file", path.display()))
        }
        _ => Error::write(path)(error),
    })?;
    file.write_all(text.as_bytes()).map_err(Error::write(path))
}
