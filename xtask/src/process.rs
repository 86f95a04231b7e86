//! Running other programs in the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// The folder of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// `cargo` as it runs this task.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace());
    command
}

/// Arguments of a `cargo build` whose code is linked, and hardly run, so that optimizing it would be most of its time: these
/// crates of the workspace at this level.
pub(crate) fn at_level(level: u8, crates: &[&str]) -> impl Iterator<Item = String> {
    crates.iter().flat_map(move |name| {
        [
            "--config".to_owned(),
            format!("profile.dev.package.{name}.opt-level={level}"),
        ]
    })
}

/// Runs a command that must succeed.
pub(crate) fn succeed(command: &mut Command) -> Result {
    let line = format!("{command:?}");
    println!("$ {line}");
    let status = command.status().map_err(|error| format!("{line}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{line} ended with {status}").into())
    }
}

/// Runs a command that must succeed, and returns its standard output.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let line = format!("{command:?}");
    let output = command.output().map_err(|error| format!("{line}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{line}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
