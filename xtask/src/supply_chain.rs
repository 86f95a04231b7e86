//! `cargo xtask supply-chain`: licenses, sources and doubled versions of everything that gblend is linked with.
//!
//! cargo-deny does the work, after `deny.toml`. It is built on the first run, without optimization: that takes a third of the
//! time, and the check a second longer.

use std::path::PathBuf;
use std::process::Command;

use clap::Args;

use crate::Result;
use crate::process::{cargo, output_of, succeed, workspace};

/// The release that `deny.toml` is written for.
const VERSION: &str = "0.20.2";

#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct SupplyChain {
    /// Also look for known vulnerabilities; needs RustSec's database, which is fetched from GitHub.
    #[arg(long)]
    advisories: bool,
}

impl SupplyChain {
    pub(crate) fn run(self) -> Result {
        let deny = deny()?;
        let mut checks = vec!["licenses", "bans", "sources"];
        if self.advisories {
            checks.push("advisories");
        }
        succeed(
            Command::new(&deny)
                .current_dir(workspace())
                .args(["--locked", "check"])
                .args(&checks),
        )
    }
}

/// The program, built if it is not there.
fn deny() -> Result<PathBuf> {
    let root = workspace().join("target/tools");
    let program = root.join("bin/cargo-deny");
    let found = output_of(Command::new(&program).arg("--version"));
    if found.is_ok_and(|found| found.trim() == format!("cargo-deny {VERSION}")) {
        return Ok(program);
    }
    succeed(
        cargo()
            .args([
                "install",
                "cargo-deny",
                "--locked",
                "--no-default-features",
                "--version",
                VERSION,
                "--root",
            ])
            .arg(&root)
            .env("CARGO_TARGET_DIR", root.join("build"))
            .envs([
                ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"),
                ("CARGO_PROFILE_RELEASE_LTO", "off"),
                ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
                ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
            ]),
    )?;
    Ok(program)
}
