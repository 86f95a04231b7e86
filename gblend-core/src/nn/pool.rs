//! Pooling.

use super::frames::samples;
use crate::device::Chosen;
use crate::engine::Engine;
use crate::engine::Window;
use crate::error::Result;
use crate::graph::Operation;
use crate::tensor::{Features, Maps, Taped, reshape};

/// Maximum under each window.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the window does not fit, [`Error::Device`](crate::Error::Device).
pub fn max_pool(input: Maps, window: Window) -> Result<Maps> {
    let &(_, height, width, _) = input.shape();
    let operand = input.operand();
    let pooled = Chosen::max_pool(input.into_engine(), &window.over(height, width)?).map(Taped::from)?;
    Ok(pooled.traced(&[operand], || Operation::MaxPool(window)))
}

/// Average under each window: over all of its pixels, zeros of the padding included, or over those inside
/// the picture.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the window does not fit, [`Error::Device`](crate::Error::Device).
pub fn average_pool(input: Maps, window: Window, count_padding: bool) -> Result<Maps> {
    let &(_, height, width, _) = input.shape();
    let plan = window.over(height, width)?;
    let operand = input.operand();
    let pooled = Chosen::average_pool(input.into_engine(), &plan, count_padding).map(Taped::from)?;
    Ok(pooled.traced(&[operand], || Operation::AveragePool {
        window,
        count_padding,
    }))
}

/// Mean over pixels and over the `frames` of each sample, the end of most encoders:
/// `[channels, height, width, frames × batch]` to `[batch, channels]`.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if the maps do not divide into so many frames, [`Error::Device`](crate::Error::Device).
pub fn global_average_pool(input: Maps, frames: usize) -> Result<Features> {
    samples("global average pooling", *input.shape(), frames)?;
    let operand = input.operand();
    let means = Chosen::global_mean(input.into_engine(), frames).map(Taped::from)?;
    Ok(means.traced(&[operand], || Operation::GlobalMean { frames }))
}

/// Mean over the `frames` of each sample, with every place kept as a feature of its own:
/// `[channels, height, width, frames × batch]` to `[batch, channels × height × width]`.
///
/// # Errors
/// As [`global_average_pool`].
pub fn frame_average(input: Maps, frames: usize) -> Result<Features> {
    let &(channels, height, width, columns) = input.shape();
    global_average_pool(
        reshape(input, (channels * height * width, 1, 1, columns))?,
        frames,
    )
}
