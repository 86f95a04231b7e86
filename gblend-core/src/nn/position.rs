//! Position embeddings.

use super::arithmetic::add;
use super::init::{extents, normal};
use crate::device::Chosen;
use crate::engine::{RecorderOn, RowSources, SequenceEngine};
use crate::error::{Error, Result};
use crate::graph::{self, Operand, Operation};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Dims2, Features, Plain, Taped};

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
        let operand = tokens.operand();
        let Some((sums, of_sums)) = self.sums()? else {
            return Ok(tokens);
        };
        let index = RowSources::counted((0..rows).map(|row| Some(row % length)), length);
        let each = Chosen::gather_rows(sums.into_engine(), &index).map(Taped::from)?;
        let sums = add(tokens, each)?;
        Ok(self.noted(sums, operand, of_sums))
    }

    /// One row for each token of a sample, `[frames × places, width]`, and as a trace is told it, `[frames, places, width]`.
    fn sums(&self) -> Result<Option<(Features, Operand)>> {
        let &Self {
            frames,
            places,
            width,
            ..
        } = self;
        let of_axis = |table: &Plain<Dims2>, axis, row: &dyn Fn(usize) -> usize| {
            let rows = (0..frames * places).map(|token| Some(row(token)));
            let index = RowSources::counted(rows, table.shape().0);
            let recorder = RecorderOn::for_parameter();
            let repeated = Chosen::embedding(&table.0, &index, recorder).map(Taped::from)?;
            let operation = Operation::Repeat { axis };
            let operand = graph::between(operation, &[table.operand()], &[frames, places, width]);
            Ok((repeated, operand))
        };
        let space = self.space.as_ref();
        let space = space.map(|table| of_axis(table, 0, &|token| token % places));
        let time = self.time.as_ref();
        let time = time.map(|table| of_axis(table, 1, &|token| token / places));
        match (space, time) {
            (Some(space), Some(time)) => {
                let ((space, of_space), (time, of_time)) = (space?, time?);
                let operands = [of_space, of_time];
                let operand = graph::between(Operation::Add, &operands, &[frames, places, width]);
                Ok(Some((add(space, time)?, operand)))
            }
            (one, other) => one.or(other).transpose(),
        }
    }

    /// What was added, as a trace is told it: all of a sample in one row.
    fn noted(&self, sums: Features, tokens: Operand, of_sums: Operand) -> Features {
        let &(rows, width) = sums.shape();
        let row = self.frames * self.places * width;
        let all = [rows * width / row, row];
        let of_sums = graph::between(Operation::Reshape, &[of_sums], &[row]);
        let of_sums = graph::between(Operation::Repeat { axis: 0 }, &[of_sums], &all);
        let tokens = graph::between(Operation::Reshape, &[tokens], &all);
        let sum = graph::between(Operation::Add, &[tokens, of_sums], &all);
        sums.traced(&[sum], || Operation::Reshape)
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
