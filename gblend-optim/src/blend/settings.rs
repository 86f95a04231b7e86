//! Ranges of settings.

use gblend_core::{Error, Result};

/// Finite and above 0.
///
/// # Errors
/// [`Error::Setting`] if it is not.
pub(super) fn positive(key: &str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(Error::setting(key, value, "a number above 0"))
    }
}

/// Finite and not below 0.
///
/// # Errors
/// [`Error::Setting`] if it is not.
pub(super) fn not_negative(key: &str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(Error::setting(key, value, "a number that is not negative"))
    }
}
