//! `cargo xtask fuzz`: every reader of bytes that are not trusted, on changed copies of a corpus. The same inputs
//! every time, and nothing but the pinned toolchain is needed.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::Result;
use crate::metadata::target_directory;
use crate::process::{at_level, cargo, output_of, succeed, workspace};

#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// A few seconds for all targets: to each the number of inputs that it says itself.
    #[arg(long, conflicts_with = "iterations", required_unless_present = "iterations")]
    smoke: bool,
    /// Inputs of each target.
    #[arg(long)]
    iterations: Option<u64>,
    /// Another seed gives other inputs.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// With an optimized build, for many inputs; it checks for overflow, too.
    #[arg(long)]
    release: bool,
    /// Default: all of them.
    targets: Vec<String>,
}

impl Fuzz {
    /// What `cargo xtask ci` runs.
    pub(crate) const SMOKE: Self = Self {
        smoke: true,
        iterations: None,
        seed: 0,
        release: false,
        targets: Vec::new(),
    };

    pub(crate) fn run(&self) -> Result {
        let runner = self.build()?;
        let listed = output_of(Command::new(&runner).arg("list"))?;
        let mut known = Vec::new();
        for line in listed.lines() {
            let (name, iterations) = line.split_once(' ').ok_or("the runner lists no targets")?;
            known.push((name, iterations.parse::<u64>()?));
        }
        if let Some(unknown) = self
            .targets
            .iter()
            .find(|target| known.iter().all(|(name, _)| name != target))
        {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            return Err(format!("no target `{unknown}`, expected some of: {}", names.join(", ")).into());
        }
        let mut failed = Vec::new();
        for (name, iterations) in known {
            if !self.targets.is_empty() && !self.targets.iter().any(|target| target == name) {
                continue;
            }
            let iterations = self.iterations.unwrap_or(iterations);
            if self.target(&runner, name, iterations).is_err() {
                failed.push(name);
            }
        }
        match failed.as_slice() {
            [] => Ok(()),
            failed => Err(format!("failed: {}; the inputs are in fuzz/artifacts", failed.join(", ")).into()),
        }
    }

    fn build(&self) -> Result<PathBuf> {
        let (mut build, target) = task("build")?;
        build.args(["--quiet", "--bin", "smoke"]);
        if !self.release {
            build.args(at_level(1, &["gblend-core"]));
        }
        if self.release {
            build.arg("--release");
        }
        succeed(&mut build)?;
        let profile = if self.release { "release" } else { "debug" };
        Ok(target
            .join(profile)
            .join("smoke")
            .with_extension(std::env::consts::EXE_EXTENSION))
    }

    fn target(&self, runner: &Path, name: &str, iterations: u64) -> Result {
        let command = || {
            let mut command = Command::new(runner);
            command.args(["run", name, &iterations.to_string(), &self.seed.to_string()]);
            command
        };
        let status = command().status()?;
        if status.success() {
            return Ok(());
        }
        // It has kept the inputs that it could catch; one that ended it, by a stack that is too deep or memory that
        // is not there, is the last one of a second run that writes down each.
        if status.code() != Some(1) {
            let last = workspace().join("fuzz/artifacts").join(name);
            std::fs::create_dir_all(&last)?;
            let last = last.join("last");
            let _ = command().env("GBLEND_FUZZ_LAST", &last).status()?;
            println!("{name}: {status} at {}", last.display());
        }
        Err(format!("{name}: {status}").into())
    }
}

/// Formatting, lints and tests of the targets, which are a workspace of their own.
pub(crate) fn check() -> Result {
    succeed(
        cargo()
            .args(["fmt", "--check", "--manifest-path"])
            .arg(workspace().join("fuzz/Cargo.toml")),
    )?;
    succeed(
        task("clippy")?
            .0
            .args(["--lib", "--bin", "smoke", "--", "-D", "warnings"]),
    )?;
    succeed(task("test")?.0.args(["--quiet", "--lib"]))
}

/// A task of cargo without libFuzzer in the folder that the workspace is built in, and that folder.
fn task(name: &str) -> Result<(Command, PathBuf)> {
    let target = target_directory()?;
    let folder = workspace().join("fuzz");
    // The versions that the workspace is tested with; so nothing is downloaded or built twice.
    std::fs::copy(workspace().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let mut command = cargo();
    command
        .args([name, "--no-default-features", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target);
    Ok((command, target))
}
