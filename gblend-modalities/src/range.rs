//! Ranges of settings, by the key that the user writes.
//!
//! What is far beyond any use is refused by its key before anything is allocated for it.

use std::ops::RangeInclusive;

use gblend_core::{Error, Result};

/// Channels, features, units and tokens' lengths of a layer.
pub(crate) const WIDTH: RangeInclusive<usize> = 1..=1 << 16;
/// Blocks, one after the other.
pub(crate) const DEPTH: RangeInclusive<usize> = 1..=1000;

/// A whole number in a range.
///
/// # Errors
/// [`Error::Setting`] if it is not.
pub(crate) fn within(key: &str, value: usize, range: RangeInclusive<usize>) -> Result<usize> {
    if range.contains(&value) {
        return Ok(value);
    }
    let expected = match (range.start(), range.end()) {
        (least, &usize::MAX) => format!("at least {least}"),
        (least, most) => format!("{least} to {most}"),
    };
    Err(Error::setting(key, value, expected))
}

/// A share of what is dropped: at least 0 and below 1.
///
/// # Errors
/// [`Error::Setting`] if it is not.
pub(crate) fn dropout(key: &str, value: f32) -> Result<f32> {
    if (0.0..1.0).contains(&value) {
        return Ok(value);
    }
    Err(Error::setting(key, value, "a share of at least 0 and below 1"))
}
