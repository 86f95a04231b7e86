//! The benches that stand beside the code that they measure.

use crate::Result;
use crate::metadata::Metadata;
use crate::process::{cargo, succeed};

/// Runs every one of the workspace, whatever members have.
pub(super) fn run() -> Result {
    for package in &Metadata::read()?.packages {
        for target in package.targets.iter().filter(|target| target.is("bench")) {
            let bench = [
                "bench",
                "--package",
                &package.name,
                "--features",
                "bench",
                "--bench",
                &target.name,
            ];
            succeed(cargo().args(bench))?;
        }
    }
    Ok(())
}
