//! Project automation: `cargo xtask TASK`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod aarch64;
mod bench;
mod ci;
mod command_line;
mod cuda;
mod fuzz;
mod generate;
mod gpu_bundle;
mod gpu_table;
mod metadata;
mod mpi;
mod onnx;
mod plugins;
mod process;
mod profiles;
mod python;
mod results;
mod supply_chain;
mod tensorboard;
mod tidy;
mod wheel;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

#[derive(Debug, Parser)]
#[command(about = "Project automation for gblend", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything that continuous integration checks after the tests.
    Ci,
    /// Check who depends on whom, which modules use which, and that files say what they should.
    Tidy(tidy::Tidy),
    /// Write docs/config.md and docs/config.schema.json from the code, and the profiles of plugin crates from the workspace's.
    Gen {
        /// Change nothing; fail if a file is not what the code says.
        #[arg(long)]
        check: bool,
    },
    /// Build, test and run the plugin crate in `examples` and one that `gblend init --plugin` writes.
    Plugins,
    /// Give changed files to every decoder and parser.
    Fuzz(fuzz::Fuzz),
    /// Check licenses, sources and doubled versions of all dependencies.
    SupplyChain(supply_chain::SupplyChain),
    /// Train, and have the tensorboard package from PyPI read the event files.
    Tensorboard,
    /// Build the wheel, and try it in a virtual environment of its own.
    Wheel,
    /// Export models, and have ONNX Runtime from PyPI say the same of samples.
    Onnx(onnx::Onnx),
    /// Test the processes of an MPI job; needs an MPI library and libclang.
    Mpi,
    /// Build for 64-bit ARM, and test there what computes; needs a cross-compiler and an emulator.
    Aarch64(aarch64::Aarch64),
    /// Build and link the CUDA build, with a compiler from PyPI.
    Cuda(cuda::Cuda),
    /// Pack what a GPU machine without Rust or a network needs to check and time the CUDA build.
    GpuBundle(gpu_bundle::GpuBundle),
    /// Write what the bundle showed on a GPU into docs/performance.md.
    GpuTable(gpu_table::GpuTable),
    /// Time training steps.
    Bench(bench::Bench),
    /// Run the studies and write docs/results.md.
    Results(results::Results),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Ci => ci::run(),
        Task::Tidy(tidy) => tidy.run(),
        Task::Gen { check } => generate::run(check),
        Task::Plugins => plugins::run(),
        Task::Fuzz(fuzz) => fuzz.run(),
        Task::SupplyChain(check) => check.run(),
        Task::Tensorboard => tensorboard::run(),
        Task::Wheel => wheel::run(),
        Task::Onnx(onnx) => onnx.run(),
        Task::Mpi => mpi::run(),
        Task::Aarch64(aarch64) => aarch64.run(),
        Task::Cuda(cuda) => cuda.run(),
        Task::GpuBundle(bundle) => bundle.run(),
        Task::GpuTable(table) => table.run(),
        Task::Bench(bench) => bench.run(),
        Task::Results(results) => results.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
