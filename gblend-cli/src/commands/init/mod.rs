//! `gblend init`.

mod from;
mod names;
mod plugin;
mod rendered;
mod template;

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use self::template::PluginRole;
use super::print;
use crate::config::BUILTIN;
use crate::error::{Error, Result};

/// Writes a configuration to start from: one that trains on your files, or the built-in one. Or a crate with a plugin of your own.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The file, which must not be there yet.
    #[arg(default_value = "gblend.toml", conflicts_with = "plugin")]
    file: PathBuf,
    /// Looks at a table, a folder or WebDataset shards (a pattern in quotes, if there are several), and writes a
    /// configuration that trains on it.
    #[arg(long, value_name = "TABLE|FOLDER|SHARD", conflicts_with = "plugin")]
    from: Option<PathBuf>,
    /// Column of the table that has the label, where that is not the one that is guessed.
    #[arg(long, value_name = "COLUMN", requires = "from")]
    label: Option<String>,
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
        if let Some(from) = &self.from {
            return print(&from::write(from, &self.file, self.label.as_deref())?);
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
    write_new_bytes(path, text.as_bytes())
}

fn write_new_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = std::fs::File::create_new(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Error::Usage(format!("{} is there already; name another file", path.display()))
        }
        _ => Error::write(path)(error),
    })?;
    file.write_all(bytes).map_err(Error::write(path))
}
