//! What a strategy is told has as many values as it asked for.

use gblend_core::{Error, Result};

/// Checks the number of values.
///
/// # Errors
/// [`Error::Strategy`] with both numbers.
pub(super) fn check_length(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::Strategy(format!(
            "it was given {found} {what}, expected {expected}"
        )))
    }
}
