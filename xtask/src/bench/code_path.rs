//! Which of the processor's instruction sets both sides may use.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use clap::ValueEnum;

use crate::Result;
use crate::metadata::target_directory;

/// Instruction sets that a bench is run with. Most processors in use have no AVX-512, so what holds on one that has it says little of
/// theirs; one machine can measure both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum CodePath {
    /// The widest vectors that the processor has.
    #[default]
    Widest,
    /// AVX2 and FMA alone, on a processor that has AVX-512.
    Avx2,
}

/// Builds without what needs AVX-512, of gblend and of the crates that it multiplies matrices with.
const WITHOUT_AVX512: &str = "--cfg gblend_without_avx512";

impl CodePath {
    /// As a file's name and a record have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Widest => "widest",
            Self::Avx2 => "avx2",
        }
    }

    /// What `NAME.json` of these figures is called: those of the widest vectors by the name alone.
    pub(super) fn record(self, name: &str) -> String {
        match self {
            Self::Widest => name.to_owned(),
            Self::Avx2 => format!("{name}-{}", self.name()),
        }
    }

    /// The folder that it builds into: flags are a part of every crate, so that another path is another build.
    pub(super) fn target(self) -> Result<PathBuf> {
        let folder = target_directory()?;
        Ok(match self {
            Self::Widest => folder,
            Self::Avx2 => folder.join(self.name()),
        })
    }

    /// Has `cargo` build for it.
    pub(super) fn build(self, cargo: &mut Command) -> Result {
        if self == Self::Avx2 {
            let mut flags = std::env::var_os("RUSTFLAGS").unwrap_or_default();
            flags.push(OsString::from(format!(" {WITHOUT_AVX512}")));
            cargo
                .env("RUSTFLAGS", flags)
                .arg("--target-dir")
                .arg(self.target()?);
        }
        Ok(())
    }

    /// Has PyTorch keep to it: its own loops, oneDNN's and MKL's each by a variable of their own.
    pub(super) fn hold(self, torch: &mut Command) {
        if self == Self::Avx2 {
            torch
                .env("ATEN_CPU_CAPABILITY", "avx2")
                .env("ONEDNN_MAX_CPU_ISA", "AVX2")
                .env("MKL_ENABLE_INSTRUCTIONS", "AVX2");
        }
    }
}
