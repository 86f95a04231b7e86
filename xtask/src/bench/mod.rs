//! `cargo xtask bench`: what gblend's work takes, beside PyTorch's and beside what the machine can do.
//!
//! Sides that are compared take turns in short rounds, so that whatever else the machine does hits both alike. Only
//! ratios are to be trusted. Every figure goes into a file of `target/bench` as well.

mod binaries;
mod code_path;
mod criterion;
mod estimate;
mod growth;
mod job;

mod record;
mod side;
mod statistics;
mod steps;
mod table;
mod towers;
mod usage;
mod vectors;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::Result;

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Whose training steps to time beside gblend's. Without this or another of the options that say what to
    /// measure, every criterion bench of the workspace runs.
    #[arg(long, value_enum, group = "what")]
    peer: Option<Peer>,
    /// A whole job beside PyTorch.
    #[arg(long, value_enum, group = "what")]
    job: Option<job::Job>,
    /// How well probes use two threads, and what the gradient estimator takes beside an epoch.
    #[arg(long, group = "what")]
    estimate: bool,
    /// How time and memory grow with batch size, frames, classes, modalities and samples.
    #[arg(long, group = "what")]
    growth: bool,
    /// With --peer, the networks.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "reference")]
    net: Vec<steps::Net>,
    /// With --peer and --job towers, samples of a step.
    #[arg(long, value_delimiter = ',', default_value = "32")]
    batch: Vec<usize>,
    /// With --peer and --job, computing threads of each side.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    threads: Vec<usize>,
    /// With --peer, the instruction sets that both sides may use.
    #[arg(long, value_enum, default_value = "widest", requires = "peer")]
    path: code_path::CodePath,
    /// With --peer, has gblend's backward pass run stages of encoders again, which takes less memory.
    #[arg(long, requires = "peer")]
    recompute: bool,
    /// A Python that has PyTorch and NumPy, and for `--job vectors` PyArrow, for `--job towers` Pillow. Default: a virtual environment under target/peers, which is
    /// made if it is not there.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Rounds of each side; where none are given, as many as it takes for medians to be steady.
    #[arg(long)]
    rounds: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Peer {
    /// PyTorch on the processor.
    Torch,
}

impl Bench {
    pub(crate) fn run(&self) -> Result {
        if let Some(Peer::Torch) = self.peer {
            return steps::run(self);
        }
        match self.job {
            Some(job::Job::Avmnist) => return job::run(self),
            Some(job::Job::Vectors) => return vectors::run(self),
            Some(job::Job::Towers) => return towers::run(self),
            None => {}
        }
        if self.estimate {
            return estimate::run(self);
        }
        if self.growth {
            return growth::run(self);
        }
        criterion::run()
    }

    fn python(&self, packages: &[&str]) -> Result<PathBuf> {
        match &self.python {
            Some(python) => Ok(python.clone()),
            None => crate::python::environment("venv", packages),
        }
    }
}
