//! `cargo xtask ci`: formatting, lints, documentation, tidiness, generated files, plugins from outside, damaged
//! files, TensorBoard's event files, licenses and sources of dependencies, and the CUDA build, which is linked where its
//! compiler can be installed and checked for types elsewhere.

use crate::cuda::Cuda;
use crate::fuzz::{self, Fuzz};
use crate::process::{cargo, succeed};
use crate::supply_chain::SupplyChain;
use crate::tidy::Tidy;
use crate::{Result, generate, plugins, tensorboard};

pub(crate) fn run() -> Result {
    succeed(cargo().args(["fmt", "--all", "--check"]))?;
    succeed(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    succeed(
        cargo()
            .args(["doc", "--workspace", "--no-deps", "--document-private-items"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    Tidy::default().run()?;
    generate::run(true)?;
    plugins::run()?;
    fuzz::check()?;
    Fuzz::SMOKE.run()?;
    tensorboard::run()?;
    SupplyChain::default().run()?;
    if Cuda::links()? {
        return Ok(());
    }
    // Types are checked without a CUDA toolkit.
    for package in ["gblend-core", "gblend-optim", "gblend-modalities", "gblend-cli"] {
        succeed(cargo().args([
            "check",
            "--package",
            package,
            "--features",
            "cuda,gblend-core/cuda-types",
        ]))?;
    }
    Ok(())
}
