//! The two parts of a transformer's block.

use super::arithmetic::add;
use super::attention::SelfAttention;
use super::dropout::Dropout;
use super::fork::fork;
use super::layer_norm::LayerNorm;
use super::linear::Linear;
use super::pointwise::gelu;
use crate::engine::Steps;
use crate::error::Result;
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Features};

/// `t + attention(norm(t))`, the first part of a block: Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers
/// for Image Recognition at Scale", ICLR 2021, <https://arxiv.org/abs/2010.11929>, equation 2. In training, dropout
/// falls on what is added (Vaswani et al., NeurIPS 2017, section 5.4).
#[derive(Clone, Debug)]
pub struct AttentionBranch {
    norm: LayerNorm,
    attention: SelfAttention,
    dropout: Dropout,
}

impl AttentionBranch {
    /// A part for tokens of `width` features.
    ///
    /// # Errors
    /// As [`SelfAttention::new`] and [`Dropout::new`].
    pub fn new(device: &AutoDevice, width: usize, heads: usize, dropout: f32, seed: Seed) -> Result<Self> {
        Ok(Self {
            norm: LayerNorm::new(device, width)?,
            attention: SelfAttention::new(device, width, heads, seed.derive("attention"))?,
            dropout: Dropout::new(dropout, seed.derive("dropout"))?,
        })
    }

    /// `[sequences × length, width]` to the same shape.
    ///
    /// # Errors
    /// As [`SelfAttention::forward`].
    pub fn forward(&self, tokens: Features, length: usize, pass: &Pass) -> Result<Features> {
        self.forward_interleaved(tokens, length, 1, pass)
    }

    /// `[groups × length × apart, width]` to the same shape, the tokens of a sequence `apart` rows from each other.
    ///
    /// # Errors
    /// As [`SelfAttention::forward_interleaved`].
    pub fn forward_interleaved(
        &self,
        tokens: Features,
        length: usize,
        apart: usize,
        pass: &Pass,
    ) -> Result<Features> {
        self.around(tokens, pass, |tokens| {
            self.attention.forward_interleaved(tokens, length, apart)
        })
    }

    /// The steps of sequences of any length, `[steps, width]` to the same shape.
    ///
    /// # Errors
    /// As [`SelfAttention::forward_steps`].
    pub fn forward_steps(&self, tokens: Features, steps: &Steps, pass: &Pass) -> Result<Features> {
        self.around(tokens, pass, |tokens| self.attention.forward_steps(tokens, steps))
    }

    /// What is attended to, of normalized tokens, added to the tokens as they are.
    fn around(
        &self,
        tokens: Features,
        pass: &Pass,
        attended: impl FnOnce(Features) -> Result<Features>,
    ) -> Result<Features> {
        let (tokens, around) = fork(tokens);
        let added = attended(self.norm.forward(tokens)?)?;
        add(self.dropout.forward(added, pass)?, around)
    }
}

impl Module for AttentionBranch {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.norm.visit_params(&path.join("norm"), visitor)?;
        self.attention.visit_params(path, visitor)
    }
}

/// `t + W₂ gelu(W₁ norm(t) + b₁) + b₂`, the second part of a block: Dosovitskiy et al., equation 3. In training, dropout
/// falls on what is added.
#[derive(Clone, Debug)]
pub struct MlpBranch {
    norm: LayerNorm,
    first: Linear,
    second: Linear,
    dropout: Dropout,
}

impl MlpBranch {
    /// A part for tokens of `width` features, with `hidden` units.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if a size is 0 or the dropout is not in `0..1`; [`Error::Device`](crate::Error::Device).
    pub fn new(device: &AutoDevice, width: usize, hidden: usize, dropout: f32, seed: Seed) -> Result<Self> {
        Ok(Self {
            norm: LayerNorm::new(device, width)?,
            first: Linear::new(device, width, hidden, seed.derive("first"))?,
            second: Linear::new(device, hidden, width, seed.derive("second"))?,
            dropout: Dropout::new(dropout, seed.derive("dropout"))?,
        })
    }

    /// `[tokens, width]` to the same shape.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the rows have another length, [`Error::Device`](crate::Error::Device).
    pub fn forward(&self, tokens: Features, pass: &Pass) -> Result<Features> {
        let (tokens, around) = fork(tokens);
        let hidden = gelu(self.first.forward(self.norm.forward(tokens)?)?)?;
        let added = self.dropout.forward(self.second.forward(hidden)?, pass)?;
        add(added, around)
    }
}

impl Module for MlpBranch {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.norm.visit_params(&path.join("norm"), visitor)?;
        self.first.visit_params(&path.join("first"), visitor)?;
        self.second.visit_params(&path.join("second"), visitor)
    }
}
