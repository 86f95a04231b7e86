//! `cargo xtask plugins`: crates of people who never touch this repository build, keep the rules and are found.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Result;
use crate::command_line::gblend;
use crate::metadata::target_directory;
use crate::process::{cargo, output_of, succeed, workspace};

/// Crates that `init --plugin` writes: the role that it is asked for, that of the registry, and a name.
const WRITTEN: [(&str, &str, &str); 3] = [
    ("modality", "modality", "side-sonar"),
    ("fusion", "fusion", "side-by-side"),
    ("strategy", "blend", "by-loss"),
];

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

    let parent = target.join("tmp/plugins");
    if parent.exists() {
        std::fs::remove_dir_all(&parent)?;
    }
    std::fs::create_dir_all(&parent)?;
    let gblend = gblend()?;
    for (asked, role, name) in WRITTEN {
        succeed(
            Command::new(&gblend)
                .args(["init", "--plugin", name, "--role", asked, "--gblend"])
                .arg(workspace())
                .current_dir(&parent),
        )?;
        let written = Crate {
            folder: parent.join(name),
            target: target.clone(),
        };
        written.check(&[(role, name)], name)?;
        // It trains on the built-in scene as it is.
        let configuration = format!("{name}.toml");
        succeed(&mut written.binary(&["train", &configuration, "--quiet", "--set", "run.epochs=1"]))?;
    }
    Ok(())
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
        self.tests_need_core_alone()?;
        succeed(&mut self.cargo("test"))?;
        let listed = output_of(&mut self.binary(&["plugins", "--json"]))?;
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

    /// What is built for tests has no command line in it.
    fn tests_need_core_alone(&self) -> Result {
        let tree = output_of(self.cargo("tree").args([
            "--edges",
            "normal,dev",
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
            others => Err(format!("{own}: its tests depend on {}", others.join(", ")).into()),
        }
    }

    /// gblend with the crate's plugins.
    fn binary(&self, arguments: &[&str]) -> Command {
        let mut command = self.cargo("run");
        command
            .args(["--quiet", "--features", "binary", "--"])
            .args(arguments);
        command
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
