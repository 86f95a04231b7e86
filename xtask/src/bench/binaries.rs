//! What is measured, as it is released.

use std::path::PathBuf;

use crate::Result;
use crate::metadata::target_directory;
use crate::process::{cargo, succeed};

/// Examples of the command line's package.
pub(super) fn examples(names: &[&str]) -> Result<Vec<PathBuf>> {
    build()?;
    let folder = released()?.join("examples");
    Ok(names.iter().map(|name| folder.join(name)).collect())
}

/// The command line.
pub(super) fn gblend() -> Result<PathBuf> {
    build()?;
    Ok(released()?.join("gblend"))
}

/// Builds the command line and its examples; together, because dependencies have other features for either alone, and
/// would be built twice.
fn build() -> Result {
    succeed(cargo().args([
        "build",
        "--quiet",
        "--release",
        "--package",
        "gblend-cli",
        "--bins",
        "--examples",
    ]))
}

fn released() -> Result<PathBuf> {
    Ok(target_directory()?.join("release"))
}
