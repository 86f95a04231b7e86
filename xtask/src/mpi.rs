//! `cargo xtask mpi`: the tests with the processes of an MPI job, where MPI is there.

use std::process::Command;

use crate::Result;
use crate::process::{cargo, output_of, succeed};

pub(crate) fn run() -> Result {
    if output_of(Command::new("mpirun").arg("--version")).is_err() {
        return Err(
            "there is no mpirun: on Debian, apt-get install libopenmpi-dev openmpi-bin libclang-dev".into(),
        );
    }
    let feature = [
        "--package",
        "gblend-cli",
        "--features",
        "mpi",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    succeed(cargo().arg("clippy").args(feature))?;
    succeed(cargo().args([
        "test",
        "--package",
        "gblend-tests",
        "--features",
        "mpi",
        "--test",
        "mpi",
    ]))
}
