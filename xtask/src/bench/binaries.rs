//! What is measured, as it is released.

use std::path::PathBuf;

use super::code_path::CodePath;
use crate::Result;
use crate::process::{cargo, succeed};

/// Examples of the command line's package.
pub(super) fn examples(names: &[&str], path: CodePath) -> Result<Vec<PathBuf>> {
    let folder = build(path)?.join("examples");
    Ok(names.iter().map(|name| folder.join(name)).collect())
}

/// The command line.
pub(super) fn gblend() -> Result<PathBuf> {
    Ok(build(CodePath::Widest)?.join("gblend"))
}

/// Builds the command line and its examples; together, because dependencies have other features for either alone, and
/// would be built twice. The folder that they are in.
fn build(path: CodePath) -> Result<PathBuf> {
    let mut command = cargo();
    command.args([
        "build",
        "--quiet",
        "--release",
        "--package",
        "gblend-cli",
        "--bins",
        "--examples",
    ]);
    path.build(&mut command)?;
    succeed(&mut command)?;
    Ok(path.target()?.join("release"))
}
