//! Concatenation of feature maps.

use dfdx::shapes::HasShape;

use super::engine::Engine;
use crate::error::{Error, Result};
use crate::tensor::{AutoDevice, Maps};

/// The channels of all parts, one part's after another's: `[channels, height, width, frames × batch]` each, alike but
/// for the channels, to `[Σ channels, height, width, frames × batch]`.
///
/// # Errors
/// [`Error::Shape`] if there is no part or two differ in more than their channels, [`Error::Device`].
pub fn concat_channels(parts: Vec<Maps>) -> Result<Maps> {
    if let Some(&(_, height, width, columns)) = parts.first().map(HasShape::shape) {
        for part in &parts {
            let &(channels, h, w, n) = part.shape();
            if (h, w, n) != (height, width, columns) {
                return Err(Error::shape(
                    "a concatenation of channels",
                    format!("[channels, {height}, {width}, {columns}], as the first part has"),
                    [channels, h, w, n],
                ));
            }
        }
    }
    AutoDevice::concat_channels(parts)
}
