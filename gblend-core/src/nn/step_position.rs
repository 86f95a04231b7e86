//! Where in its sequence a step is.

use std::num::NonZeroUsize;

use super::arithmetic::add;
use super::init::{extents, normal};
use super::position::DEVIATION;
use crate::device::Chosen;
use crate::engine::{RowSources, SequenceEngine, Steps};
use crate::error::{Error, Result};
use crate::graph::{self, Operation};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::recorder::Recorder;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Dims2, Features, Plain, Taped};

/// How the time of a step is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionKind {
    /// Not at all: sequences are sets.
    None,
    /// By sines and cosines, of any time.
    Sinusoidal,
    /// By a learned vector for each of so many times.
    Learned(NonZeroUsize),
}

/// Adds to each step what tells its time, counted from 0.
///
/// With sines it is `sin(t / 10000^(2i / width))` at feature `2i` and the cosine of the same at `2i + 1`: Vaswani et al.,
/// "Attention Is All You Need", NeurIPS 2017, <https://arxiv.org/abs/1706.03762>, section 3.5.
#[derive(Clone, Debug)]
pub struct StepPositions {
    kind: PositionKind,
    table: Option<Plain<Dims2>>,
    width: usize,
}

impl StepPositions {
    /// Positions of steps of `width` features.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no feature, [`Error::Device`].
    pub fn new(device: &AutoDevice, kind: PositionKind, width: usize, seed: Seed) -> Result<Self> {
        let [width] = extents("positions of steps", [("width", width)])?;
        let table = match kind {
            PositionKind::Learned(times) => Some(normal(device, (times.get(), width), DEVIATION, seed)?),
            PositionKind::None | PositionKind::Sinusoidal => None,
        };
        Ok(Self { kind, table, width })
    }

    /// Adds positions to `[steps, width]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are other steps or features, or a time that no vector was made for; [`Error::Device`].
    pub fn forward(&self, rows: Features, steps: &Steps, pass: &Pass) -> Result<Features> {
        steps.check("positions of steps", *rows.shape(), self.width)?;
        let longest = steps.times().iter().max().map_or(0, |time| time + 1);
        let rows_operand = rows.operand();
        let (positions, of_table) = match (self.kind, &self.table) {
            (PositionKind::Sinusoidal, _) => {
                let table = self.sinusoids(&rows.device(), longest)?;
                let index = RowSources::counted(steps.times().iter().copied().map(Some), longest);
                let operand = table.operand();
                let entered = table.enter(Recorder::for_data()).into_engine();
                (Chosen::gather_rows(entered, &index)?, operand)
            }
            (_, Some(table)) => {
                let times = table.shape().0;
                if longest > times {
                    let expected = format!("sequences of at most {times} steps");
                    return Err(Error::shape("positions of steps", expected, [longest]));
                }
                let index = RowSources::counted(steps.times().iter().copied().map(Some), times);
                (
                    Chosen::embedding(&table.0, &index, pass.recorder().0)?,
                    table.operand(),
                )
            }
            (_, None) => return Ok(rows),
        };
        let operands = [rows_operand, of_table, graph::operand_of_steps(steps)];
        let sums = add(rows, Taped::from(positions))?;
        Ok(sums.traced(&operands, || Operation::AddTimes))
    }

    /// `[times, width]`.
    fn sinusoids(&self, device: &AutoDevice, times: usize) -> Result<Plain<Dims2>> {
        let width = self.width;
        let rates = (0..width).map(|feature| {
            let exponent = (feature / 2 * 2) as f64 / width as f64;
            10_000_f64.powf(-exponent)
        });
        let rates: Vec<f64> = rates.collect();
        let mut values = Vec::with_capacity(times * width);
        for time in 0..times {
            values.extend(rates.iter().enumerate().map(|(feature, rate)| {
                let angle = time as f64 * rate;
                let value = if feature % 2 == 0 {
                    angle.sin()
                } else {
                    angle.cos()
                };
                value as f32
            }));
        }
        Plain::new(device, (times, width), values)
    }
}

impl Module for StepPositions {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        match &mut self.table {
            Some(table) => visitor.param(&path.join("table"), table.into()),
            None => Ok(()),
        }
    }
}
