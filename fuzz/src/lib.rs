//! Fuzz targets of gblend: every reader of bytes that gblend does not trust.
//!
//! A target is a plain function of bytes. It must neither panic nor take more memory than the bytes justify:
//! what a file says of its own size is to be held against the file before anything is reserved.

pub mod mutation;
mod repair;
pub mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};

use peak_alloc::PeakAlloc;
use targets::Target;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What a target did with an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the input was read rather than refused.
    pub accepted: bool,
    /// The most memory that was taken meanwhile, in bytes.
    pub peak: usize,
}

/// Runs a target.
///
/// # Errors
/// What it must not have done: it panicked, or took more memory than it may.
pub fn run(target: &Target, bytes: &[u8]) -> Result<Outcome, String> {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let accepted = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    let peak = ALLOCATOR.peak_usage().saturating_sub(before);
    let accepted = accepted.map_err(|_| "panicked".to_owned())?;
    let limit = target.memory.limit(bytes.len());
    if peak > limit {
        return Err(format!(
            "took {peak} bytes of memory for {} bytes of input, expected {limit} at most",
            bytes.len()
        ));
    }
    Ok(Outcome { accepted, peak })
}

/// Runs the target of this name for libFuzzer.
///
/// # Panics
/// If the target does what it must not.
pub fn assert_holds(name: &str, bytes: &[u8]) {
    let target = targets::find(name).unwrap_or_else(|| panic!("no target {name}"));
    if let Err(problem) = run(target, bytes) {
        panic!("{problem}");
    }
}
