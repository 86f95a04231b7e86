//! `cargo xtask plugins`: crates of people who never touch this repository build, keep the rules and are found.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Result;
use crate::metadata::target_directory;
use crate::process::{cargo, output_of, succeed, workspace};

pub(crate) fn run() -> Result {
    let target = target_directory()?;
    let example = Crate {
        folder: workspace().join("examples/plugin-inertial"),
        target: target.clone(),
    };
    succeed(example.cargo("fmt").arg("--check"))?;
    example.check(
        &[("data", "utd-mhad"), ("modality", "inertial")],
        "gblend-inertial",
    )?;

    let name = "side-sonar";
    let parent = target.join("tmp/plugins");
    if parent.exists() {
        std::fs::remove_dir_all(&parent)?;
    }
    std::fs::create_dir_all(&parent)?;
    let manifest = workspace().join("Cargo.toml");
    succeed(
        cargo()
            .args(["run", "--quiet", "--package", "gblend-cli", "--manifest-path"])
            .arg(manifest)
            .args(["--", "init", "--plugin", name, "--gblend"])
            .arg(workspace())
            .current_dir(&parent),
    )?;
    let written = Crate {
        folder: parent.join(name),
        target,
    };
    written.check(&[("modality", name)], name)?;
    // It trains on the built-in scene as it is.
    succeed(written.cargo("run").args([
        "--",
        "train",
        "side-sonar.toml",
        "--quiet",
        "--set",
        "run.epochs=1",
    ]))
}

/// A crate that is no member of the workspace.
struct Crate {
    folder: PathBuf,
    target: PathBuf,
}

impl Crate {
    /// Checks the crate as it stands, and that its binary knows the kinds that it should be from.
    fn check(&self, kinds: &[(&str, &str)], name: &str) -> Result {
        // The versions that the workspace is tested with; so nothing is downloaded or built twice.
        std::fs::copy(workspace().join("Cargo.lock"), self.folder.join("Cargo.lock"))?;
        succeed(
            self.cargo("clippy")
                .args(["--all-targets", "--", "-D", "warnings"]),
        )?;
        self.library_needs_core_alone()?;
        succeed(&mut self.cargo("test"))?;
        let listed = output_of(self.cargo("run").args(["--quiet", "--", "plugins", "--json"]))?;
        let listed: Value = serde_json::from_str(&listed)?;
        for (role, kind) in kinds {
            let found = listed
                .as_array()
                .into_iter()
                .flatten()
                .find(|plugin| plugin["role"] == *role && plugin["kind"] == *kind);
            match found {
                Some(plugin) if plugin["crate"] == name => println!("{role} {kind} is from {name}"),
                Some(plugin) => return Err(format!("{role} {kind} is from {}", plugin["crate"]).into()),
                None => return Err(format!("`plugins` of {name} does not list {role} {kind}").into()),
            }
        }
        Ok(())
    }

    fn library_needs_core_alone(&self) -> Result {
        let tree = output_of(self.cargo("tree").args([
            "--no-default-features",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ]))?;
        let own = tree.lines().next().unwrap_or_default();
        let others = tree
            .lines()
            .filter(|line| line.starts_with("gblend-") && *line != own && !line.starts_with("gblend-core "));
        match others.collect::<Vec<_>>().as_slice() {
            [] => Ok(()),
            others => Err(format!("{own}: the library depends on {}", others.join(", ")).into()),
        }
    }

    /// cargo in the crate's folder, with this workspace's settings wherever that is.
    fn cargo(&self, task: &str) -> Command {
        let mut command = cargo();
        command.arg(task).current_dir(&self.folder);
        if task != "fmt" {
            let settings: &Path = &workspace().join(".cargo/config.toml");
            command
                .arg("--config")
                .arg(settings)
                .env("CARGO_TARGET_DIR", &self.target);
        }
        command
    }
}
