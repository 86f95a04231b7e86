//! The benches that stand beside the code that they measure.

use cargo_metadata::MetadataCommand;

use crate::Result;
use crate::process::{cargo, succeed, workspace};

/// Runs every one of the workspace, whatever members have.
pub(super) fn run() -> Result {
    let metadata = MetadataCommand::new()
        .manifest_path(workspace().join("Cargo.toml"))
        .no_deps()
        .exec()?;
    for package in &metadata.packages {
        for target in package.targets.iter().filter(|target| target.is_bench()) {
            let bench = [
                "bench",
                "--package",
                package.name.as_str(),
                "--bench",
                &target.name,
            ];
            succeed(cargo().args(bench))?;
        }
    }
    Ok(())
}
