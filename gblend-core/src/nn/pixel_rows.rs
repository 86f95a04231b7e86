//! The pixels of maps as rows.

use super::frames::samples;
use crate::device::Chosen;
use crate::engine::Engine;
use crate::error::Result;
use crate::graph::{self, Operation};
use crate::tensor::{Features, Maps, Taped};

/// `[channels, height, width, frames × batch]` as rows `[batch × frames × height × width, channels]`: the pixels of a frame one
/// after another, and then those of the next.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the maps do not divide into so many frames, [`Error::Device`](crate::Error::Device).
pub fn pixel_rows(maps: Maps, frames: usize) -> Result<Features> {
    let batch = samples("pixels as rows", *maps.shape(), frames)?;
    let &(channels, height, width, _) = maps.shape();
    let operand = maps.operand();
    let rows = Chosen::pixel_rows(maps.into_engine(), frames).map(Taped::from)?;
    let pixels = height * width;
    let moved = graph::between(Operation::Reshape, &[operand], &[channels, pixels, frames, batch]);
    let order = Operation::Permute(vec![3, 2, 1, 0]);
    let moved = graph::between(order, &[moved], &[batch, frames, pixels, channels]);
    Ok(rows.traced(&[moved], || Operation::Reshape))
}
