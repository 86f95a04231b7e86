//! From clips to tokens.

use gblend_core::nn::{Conv2d, RowIndex, Window, pixel_rows, take_rows};
use gblend_core::tensor::{Features, Maps, reshape};
use gblend_core::{Batch, BuildContext, Error, Module, ParamPath, ParamVisitor, Pass, Result, Seed};

/// Cuts clips into tubelets, boxes of some frames of a square patch, and maps each to a token: Arnab et al., "ViViT: A
/// Video Vision Transformer", ICCV 2021, <https://arxiv.org/abs/2103.15691>, section 3.2.
///
/// Sizes that the boxes do not divide are filled up, as a convolutional encoder takes any size too: pictures with zeros
/// around them, and clips with their last frame.
#[derive(Debug)]
pub(super) struct TubeletEmbedding {
    /// Where each value of `[tubelet × channels, height, width, frames / tubelet]` is in a sample; none if tubelets
    /// are single frames.
    order: Option<RowIndex>,
    /// A map of non-overlapping patches is a convolution whose stride is its extent.
    patches: Conv2d,
    /// `[tubelet × channels, height, width]` of what is convolved.
    maps: [usize; 3],
    grid: TokenGrid,
}

/// How many tokens there are along time, and in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TokenGrid {
    pub(super) frames: usize,
    pub(super) places: usize,
}

impl TokenGrid {
    pub(super) fn tokens(self) -> usize {
        self.frames * self.places
    }
}

/// The extents of a tubelet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tubelet {
    pub(super) frames: usize,
    pub(super) patch: usize,
}

impl TubeletEmbedding {
    /// Tokens of `width` features from samples `[channels, height, width, frames]`.
    ///
    /// # Errors
    /// [`Error::Setting`] if a tubelet is empty or exceeds the samples, or there would be one token; [`Error::Device`].
    pub(super) fn new(
        tubelet: Tubelet,
        width: usize,
        [channels, height, columns, frames]: [usize; 4],
        cx: &BuildContext<'_>,
        seed: Seed,
    ) -> Result<Self> {
        let Tubelet { frames: deep, patch } = tubelet;
        if !(1..=frames).contains(&deep) {
            let expected = format!("1 to the number of frames of a sample, which is {frames}");
            return Err(Error::setting("encoder.tubelet", deep, expected));
        }
        if !(1..=height.max(columns)).contains(&patch) {
            let expected = format!("1 to the longer side of a picture of {height} x {columns}");
            return Err(Error::setting("encoder.patch", patch, expected));
        }
        let grid = TokenGrid {
            frames: frames.div_ceil(deep),
            places: height.div_ceil(patch) * columns.div_ceil(patch),
        };
        if grid.tokens() < 2 {
            let expected = format!("a patch of which samples of {height} x {columns} have at least two");
            return Err(Error::setting("encoder.patch", patch, expected));
        }
        // Half of what is missing on each side. If that is odd there is a row more than patches need.
        let border = |side: usize| (side.next_multiple_of(patch) - side).div_ceil(2);
        let window = Window {
            kernel: (patch, patch),
            stride: (patch, patch),
            padding: (border(height), border(columns)),
        };
        let order = (deep > 1).then(|| {
            let order = order(channels * height * columns, frames, deep);
            RowIndex::new(cx.device, order)
        });
        Ok(Self {
            order: order.transpose()?,
            patches: Conv2d::new(cx.device, deep * channels, width, window, seed)?,
            maps: [deep * channels, height, columns],
            grid,
        })
    }

    /// How many tokens a sample has.
    pub(super) fn grid(&self) -> TokenGrid {
        self.grid
    }

    /// One row for each token, `[batch × frames × places, width]`.
    pub(super) fn forward(&self, batch: &Batch, pass: &Pass) -> Result<Features> {
        let maps = self.patches.forward(self.tubelets(batch, pass)?)?;
        pixel_rows(maps, self.grid.frames)
    }

    /// The frames of a tubelet as channels of one, `[tubelet × channels, height, width, frames / tubelet × batch]`.
    fn tubelets(&self, batch: &Batch, pass: &Pass) -> Result<Maps> {
        let maps = batch.maps(pass.recorder())?;
        let Some(order) = &self.order else {
            return Ok(maps);
        };
        let values: usize = batch.sample_shape().iter().product();
        let rows = take_rows(reshape(maps, (values, batch.len()))?, order)?;
        let [channels, height, width] = self.maps;
        reshape(rows, (channels, height, width, self.grid.frames * batch.len()))
    }
}

/// For each value of `[tubelet, pixels, frames / tubelet]` the one of `[pixels, frames]` that belongs there; what is
/// beyond the last frame is that frame again.
fn order(pixels: usize, frames: usize, tubelet: usize) -> Vec<usize> {
    let groups = frames.div_ceil(tubelet);
    let mut order = Vec::with_capacity(tubelet * pixels * groups);
    for offset in 0..tubelet {
        for pixel in 0..pixels {
            let within = (0..groups).map(|group| (group * tubelet + offset).min(frames - 1));
            order.extend(within.map(|frame| pixel * frames + frame));
        }
    }
    order
}

impl Module for TubeletEmbedding {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.patches.visit_params(path, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_a_tubelet_become_channels_and_the_last_one_is_repeated() {
        // Two pixels of three frames each.
        assert_eq!(order(2, 3, 2), [0, 2, 3, 5, 1, 2, 4, 5]);
        assert_eq!(order(1, 4, 2), [0, 2, 1, 3]);
    }
}
