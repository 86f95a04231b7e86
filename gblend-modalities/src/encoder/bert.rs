//! BERT's encoder, by the names that parameters of it are saved under.

use std::num::NonZeroUsize;

use gblend_core::graph::is_tracing;
use gblend_core::nn::{
    Dropout, Embedding, LayerNorm, LayerSize, Linear, PositionKind, Segments, SelfAttention, StepPositions,
    Steps, add, fork, gelu_erf,
};
use gblend_core::tensor::Features;
use gblend_core::{Array, AutoDevice, Batch, Module, ParamMut, ParamPath, ParamVisitor, Pass, Result, Seed};

/// Added to variances.
const EPSILON: f32 = 1e-12;
/// Kinds of sentences, of which texts have the first.
const SENTENCES: usize = 2;

/// Sizes of a [`Bert`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct BertOptions {
    /// Tokens that there are.
    pub(crate) vocabulary: usize,
    /// Tokens of the longest text.
    pub(crate) positions: NonZeroUsize,
    /// Features of a token.
    pub(crate) width: usize,
    /// Blocks.
    pub(crate) depth: usize,
    /// Heads of each attention.
    pub(crate) heads: usize,
    /// Units of the hidden layer of each block.
    pub(crate) hidden: usize,
    /// Probability of dropout, on embeddings and on what each part of a block adds.
    pub(crate) dropout: f32,
}

/// Token, position and sentence embeddings, and blocks that are normalized behind each part: Devlin et al., "BERT: Pre-training of
/// Deep Bidirectional Transformers for Language Understanding", NAACL 2019, <https://arxiv.org/abs/1810.04805>, section 3, in the
/// arithmetic of Hugging Face's `BertModel`, without its pooler.
#[derive(Debug)]
pub(crate) struct Bert {
    words: Embedding,
    positions: StepPositions,
    sentences: Embedding,
    norm: LayerNorm,
    dropout: Dropout,
    blocks: Vec<Block>,
    /// Which of them are recomputed together.
    segments: Segments,
}

#[derive(Clone, Debug)]
struct Block {
    attention: SelfAttention,
    after_attention: LayerNorm,
    first: Linear,
    second: Linear,
    after: LayerNorm,
    /// On what the attention adds, and on what the perceptron does.
    dropouts: [Dropout; 2],
}

impl Bert {
    /// # Errors
    /// [`Error::Argument`](gblend_core::Error::Argument) if an extent is 0 or the heads do not divide the width;
    /// [`Error::Device`](gblend_core::Error::Device).
    pub(crate) fn new(device: &AutoDevice, options: &BertOptions, seed: Seed) -> Result<Self> {
        let &BertOptions {
            vocabulary,
            positions,
            width,
            heads,
            hidden,
            dropout,
            ..
        } = options;
        let norm = || LayerNorm::with_epsilon(device, width, EPSILON);
        let blocks = (0..options.depth).map(|block| {
            let seed = seed.derive("block").nth(block as u64);
            Ok(Block {
                attention: SelfAttention::with_biases(device, width, heads, seed.derive("attention"))?,
                after_attention: norm()?,
                first: Linear::new(device, width, hidden, seed.derive("first"))?,
                second: Linear::new(device, hidden, width, seed.derive("second"))?,
                after: norm()?,
                dropouts: [
                    Dropout::new(dropout, seed.derive("attention dropout"))?,
                    Dropout::new(dropout, seed.derive("dropout"))?,
                ],
            })
        });
        Ok(Self {
            words: Embedding::counted_from_one(device, vocabulary, width, seed.derive("words"))?,
            positions: StepPositions::new(
                device,
                PositionKind::Learned(positions),
                width,
                seed.derive("positions"),
            )?,
            sentences: Embedding::new(device, SENTENCES, width, None, seed.derive("sentences"))?,
            norm: norm()?,
            dropout: Dropout::new(dropout, seed.derive("dropout"))?,
            segments: Segments::of(&vec![LayerSize::of_transformer(width, hidden); options.depth]),
            blocks: blocks.collect::<Result<_>>()?,
        })
    }

