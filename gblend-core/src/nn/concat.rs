//! Concatenation.

use crate::device::Chosen;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::graph::{Operand, Operation};
use crate::tensor::{Features, Maps, Taped};

/// Feature vectors side by side: `[batch, features]` each, of one batch, to `[batch, Σ features]`.
///
/// # Errors
/// [`Error::Shape`] with both shapes if the batches of two differ, [`Error::Shape`] if there is no part, [`Error::Device`].
pub fn concatenate(parts: Vec<Features>) -> Result<Features> {
    if let Some(&(batch, features)) = parts.first().map(Taped::shape) {
        for part in &parts {
            let &(rows, columns) = part.shape();
            if rows != batch {
                return Err(Error::shape(
                    "a concatenation",
                    format!("[{batch}, features], as the first part is [{batch}, {features}]"),
                    [rows, columns],
                ));
            }
        }
    }
    let operands: Vec<Operand> = parts.iter().map(Taped::operand).collect();
    let joined = Chosen::concat(parts.into_iter().map(Taped::into_engine).collect()).map(Taped::from)?;
    Ok(joined.traced(&operands, || Operation::Concatenate { axis: 1 }))
}

/// The channels of all parts, one part's after another's: `[channels, height, width, frames × batch]` each, alike but
/// for the channels, to `[Σ channels, height, width, frames × batch]`.
///
/// # Errors
/// [`Error::Shape`] if there is no part or two differ in more than their channels, [`Error::Device`].
pub fn concat_channels(parts: Vec<Maps>) -> Result<Maps> {
    if let Some(&(_, height, width, columns)) = parts.first().map(Taped::shape) {
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
    let operands: Vec<Operand> = parts.iter().map(Taped::operand).collect();
    let parts = parts.into_iter().map(Taped::into_engine).collect();
    let joined = Chosen::concat_channels(parts).map(Taped::from)?;
    Ok(joined.traced(&operands, || Operation::Concatenate { axis: 0 }))
}
