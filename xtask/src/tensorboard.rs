//! `cargo xtask tensorboard`: the tensorboard package reads what a run writes for it.

use std::process::Command;

use crate::Result;
use crate::command_line::gblend;
use crate::process::{succeed, workspace};
use crate::python::environment;

/// Two epochs on the built-in scene, cut down, with an estimate before them.
const SETTINGS: [&str; 6] = [
    "log.tensorboard=true",
    "run.epochs=2",
    "data.train_samples=96",
    "data.test_samples=32",
    "blend.kind=ogr",
    "blend.estimator=gradient",
];

pub(crate) fn run() -> Result {
    let python = environment("tensorboard", &["tensorboard"])?;
    let run = workspace().join("target/tensorboard/run");
    if run.exists() {
        std::fs::remove_dir_all(&run)?;
    }
    let cache = format!(
        "run.cache={:?}",
        workspace().join("target/tensorboard/cache").display().to_string()
    );
    let mut train = Command::new(gblend()?);
    train.args(["train", "--quiet"]);
    train.arg("--out").arg(&run);
    for setting in SETTINGS.into_iter().chain([cache.as_str()]) {
        train.args(["--set", setting]);
    }
    succeed(&mut train)?;
    let script = workspace().join("xtask/peers/tensorboard_scalars.py");
    succeed(Command::new(python).arg(script).arg(&run))
}
