//! `cargo xtask aarch64`: gblend is built for 64-bit ARM, and what computes is tested there, on an emulated processor.

use std::path::Path;
use std::process::Command;

use clap::Args;

use crate::Result;
use crate::metadata::target_directory;
use crate::process::{cargo, output_of, succeed, workspace};

#[derive(Debug, Args)]
pub(crate) struct Aarch64 {
    /// Test encoders, fusions, objectives and optimizers too.
    #[arg(long)]
    all: bool,
}

const TARGET: &str = "aarch64-unknown-linux-gnu";

const LINKER: &str = "aarch64-linux-gnu-gcc";

const EMULATOR: &str = "qemu-aarch64";

/// Where Debian has the target's C library, its loader among it.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";

/// Where the kernels are, with every operation and layer that they are for.
const KERNELS: &str = "gblend-core";

/// What is made of these.
const FURTHER: [&str; 2] = ["gblend-modalities", "gblend-optim"];

/// One epoch on the built-in scene, cut down, with an estimate before it.
const SETTINGS: [&str; 5] = [
    "run.epochs=1",
    "data.train_samples=96",
    "data.test_samples=32",
    "blend.kind=ogr",
    "blend.estimator=gradient",
];

impl Aarch64 {
    pub(crate) fn run(&self) -> Result {
        check_tools()?;
        let further: &[&str] = if self.all { &FURTHER } else { &[] };
        let further = further.iter().flat_map(|name| ["--package", name]);
        succeed(cross("test").args(["--package", KERNELS]).args(further))?;
        succeed(cross("build").args(["--package", "gblend-cli", "--bin", "gblend"]))?;
        train()
    }
}

/// `cargo` that builds for the target, and runs tests on the emulator.
fn cross(command: &str) -> Command {
    let mut cargo = cargo();
    cargo.args([command, "--target", TARGET]);
    cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER);
    cargo.env(
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
        format!("{EMULATOR} -L {LIBRARIES}"),
    );
    cargo
}

/// The whole way from data to a model, which no test of a part goes.
fn train() -> Result {
    let folder = workspace().join("target/aarch64");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let cache = format!("run.cache={:?}", folder.join("cache").display().to_string());
    let binary = target_directory()?.join(TARGET).join("debug/gblend");
    let mut train = Command::new(EMULATOR);
    train.args(["-L", LIBRARIES]).arg(binary);
    train.args(["train", "--quiet", "--out"]).arg(folder.join("run"));
    for setting in SETTINGS.into_iter().chain([cache.as_str()]) {
        train.args(["--set", setting]);
    }
    succeed(&mut train)
}

/// Fails if a tool is missing, and says how to install each that is.
fn check_tools() -> Result {
    let starts = |program: &str| output_of(Command::new(program).arg("--version")).is_ok();
    let mut missing = Vec::new();
    let standard = ["--print", "target-libdir", "--target", TARGET];
    let standard = output_of(Command::new("rustc").args(standard).current_dir(workspace()))?;
    if !Path::new(standard.trim()).is_dir() {
        missing.push(format!(
            "Rust's standard library for {TARGET}: rustup target add {TARGET}"
        ));
    }
    let packages = [
        (starts(LINKER), LINKER, "gcc-aarch64-linux-gnu"),
        (
            Path::new(LIBRARIES).join("lib/crt1.o").is_file(),
            LIBRARIES,
            "libc6-dev-arm64-cross",
        ),
        (starts(EMULATOR), EMULATOR, "qemu-user"),
    ];
    for (_, name, package) in packages.iter().filter(|(there, ..)| !there) {
        missing.push(format!("{name}: on Debian, apt-get install {package}"));
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("there is no\n  {}", missing.join("\n  ")).into())
}
