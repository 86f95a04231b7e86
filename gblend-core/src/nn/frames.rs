//! The frames of each sample, which share the last axis of maps with the samples.

use crate::error::{Error, Result};
use crate::tensor::Dims4;

/// How many samples of so many frames maps of this shape have.
///
/// # Errors
/// [`Error::Shape`] of `operation` if the maps do not divide into so many frames.
pub(super) fn samples(operation: &str, shape: Dims4, frames: usize) -> Result<usize> {
    let (channels, height, width, columns) = shape;
    if frames == 0 || !columns.is_multiple_of(frames) {
        return Err(Error::shape(
            operation,
            format!("a last axis that {frames} frames divide"),
            [channels, height, width, columns],
        ));
    }
    Ok(columns / frames)
}
