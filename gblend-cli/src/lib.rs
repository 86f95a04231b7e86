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

#[cfg(not(feature = "fuzzing"))]
mod allocator;
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
pub mod onnx;
pub mod process;
pub mod progress;
pub mod ranks;
pub mod records;
pub mod report;
pub mod run_folder;
mod tables;
mod texts;
pub mod training;

// Crates whose plugins this library brings along: naming them is what links and registers them.
use gblend_modalities as _;
use gblend_optim as _;

pub use commands::main;
pub use error::{Error, Result};

/// A fuzz target brings its own, which counts.
#[cfg(not(feature = "fuzzing"))]
#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator::new();
