//! The gblend pipeline: configuration, data, training, evaluation and the command line.
//!
//! A binary of your own gets it all, with plugins of your own, in two lines:
//!
//! ```no_run
//! // use my_plugin as _;
//! fn main() -> std::process::ExitCode {
//!     gblend_cli::main()
//! }
//! ```

pub mod commands;
pub mod compare;
pub mod config;
pub mod data;
mod error;
pub mod evaluation;
mod files;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod network;
pub mod process;
pub mod progress;
pub mod records;
pub mod report;
pub mod run_folder;
mod tables;
pub mod training;

// Crates whose plugins this library brings along: naming them is what links and registers them.
use gblend_modalities as _;
use gblend_optim as _;

pub use commands::main;
pub use error::{Error, Result};

/// Training frees and asks for the same large blocks in every step. This allocator keeps them for the next
/// step, where the system's hands them back to the kernel and has every page zeroed anew, and it does so
/// with little beyond what is in use. `.cargo/config.toml` tunes it when it is built.
///
/// A fuzz target brings its own, which counts.
#[cfg(not(feature = "fuzzing"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
