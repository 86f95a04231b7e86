//! Position embeddings.

use dfdx::shapes::Axis;
use dfdx::tensor_ops::BroadcastTo;

use super::arithmetic::add;
use super::init::{extents, normal};
use crate::error::{Error, Result};
use crate::graph::Operation;
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Dims1, Dims2, Dims3, Features, Plain, Taped, reshape};

/// Standard deviation of initial embeddings, that of Dosovitskiy et al., ICLR 2021.
pub(super) const DEVIATION: f32 = 0.02;

/// A learned vector for each place of a frame and one for each frame, whose sum tells a token's position: Bertasius,
/// Wang and Torresani, "Is Space-Time Attention All You Need for Video Understanding?", ICML 2021,
/// <https://arxiv.org/abs/2102.05095>, section 3. Where there is one frame, or one place, it has no vector of its own.
#[derive(Clone, Debug)]
pub struct SpaceTimeEmbedding {
    space: Option<Plain<Dims2>>,
    time: Option<Plain<Dims2>>,
    frames: usize,
    places: usize,
    width: usize,
}

impl SpaceTimeEmbedding {
    /// Embeddings of `frames` × `places` tokens of `width` features.
    ///
    /// # Errors
    /// [`Error::Argument`] if an extent is 0, [`Error::Device`].
    pub fn new(device: &AutoDevice, frames: usize, places: usize, width: usize, seed: Seed) -> Result<Self> {
        let [frames, places, width] = extents(
            "position embedding",
            [("frames", frames), ("places", places), ("width", width)],
        )?;
        let table = |name, length| {
            (length > 1).then(|| normal(device, (length, width), DEVIATION, seed.derive(name)))
        };
        Ok(Self {
            space: table("space", places).transpose()?,
            time: table("time", frames).transpose()?,
            frames,
            places,
            width,
        })
    }

    /// Adds the embeddings to `[batch × frames × places, width]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the rows have another length or do not divide into frames and places, [`Error::Device`].
    pub fn forward(&self, tokens: Features) -> Result<Features> {
        let &(rows, width) = tokens.shape();
        let length = self.frames * self.places;
        if width != self.width || !rows.is_multiple_of(length) {
            let expected = format!("[batch x {} x {}, {}]", self.frames, self.places, self.width);
            return Err(Error::shape("position embedding", expected, [rows, width]));
        }
        let Some(sums) = self.sums()? else {
            return Ok(tokens);
        };
        // Of one sample in one row: the sum over the batch is then one over a single axis.
        let shape = (rows / length, length * width);
        let sums: Taped<Dims1> = reshape(sums, (length * width,))?;
        let operand = sums.operand();
        let sums: Features = sums.run(|sums| sums.try_broadcast_like::<_, Axis<0>>(&shape))?;
        let sums = sums.traced(&[operand], || Operation::Repeat { axis: 0 });
        reshape(add(reshape(tokens, shape)?, sums)?, (rows, width))
    }

    /// One row for each token of a sample, `[frames, places, width]`.
    fn sums(&self) -> Result<Option<Taped<Dims3>>> {
        let shape = (self.frames, self.places, self.width);
        let space = self.space.as_ref().map(|space| {
            let (space, operand) = (space.parameter(), space.operand());
            let space = space.run(|space| space.try_broadcast_like::<Dims3, Axis<0>>(&shape))?;
            Ok(space.traced(&[operand], || Operation::Repeat { axis: 0 }))
        });
        let time = self.time.as_ref().map(|time| {
            let (time, operand) = (time.parameter(), time.operand());
            let time = time.run(|time| time.try_broadcast_like::<Dims3, Axis<1>>(&shape))?;
            Ok(time.traced(&[operand], || Operation::Repeat { axis: 1 }))
        });
        match (space, time) {
            (Some(space), Some(time)) => add(space?, time?).map(Some),
            (one, other) => one.or(other).transpose(),
        }
    }
}

impl Module for SpaceTimeEmbedding {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        if let Some(space) = &mut self.space {
            visitor.param(&path.join("space"), space.into())?;
        }
        match &mut self.time {
            Some(time) => visitor.param(&path.join("time"), time.into()),
            None => Ok(()),
        }
    }
}
