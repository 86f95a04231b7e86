//! Learned vectors of things that are counted: words, categories.

use rand_distr::{Distribution, StandardNormal};

use super::ids::Ids;
use super::init::extents;
use super::step_batch::{time_of, tokens_of};
use super::step_pool::step_mean;
use crate::device::Chosen;
use crate::engine::{RowSources, SequenceEngine, Steps};
use crate::error::{Error, Result};
use crate::graph::{self, Operation};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Batch, Dims2, Features, Plain, Taped};

/// What messages call it.
const LAYER: &str = "embedding";

/// A learned vector for each of so many things.
///
/// One of them may stand for padding: its vector is zeros and stays so.
#[derive(Clone, Debug)]
pub struct Embedding {
    table: Plain<Dims2>,
    padding: Option<usize>,
    /// The number of the first thing.
    first: usize,
}

impl Embedding {
    /// Vectors of `width` features for `count` things, of which `padding` is none; standard normal values at first.
    ///
    /// # Errors
    /// [`Error::Argument`] if an extent is 0 or there is no such thing as the padding, [`Error::Device`].
    pub fn new(
        device: &AutoDevice,
        count: usize,
        width: usize,
        padding: Option<usize>,
        seed: Seed,
    ) -> Result<Self> {
        let [count, width] = extents(LAYER, [("embeddings", count), ("width", width)])?;
        if let Some(padding) = padding.filter(|&padding| padding >= count) {
            let expected = format!("one of the {count} embeddings, counted from 0");
            return Err(Error::argument(LAYER, "padding", padding, expected));
        }
        let mut rng = seed.rng();
        let mut values: Vec<f32> = (0..count * width)
            .map(|_| StandardNormal.sample(&mut rng))
            .collect();
        if let Some(padding) = padding {
            values[padding * width..][..width].fill(0.0);
        }
        Ok(Self {
            table: Plain::new(device, (count, width), values)?,
            padding,
            first: 0,
        })
    }

    /// Vectors of `width` features for `count` things that are counted from 1: 0 is padding, and has no row in the table.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn counted_from_one(device: &AutoDevice, count: usize, width: usize, seed: Seed) -> Result<Self> {
        Ok(Self {
            padding: Some(0),
            first: 1,
            ..Self::new(device, count, width, None, seed)?
        })
    }

    /// A copy, as data, with the vector of thing `row` of another table added to each of these.
    ///
    /// # Errors
    /// [`Error::Shape`] if the other has other features or no such row, [`Error::Device`].
    pub fn with_added(&self, other: &Self, row: usize) -> Result<Self> {
        let (count, width) = *self.table.shape();
        let added = other.table.to_array()?;
        let added = added.values().chunks_exact(other.width()).nth(row);
        let Some(added) = added.filter(|added| added.len() == width) else {
            let expected = format!("a table of {width} features with a row {row}");
            let (count, width) = *other.table.shape();
            return Err(Error::shape(
                "an embedding that is added",
                expected,
                [count, width],
            ));
        };
        let device = AutoDevice(self.table.0.device().clone());
        let mut values = self.table.to_array()?.into_values();
        for vector in values.chunks_exact_mut(width) {
            vector
                .iter_mut()
                .zip(added)
                .for_each(|(value, added)| *value += added);
        }
        Ok(Self {
            table: Plain::new(&device, (count, width), values)?,
            ..*self
        })
    }

    /// Features of each vector.
    pub fn width(&self) -> usize {
        self.table.shape().1
    }

    /// The vectors of these things, `[ids, width]`; zeros of padding, and no gradient.
    ///
    /// # Errors
    /// [`Error::Data`] if there is no such thing, [`Error::Device`].
    pub fn forward(&self, ids: &[usize], pass: &Pass) -> Result<Features> {
        let count = self.table.shape().0;
        let end = self.first + count;
        if let Some((place, id)) = ids.iter().enumerate().find(|&(_, &id)| id >= end) {
            let problem = format!("expected an id below {end}, found {id}");
            return Err(Error::data(format!("id {place} of an embedding"), problem));
        }
        let row = |id: usize| id.checked_sub(self.first).filter(|_| self.padding != Some(id));
        let rows = ids.iter().map(|&id| row(id));
        let sources = RowSources::counted(rows, count);
        Chosen::embedding(&self.table.0, &sources, pass.recorder().0).map(Taped::from)
    }

    /// As [`forward`](Self::forward), of ids that are values of a batch: one of each sample, `[batch, width]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_ids(&self, ids: &Ids, pass: &Pass) -> Result<Features> {
        let vectors = self.forward(&ids.ids, pass)?;
        let padding = self.padding;
        Ok(
            vectors.traced(&[self.table.operand(), ids.operand], || Operation::Embedding {
                padding,
                first: self.first,
            }),
        )
    }

    /// The vectors of a batch of ids, samples `[time]`, as the steps of sequences: `[steps, width]`. Padding is no step.
    ///
    /// # Errors
    /// [`Error::Shape`] if the samples have another rank, [`Error::Data`] if a value is no id, [`Error::Device`].
    pub fn forward_batch(&self, batch: &Batch, pass: &Pass) -> Result<(Features, Steps)> {
        if graph::is_tracing() {
            return self.traced_batch(batch, pass);
        }
        let (ids, steps) = tokens_of(batch, self.padding)?;
        Ok((self.forward(&ids, pass)?, steps))
    }

    /// Any tokens, all of which are there, for a trace.
    fn traced_batch(&self, batch: &Batch, pass: &Pass) -> Result<(Features, Steps)> {
        let (time, samples) = (time_of(batch)?, batch.len());
        let padding = self.padding;
        let any = usize::from(padding == Some(0)).min(self.first + self.table.shape().0 - 1);
        let input = graph::input_name(batch.identity());
        let ids = graph::operand_of_input(&[samples * time], || Operation::Tokens(input.clone()));
        let steps = graph::complete_steps(Operation::TokenMask { input, padding }, time, samples);
        let vectors = self.forward(&vec![any; samples * time], pass)?;
        let vectors = vectors.traced(&[self.table.operand(), ids], || Operation::Embedding {
            padding,
            first: self.first,
        });
        Ok((vectors, steps))
    }

    /// The mean of the vectors of each sample `[time]` of a batch of ids, `[batch, width]`; zeros of a sample that is
    /// padding alone.
    ///
    /// # Errors
    /// As [`forward_batch`](Self::forward_batch).
    pub fn forward_mean(&self, batch: &Batch, pass: &Pass) -> Result<Features> {
        let (rows, steps) = self.forward_batch(batch, pass)?;
        step_mean(rows, &steps)
    }
}

impl Module for Embedding {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.param(&path.join("table"), (&mut self.table).into())
    }
}
