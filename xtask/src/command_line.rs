//! gblend itself, for the tasks that run it.

use std::env::consts::EXE_SUFFIX;
use std::path::PathBuf;

use crate::Result;
use crate::metadata::target_directory;
use crate::process::{cargo, succeed};

/// The command line as the workspace's tests have it: the features of its dependencies are those of the tests, which have
/// built it before, where a build of its package alone would build half of them again.
///
/// # Errors
/// If it cannot be built.
pub(crate) fn gblend() -> Result<PathBuf> {
    succeed(cargo().args(["test", "--quiet", "--workspace", "--no-run"]))?;
    let name = format!("gblend{EXE_SUFFIX}");
    Ok(target_directory()?.join("debug").join(name))
}
