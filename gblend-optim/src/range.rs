//! Ranges of settings, by the key that the user writes.

use gblend_core::{Error, Result};

/// Finite and above 0.
///
/// # Errors
/// [`Error::Setting`] if it is not.
pub(crate) fn positive(key: &str, value: f64) -> Result<()> {
    check(value.is_finite() && value > 0.0, key, value, "a number above 0")
}

/// Finite and not below 0.
///
/// # Errors
/// [`Error::Setting`] if it is not.
pub(crate) fn not_negative(key: &str, value: f64) -> Result<()> {
    let expected = "a number that is not negative";
    check(value.is_finite() && value >= 0.0, key, value, expected)
}

/// A share of a running average: at least 0 and below 1.
///
/// # Errors
/// [`Error::Setting`] if it is not.
pub(crate) fn below_one(key: &str, value: f64) -> Result<()> {
    let expected = "a number of at least 0 and below 1";
    check((0.0..1.0).contains(&value), key, value, expected)
}

fn check(holds: bool, key: &str, value: f64, expected: &str) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(Error::setting(key, value, expected))
    }
}
