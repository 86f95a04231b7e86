//! Python, for what other frameworks make of the same.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Result;
use crate::process::{succeed, workspace};

/// The Python of the virtual environment `target/peers/NAME`, which is made if it is not there or a package is missing.
/// The packages must be called as their modules are.
pub(crate) fn environment(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = workspace().join("target/peers").join(name);
    let python = folder.join("bin/python");
    let imports = format!("import {}", packages.join(", "));
    let check = Command::new(&python)
        .args(["-c", &imports])
        .stderr(Stdio::null())
        .status();
    if !check.is_ok_and(|status| status.success()) {
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        succeed(Command::new(&python).args(install).args(packages))?;
    }
    Ok(python)
}
