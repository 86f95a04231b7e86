//! Self-attention.

use super::fork::fork;
use super::init::extents;
use super::linear::Linear;
use crate::device::Chosen;
use crate::engine::{Interleaved, SequenceEngine, Steps};
use crate::error::{Error, Result};
use crate::graph::{self, Operand, Operation};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Features, Taped};

/// Multi-head self-attention: each token of a sequence takes from all of them what it asks for.
///
/// Tokens `t` become `O · [head_1, …, head_H]` with `head_i = softmax(Q_i t (K_i t)ᵀ / √(width / H)) V_i t`. Vaswani et
/// al., "Attention Is All You Need", NeurIPS 2017, <https://arxiv.org/abs/1706.03762>, section 3.2. No matrix has a
/// bias, unless it is asked for: that of the keys would do nothing, and the others add the same to every token.
#[derive(Clone, Debug)]
pub struct SelfAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    width: usize,
    heads: usize,
}

/// What messages call it.
const LAYER: &str = "self-attention";

impl SelfAttention {
    /// Attention with so many heads between tokens of `width` features.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no feature or head, or the heads do not divide the width; [`Error::Device`].
    pub fn new(device: &AutoDevice, width: usize, heads: usize, seed: Seed) -> Result<Self> {
        Self::of(device, width, heads, seed, Linear::without_bias)
    }

    /// As [`new`](Self::new), with a bias of every matrix, for parameters that were trained with them.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_biases(device: &AutoDevice, width: usize, heads: usize, seed: Seed) -> Result<Self> {
        Self::of(device, width, heads, seed, Linear::new)
    }

    fn of(
        device: &AutoDevice,
        width: usize,
        heads: usize,
        seed: Seed,
        layer: fn(&AutoDevice, usize, usize, Seed) -> Result<Linear>,
    ) -> Result<Self> {
        let [width] = extents(LAYER, [("width", width)])?;
        let [heads] = extents(LAYER, [("heads", heads)])?;
        if !width.is_multiple_of(heads) {
            let expected = format!("a multiple of the number of heads, which is {heads}");
            return Err(Error::argument(LAYER, "width", width, expected));
        }
        let linear = |name| layer(device, width, width, seed.derive(name));
        Ok(Self {
            query: linear("query")?,
            key: linear("key")?,
            value: linear("value")?,
            output: linear("output")?,
            width,
            heads,
        })
    }

    /// `[sequences × length, width]` to the same shape, the tokens of a sequence one after another.
    ///
    /// # Errors
    /// [`Error::Shape`] if the rows have another length or do not divide into sequences, [`Error::Device`].
    pub fn forward(&self, tokens: Features, length: usize) -> Result<Features> {
        self.forward_interleaved(tokens, length, 1)
    }

    /// `[groups × length × apart, width]` to the same shape, the tokens of a sequence `apart` rows from each other: of the
    /// frames of clips with so many places, each place attends to itself in all frames.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_interleaved(&self, tokens: Features, length: usize, apart: usize) -> Result<Features> {
        let &(rows, width) = tokens.shape();
        let group = length.saturating_mul(apart);
        if group == 0 || !rows.is_multiple_of(group) || width != self.width {
            let of = if apart == 1 {
                String::new()
            } else {
                format!(" x {apart}")
            };
            let expected = format!("[sequences x {length}{of}, {}]", self.width);
            return Err(Error::shape("self-attention", expected, [rows, width]));
        }
        let [query, key, value] = self.project(tokens)?;
        let operands = [query.operand(), key.operand(), value.operand()];
        let [query, key, value] = [query, key, value].map(Taped::into_engine);
        let sequences = Interleaved { length, apart };
        let attended = Chosen::interleaved_attention(query, key, value, sequences, self.heads)?;
        self.output
            .forward(self.noted(attended.into(), operands, sequences))
    }

    /// Attention between the steps of sequences of any length, `[steps, width]` to the same shape: nothing is taken of what
    /// is not there.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are other steps or features, [`Error::Device`].
    pub fn forward_steps(&self, tokens: Features, steps: &Steps) -> Result<Features> {
        steps.check("self-attention", *tokens.shape(), self.width)?;
        let [query, key, value] = self.project(tokens)?;
        let mask = graph::operand_of_steps(steps);
        let operands = [query.operand(), key.operand(), value.operand(), mask];
        let [query, key, value] = [query, key, value].map(Taped::into_engine);
        let attended = Taped::from(Chosen::attention(query, key, value, steps, self.heads)?);
        let heads = self.heads;
        self.output
            .forward(attended.traced(&operands, || Operation::StepAttention { heads }))
    }

    /// Queries, keys and values.
    fn project(&self, tokens: Features) -> Result<[Features; 3]> {
        let (tokens, for_key) = fork(tokens);
        let (tokens, for_value) = fork(tokens);
        Ok([
            self.query.forward(tokens)?,
            self.key.forward(for_key)?,
            self.value.forward(for_value)?,
        ])
    }

    /// What was attended to between sequences of one length, as a trace is told it: by moving what belongs together.
    fn noted(&self, attended: Features, operands: [Operand; 3], sequences: Interleaved) -> Features {
        if !graph::is_tracing() {
            return attended;
        }
        let Interleaved { length, apart } = sequences;
        let &(rows, width) = attended.shape();
        let (groups, count) = (rows / (length * apart), rows / length);
        let (heads, share) = (self.heads, self.width / self.heads);
        let reshaped = |operand, shape: &[usize]| graph::between(Operation::Reshape, &[operand], shape);
        let permuted = |operand, order: &[usize], shape: &[usize]| {
            graph::between(Operation::Permute(order.to_vec()), &[operand], shape)
        };
        let split = |operand| {
            let mut rows_of_sequences = operand;
            if apart > 1 {
                let tokens = reshaped(operand, &[groups, length, apart, width]);
                let tokens = permuted(tokens, &[0, 2, 1, 3], &[groups, apart, length, width]);
                rows_of_sequences = reshaped(tokens, &[rows, width]);
            }
            let tokens = reshaped(rows_of_sequences, &[count, length, heads, share]);
            permuted(tokens, &[0, 2, 1, 3], &[count, heads, length, share])
        };
        let [query, key, value] = operands.map(split);
        let key = permuted(key, &[0, 1, 3, 2], &[count, heads, share, length]);
        let scale = 1.0 / (share as f32).sqrt();
        let operation = Operation::Attention { scale };
        let mut result = graph::between(operation, &[query, key, value], &[count, length, heads, share]);
        if apart > 1 {
            let tokens = reshaped(result, &[groups, apart, length, width]);
            result = permuted(tokens, &[0, 2, 1, 3], &[groups, length, apart, width]);
        }
        attended.traced(&[result], || Operation::Reshape)
    }
}

impl Module for SelfAttention {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.query.visit_params(&path.join("query"), visitor)?;
        self.key.visit_params(&path.join("key"), visitor)?;
        self.value.visit_params(&path.join("value"), visitor)?;
        self.output.visit_params(&path.join("output"), visitor)
    }
}
