//! `cargo xtask ci`: formatting, lints, documentation, tidiness, generated files, plugins from outside, damaged
//! files, TensorBoard's event files, exported models, jobs of several ranks, the wheel, packages, licenses and sources of dependencies, and the CUDA build, which
//! is linked where its compiler can be installed and checked for types elsewhere.

use std::time::Instant;

use crate::cuda::Cuda;
use crate::fuzz::{self, Fuzz};
use crate::onnx::Onnx;
use crate::process::{cargo, succeed};
use crate::supply_chain::SupplyChain;
use crate::tidy::Tidy;
use crate::{Result, generate, mpi, plugins, tensorboard, wheel};

/// A part of the whole, and its name.
type Part = (&'static str, fn() -> Result);

/// What is checked, one part after the other.
const PARTS: [Part; 14] = [
    ("formatting", || {
        succeed(cargo().args(["fmt", "--all", "--check"]))
    }),
    ("lints", || {
        succeed(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    }),
    ("documentation", || {
        succeed(
            cargo()
                .args(["doc", "--workspace", "--no-deps", "--document-private-items"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        )
    }),
    ("tidiness", || Tidy::default().run()),
    ("generated files", || generate::run(true)),
    ("plugins", plugins::run),
    ("fuzz targets", || {
        fuzz::check()?;
        Fuzz::SMOKE.run()
    }),
    ("TensorBoard", tensorboard::run),
    ("ONNX", || Onnx::CHECK.run()),
    ("MPI", mpi::run),
    ("wheel", wheel::run),
    ("packages", || {
        // What crates.io would be given; that it builds, the tests have shown.
        succeed(cargo().args([
            "package",
            "--workspace",
            "--exclude",
            "xtask",
            "--exclude",
            "gblend-tests",
            "--no-verify",
            "--allow-dirty",
            "--quiet",
        ]))
    }),
    ("supply chain", || SupplyChain::default().run()),
    ("CUDA", cuda),
];

pub(crate) fn run() -> Result {
    let mut times = Vec::new();
    for (name, part) in PARTS {
        let began = Instant::now();
        part()?;
        times.push((name, began.elapsed().as_secs()));
    }
    println!("seconds:");
    for (name, seconds) in times {
        println!("{seconds:6} {name}");
    }
    Ok(())
}

fn cuda() -> Result {
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
