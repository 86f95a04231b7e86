//! Python, for what other frameworks make of the same.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::process::{output_of, succeed, workspace};

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

/// The folder of installed packages of the virtual environment `target/peers/NAME`, which is made if it is not there or has
/// other `packages`, given as `NAME==VERSION`. `None` if they cannot be installed here.
pub(crate) fn wheels(name: &str, packages: &[&str]) -> Result<Option<PathBuf>> {
    let folder = workspace().join("target/peers").join(name);
    let python = folder.join("bin/python");
    let note = folder.join("installed");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&note).is_ok_and(|installed| installed == wanted) {
        return site_packages(&python).map(Some);
    }
    let make = succeed(Command::new("python3").args(["-m", "venv"]).arg(&folder));
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    if let Err(error) = make.and_then(|()| succeed(Command::new(&python).args(install).args(packages))) {
        println!("{error}");
        return Ok(None);
    }
    std::fs::write(&note, wanted)?;
    site_packages(&python).map(Some)
}

fn site_packages(python: &Path) -> Result<PathBuf> {
    let code = "import sysconfig; print(sysconfig.get_path('purelib'))";
    Ok(output_of(Command::new(python).args(["-c", code]))?.trim().into())
}
