//! `cargo xtask wheel`: the wheel of gblend is built, installed where nothing else is, and does what its pages promise.

use std::path::PathBuf;
use std::process::Command;

use crate::Result;
use crate::metadata::target_directory;
use crate::process::{succeed, workspace};
use crate::python::environment;

/// What the binary is built with beside its own features: those of the workspace's tests, which have built all of it before.
const FEATURES_OF_TESTS: &str = "gblend-core/conformance,indicatif/in_memory";

pub(crate) fn run() -> Result {
    let target = target_directory()?;
    let folder = target.join("wheels/checked");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let maturin = environment("wheel", &["maturin"])?;
    succeed(
        Command::new(&maturin)
            .args(["-m", "maturin", "build", "--quiet", "--profile", "dev"])
            // Which machines it runs on is a matter of the release, which is built on an old one.
            .args(["--compatibility", "linux", "--features", FEATURES_OF_TESTS])
            .arg("--manifest-path")
            .arg(workspace().join("gblend-cli/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .arg("--out")
            .arg(&folder)
            .current_dir(workspace()),
    )?;
    let wheels = std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path()));
    let wheels: Vec<PathBuf> = wheels.collect::<Result<_>>()?;
    let [wheel] = wheels.as_slice() else {
        return Err(format!(
            "{}: found {} files, expected one wheel",
            folder.display(),
            wheels.len()
        )
        .into());
    };
    let clean = folder.join("environment");
    succeed(Command::new("python3").args(["-m", "venv"]).arg(&clean))?;
    let python = clean.join("bin/python");
    succeed(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-index",
            ])
            .arg(wheel),
    )?;
    let script = workspace().join("xtask/peers/wheel_check.py");
    // Not the checkout's: what is installed is what is tried.
    succeed(Command::new(python).arg("-I").arg(script).current_dir(&folder))
}
