//! Averages on a smaller grid.

use dfdx::shapes::{Axes2, Axis};
use dfdx::tensor_ops::{BroadcastTo, SumTo, TryMul};

use super::frames::samples;
use super::gather::{RowIndex, take_rows};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::graph::Operation;
use crate::recorder::Recorder;
use crate::tensor::{Dims3, Dims4, Maps, Plain, Taped, reshape};

/// How many values a map has along each of its axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extents {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Frames of each sample.
    pub frames: usize,
}

impl Extents {
    fn points(self) -> usize {
        self.height * self.width * self.frames
    }
}

/// Averages maps on a grid that is nowhere finer: `[channels, height, width, frames × batch]` to the extents `to`.
///
/// Along an axis of `n` values that becomes one of `m`, value `i` is the mean of those from `⌊i n / m⌋` to before
/// `⌈(i + 1) n / m⌉`; every value counts, and some twice where `m` does not divide `n`. Maps that have the extents
/// already come back as they are.
///
/// # Errors
/// [`Error::Shape`] if the maps do not divide into so many frames, or the grid is finer than they are or empty,
/// [`Error::Device`].
pub fn adaptive_average_pool(input: Maps, frames: usize, to: Extents) -> Result<Maps> {
    let &(channels, height, width, _) = input.shape();
    let from = Extents {
        height,
        width,
        frames,
    };
    let batch = samples("adaptive average pooling", *input.shape(), frames)?;
    let axes = [(height, to.height), (width, to.width), (frames, to.frames)];
    if axes.iter().any(|&(from, to)| to == 0 || to > from) {
        return Err(Error::shape(
            "adaptive average pooling",
            format!("a grid of at least 1 and at most {height} × {width} × {frames} frames"),
            [to.height, to.width, to.frames],
        ));
    }
    if from == to {
        return Ok(input);
    }
    let [rows, cols, times] = axes.map(|(from, to)| windows(from, to));
    let (sources, shares) = taps([&rows, &cols, &times], from);
    let (points, taps) = (to.points(), sources.len() / to.points());
    let index = (0..channels).flat_map(|channel| {
        let start = channel * from.points();
        sources.iter().map(move |source| start + source)
    });
    let input = reshape(input, (channels * from.points(), batch))?;
    let index = RowIndex::new(&input.device(), index.collect())?;
    let gathered: Taped<Dims4> = reshape(take_rows(input, &index)?, (channels, taps, points, batch))?;
    let operand = gathered.operand();
    let weights = Array::new([taps, points], shares.clone())?;
    let shares = Plain::new(&gathered.device(), (taps, points), shares)?.enter(Recorder::for_data());
    let shape = *gathered.shape();
    let means: Taped<Dims3> = gathered.run(|gathered| {
        let shares = shares
            .into_engine()
            .try_broadcast_like::<_, Axes2<0, 3>>(&shape)?;
        gathered.try_mul(shares)?.try_sum::<_, Axis<1>>()
    })?;
    let means = means.traced(&[operand], || Operation::WeightedSum(weights));
    reshape(means, (channels, to.height, to.width, to.frames * batch))
}

/// The first value of each mean, and the number of values.
fn windows(from: usize, to: usize) -> Vec<(usize, usize)> {
    let window = |i: usize| {
        let start = i * from / to;
        (start, ((i + 1) * from).div_ceil(to) - start)
    };
    (0..to).map(window).collect()
}

/// For each tap of the largest window and each point of the grid, in this order: which point of the maps it reads, and
/// its share in the mean. Smaller windows have taps without a share, which read some point of theirs.
fn taps(axes: [&[(usize, usize)]; 3], from: Extents) -> (Vec<usize>, Vec<f32>) {
    let [tall, wide, long] = axes.map(|axis| axis.iter().map(|window| window.1).max().unwrap_or(0));
    let [rows, columns, times] = axes;
    let (mut sources, mut shares) = (Vec::new(), Vec::new());
    for tap in 0..tall * wide * long {
        let offsets = [tap / long / wide, tap / long % wide, tap % long];
        for &(row, height) in rows {
            for &(column, width) in columns {
                for &(time, frames) in times {
                    let inside = offsets[0] < height && offsets[1] < width && offsets[2] < frames;
                    let [y, x, t] = if inside { offsets } else { [0; 3] };
                    sources.push(((row + y) * from.width + column + x) * from.frames + time + t);
                    let count = (height * width * frames) as f32;
                    shares.push(if inside { 1.0 / count } else { 0.0 });
                }
            }
        }
    }
    (sources, shares)
}
