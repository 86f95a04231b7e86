//! Self-attention.

use dfdx::shapes::{Axes4, Axis};
use dfdx::tensor_ops::{PermuteTo, ReshapeTo, TryMatMul, TryMul};

use super::fork::fork;
use super::init::extents;
use super::linear::Linear;
use super::permute::permute;
use crate::device::Chosen;
use crate::engine::{SequenceEngine, Steps, enclosed};
use crate::error::{Error, Result};
use crate::graph::{self, Operation};
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Dims4, Features, Taped, reshape};

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
        let &(rows, width) = tokens.shape();
        if length == 0 || !rows.is_multiple_of(length) || width != self.width {
            let expected = format!("[sequences x {length}, {}]", self.width);
            return Err(Error::shape("self-attention", expected, [rows, width]));
        }
        let sequences = rows / length;
        let (tokens, for_key) = fork(tokens);
        let (tokens, for_value) = fork(tokens);
        let query = self.split(self.query.forward(tokens)?, sequences, length)?;
        let key = self.split(self.key.forward(for_key)?, sequences, length)?;
        let value = self.split(self.value.forward(for_value)?, sequences, length)?;
        let scale = 1.0 / ((self.width / self.heads) as f32).sqrt();
        let key = permute(key, [0, 1, 3, 2])?;
        let operands = [query.operand(), key.operand(), value.operand()];
        let attended = query.run(|query| {
            let scores = query.try_matmul(key.into_engine())?.try_mul(scale)?;
            let shares = enclosed(scores, |scores| scores.try_softmax::<Axis<3>>())?;
            let heads = shares.try_matmul(value.into_engine())?;
            heads.try_permute::<Dims4, Axes4<0, 2, 1, 3>>()?.try_contiguous()
        })?;
        let attended = attended.traced(&operands, || Operation::Attention { scale });
        self.output.forward(reshape(attended, (rows, self.width))?)
    }

    /// Attention between the steps of sequences of any length, `[steps, width]` to the same shape: nothing is taken of what
    /// is not there.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are other steps or features, [`Error::Device`].
    pub fn forward_steps(&self, tokens: Features, steps: &Steps) -> Result<Features> {
        steps.check("self-attention", *tokens.shape(), self.width)?;
        let (tokens, for_key) = fork(tokens);
        let (tokens, for_value) = fork(tokens);
        let query = self.query.forward(tokens)?;
        let key = self.key.forward(for_key)?;
        let value = self.value.forward(for_value)?;
        let mask = graph::operand_of_steps(steps);
        let operands = [query.operand(), key.operand(), value.operand(), mask];
        let [query, key, value] = [query, key, value].map(Taped::into_engine);
        let attended = Taped::from(Chosen::attention(query, key, value, steps, self.heads)?);
        let heads = self.heads;
        self.output
            .forward(attended.traced(&operands, || Operation::StepAttention { heads }))
    }

    /// `[sequences × length, width]` to `[sequences, heads, length, width / heads]`.
    fn split(&self, rows: Features, sequences: usize, length: usize) -> Result<Taped<Dims4>> {
        let share = self.width / self.heads;
        permute(
            reshape(rows, (sequences, length, self.heads, share))?,
            [0, 2, 1, 3],
        )
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
