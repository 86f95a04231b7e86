//! `gblend completions` and `gblend manual`: the command line, told to shells and to `man`.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, print};
use crate::error::{Error, Result};

/// Prints the completions of a shell, as in `gblend completions bash > ~/.local/share/bash-completion/completions/gblend`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), called(), &mut script);
        print(&String::from_utf8_lossy(&script))
    }
}

/// Writes manual pages, one for each command, as in `gblend manual ~/.local/share/man/man1`.
#[derive(Debug, Args)]
pub(super) struct Manual {
    /// The folder; it is made if it is not there.
    folder: PathBuf,
}

impl Manual {
    pub(super) fn run(self) -> Result<()> {
        let folder = &self.folder;
        std::fs::create_dir_all(folder).map_err(Error::write(folder))?;
        clap_mangen::generate_to(Arguments::command(), folder).map_err(Error::write(folder))?;
        print(&folder.display().to_string())
    }
}

/// What this binary is called: one with plugins has another name.
fn called() -> String {
    let first = std::env::args_os().next().map(PathBuf::from);
    let name = first.as_deref().and_then(std::path::Path::file_stem);
    name.and_then(|name| name.to_str()).unwrap_or("gblend").to_owned()
}