    /// Texts `[length]`, numbers of tokens from 1 and then zeros, to `[tokens, width]`.
    ///
    /// # Errors
    /// [`Error::Data`](gblend_core::Error::Data) if there is no such token, [`Error::Shape`](gblend_core::Error::Shape) if a text is longer
    /// than there are positions; [`Error::Device`](gblend_core::Error::Device).
    pub(crate) fn forward(&self, batch: &Batch, pass: &Pass) -> Result<(Features, Steps)> {
        let (tokens, steps) = self.embedded(batch, pass)?;
        let tokens = self.positions.forward(tokens, &steps, pass)?;
        let tokens = self.dropout.forward(self.norm.forward(tokens)?, pass)?;
        let of_blocks = steps.clone();
        let layer = move |block: &mut Block, tokens, (), pass: &Pass| {
            Ok((block.forward(tokens, &of_blocks, pass)?, ()))
        };
        let mut blocks = self.blocks.clone();
        let all = 0..blocks.len();
        let (tokens, ()) = self
            .segments
            .forward(&mut blocks, all, (tokens, ()), pass, layer)?;
        Ok((tokens, steps))
    }

    /// The vectors of the tokens, as of a first sentence.
    fn embedded(&self, batch: &Batch, pass: &Pass) -> Result<(Features, Steps)> {
        if is_tracing() {
            // A graph has one table for both.
            return self
                .words
                .with_added(&self.sentences, 0)?
                .forward_batch(batch, pass);
        }
        let (words, steps) = self.words.forward_batch(batch, pass)?;
        let sentences = self.sentences.forward(&vec![0; words.shape().0], pass)?;
        Ok((add(words, sentences)?, steps))
    }
}

impl Block {
    fn forward(&self, tokens: Features, steps: &Steps, pass: &Pass) -> Result<Features> {
        let [of_attention, of_perceptron] = &self.dropouts;
        let (tokens, around) = fork(tokens);
        let attended = self.attention.forward_steps(tokens, steps)?;
        let attended = of_attention.forward(attended, pass)?;
        let (tokens, around) = fork(self.after_attention.forward(add(attended, around)?)?);
        let hidden = gelu_erf(self.first.forward(tokens)?)?;
        let added = of_perceptron.forward(self.second.forward(hidden)?, pass)?;
        self.after.forward(add(added, around)?)
    }
}

impl Module for Bert {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        let visitor = &mut Named(visitor);
        let embeddings = path.join("embeddings");
        self.words
            .visit_params(&embeddings.join("word_embeddings"), visitor)?;
        self.positions
            .visit_params(&embeddings.join("position_embeddings"), visitor)?;
        self.sentences
            .visit_params(&embeddings.join("token_type_embeddings"), visitor)?;
        self.norm.visit_params(&embeddings.join("LayerNorm"), visitor)?;
        for (number, block) in self.blocks.iter_mut().enumerate() {
            block.visit_params(&path.join("encoder.layer").join(number), visitor)?;
        }
        Ok(())
    }
}

impl Module for Block {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        let attention = path.join("attention");
        self.attention.visit_params(&attention.join("self"), visitor)?;
        let output = attention.join("output");
        self.after_attention
            .visit_params(&output.join("LayerNorm"), visitor)?;
        self.first
            .visit_params(&path.join("intermediate.dense"), visitor)?;
        self.second.visit_params(&path.join("output.dense"), visitor)?;
        self.after.visit_params(&path.join("output.LayerNorm"), visitor)
    }
}

/// Shows parameters under the names that PyTorch has for them.
struct Named<'a>(&'a mut dyn ParamVisitor);

impl Named<'_> {
    fn path(path: &ParamPath) -> ParamPath {
        let (parent, own) = path.as_str().rsplit_once('.').unwrap_or(("", path.as_str()));
        let own = match own {
            "gamma" | "table" => "weight",
            "beta" => "bias",
            other => other,
        };
        match parent.strip_suffix("attention.self.output") {
            Some(before) => ParamPath::root().join(format!("{before}attention.output.dense.{own}")),
            None => ParamPath::root().join(parent).join(own),
        }
    }
}

impl ParamVisitor for Named<'_> {
    fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
        self.0.param(&Self::path(path), param)
    }

    fn buffer(&mut self, path: &ParamPath, buffer: &mut Array) -> Result<()> {
        self.0.buffer(&Self::path(path), buffer)
    }
}
