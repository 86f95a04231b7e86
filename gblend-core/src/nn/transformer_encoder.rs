//! A transformer over the steps of sequences.

use super::init::extents;
use super::layer_norm::LayerNorm;
use super::recompute::{LayerSize, Segments};
use super::step_position::{PositionKind, StepPositions};
use super::transformer::{AttentionBranch, MlpBranch};
use crate::engine::Steps;
use crate::error::Result;
use crate::params::{Module, ParamPath, ParamVisitor};
use crate::pass::Pass;
use crate::seed::Seed;
use crate::tensor::{AutoDevice, Features};

/// What a [`TransformerEncoder`] is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransformerOptions {
    /// Features of a step.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads of each attention, which divide the width.
    pub heads: usize,
    /// Units between the two layers of each perceptron.
    pub hidden: usize,
    /// Probability of dropout, on what each part of a block adds.
    pub dropout: f32,
    /// How the time of a step is told.
    pub positions: PositionKind,
}

/// Blocks of attention between the steps of each sequence and a perceptron of each step, normalized ahead of each part and
/// at the end: the encoder of Dosovitskiy et al., ICLR 2021, <https://arxiv.org/abs/2010.11929>, equations 2 to 4, over
/// sequences of any length. Steps that are not there are not attended to. In a pass that [recomputes](Pass::recomputes), blocks
/// are run again.
#[derive(Clone, Debug)]
pub struct TransformerEncoder {
    positions: StepPositions,
    blocks: Vec<Block>,
    segments: Segments,
    norm: LayerNorm,
    width: usize,
}

#[derive(Clone, Debug)]
struct Block {
    attention: AttentionBranch,
    mlp: MlpBranch,
}

impl Module for Block {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.attention.visit_params(&path.join("attention"), visitor)?;
        self.mlp.visit_params(&path.join("mlp"), visitor)
    }
}

impl TransformerEncoder {
    /// An encoder of steps that have its width already.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if an extent is 0, the heads do not divide the width, or the dropout is not
    /// in `0..1`; [`Error::Device`](crate::Error::Device).
    pub fn new(device: &AutoDevice, options: &TransformerOptions, seed: Seed) -> Result<Self> {
        let TransformerOptions {
            width,
            heads,
            hidden,
            dropout,
            ..
        } = *options;
        let [depth] = extents("transformer", [("depth", options.depth)])?;
        let blocks = (0..depth).map(|block| {
            let seed = seed.derive("block").nth(block as u64);
            Ok(Block {
                attention: AttentionBranch::new(device, width, heads, dropout, seed.derive("attention"))?,
                mlp: MlpBranch::new(device, width, hidden, dropout, seed.derive("mlp"))?,
            })
        });
        Ok(Self {
            segments: Segments::of(&vec![LayerSize::of_transformer(width, hidden); depth]),
            blocks: blocks.collect::<Result<_>>()?,
            positions: StepPositions::new(device, options.positions, width, seed.derive("position"))?,
            norm: LayerNorm::new(device, width)?,
            width,
        })
    }

    /// `[steps, width]` to the same shape.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are other steps or features, or a time that no position was made for;
    /// [`Error::Device`](crate::Error::Device).
    pub fn forward(&self, rows: Features, steps: &Steps, pass: &Pass) -> Result<Features> {
        steps.check("a transformer", *rows.shape(), self.width)?;
        let rows = self.positions.forward(rows, steps, pass)?;
        let steps = steps.clone();
        let layer = move |block: &mut Block, rows, (), pass: &Pass| {
            let rows = block.attention.forward_steps(rows, &steps, pass)?;
            Ok((block.mlp.forward(rows, pass)?, ()))
        };
        let mut blocks = self.blocks.clone();
        let all = 0..blocks.len();
        let (rows, ()) = self.segments.forward(&mut blocks, all, (rows, ()), pass, layer)?;
        self.norm.forward(rows)
    }
}

impl Module for TransformerEncoder {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.positions.visit_params(&path.join("position"), visitor)?;
        for (index, block) in self.blocks.iter_mut().enumerate() {
            block.visit_params(&path.join(format!("block{index}")), visitor)?;
        }
        self.norm.visit_params(&path.join("norm"), visitor)
    }
}
