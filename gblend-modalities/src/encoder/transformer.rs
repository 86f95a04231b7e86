//! A video transformer.

use gblend_core::nn::{AttentionBranch, LayerNorm, MlpBranch, Segments, SpaceTimeEmbedding, mean_axis};
use gblend_core::tensor::{Features, reshape};
use gblend_core::{
    Array, Batch, BuildContext, Encoder, Error, Module, ParamPath, ParamVisitor, Pass, Result, Seed,
    StepValues,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::features::FeatureVector;
use super::step_values::VideoCosts;
use super::tubelets::{TokenGrid, Tubelet, TubeletEmbedding};
use crate::range::{self, DEPTH, WIDTH, within};

/// The blocks of a video transformer and what they attend to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformerSettings {
    /// Height and width of a patch in pixels.
    pub patch: usize,
    /// Frames of a patch.
    pub tubelet: usize,
    /// Length of a token, a multiple of `heads`.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Number of attention heads.
    pub heads: usize,
    /// Units of a block's hidden layer.
    pub hidden: usize,
    /// Which tokens attend to which.
    pub attention: AttentionKind,
}

impl Default for TransformerSettings {
    fn default() -> Self {
        Self {
            patch: 8,
            tubelet: 1,
            width: 64,
            depth: 2,
            heads: 4,
            hidden: 128,
            attention: AttentionKind::default(),
        }
    }
}

/// Which tokens attend to which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AttentionKind {
    /// Each to all tokens of the clip.
    Joint,
    /// Each to those of its place in all frames, then to those of its frame.
    #[default]
    Divided,
}

/// A video transformer for samples `[channels, height, width, frames]`.
///
/// A linear map makes a token of each tubelet (ViViT: Arnab et al., ICCV 2021, <https://arxiv.org/abs/2103.15691>), an
/// embedding of its place and one of its time are added, and pre-norm blocks of self-attention and an MLP with GELU
/// follow (ViT: Dosovitskiy et al., ICLR 2021, <https://arxiv.org/abs/2010.11929>). The mean of the normalized tokens is
/// the feature vector.
///
/// Attention is joint, or divided into time and space one after the other (TimeSformer: Bertasius, Wang and Torresani,
/// ICML 2021, <https://arxiv.org/abs/2102.05095>, equations 5 and 6). With `T` frames of `S` patches a token then meets
/// `T + S` others in place of `T · S`, for another four matrices per block, which is the default because of long clips: of a
/// few dozen tokens, joint attention is the faster one. Where there is one frame, or one patch in each, both are
/// the same.
#[derive(Debug)]
pub struct VideoTransformer {
    sample_shape: [usize; 4],
    costs: VideoCosts,
    tubelets: TubeletEmbedding,
    positions: SpaceTimeEmbedding,
    blocks: Vec<Block>,
    /// Which of them are recomputed together.
    segments: Segments,
    norm: LayerNorm,
    features: FeatureVector,
}

impl VideoTransformer {
    /// Builds the encoder; `features` is the length of its feature vector where that is not `width`.
    ///
    /// # Errors
    /// [`Error::Shape`] if samples are not `[channels, height, width, frames]`, [`Error::Setting`] if a size is 0, heads
    /// do not divide the width, a tubelet exceeds the samples or leaves one token, or the dropout is no share.
    pub fn new(
        settings: &TransformerSettings,
        features: Option<usize>,
        dropout: f32,
        cx: &BuildContext<'_>,
    ) -> Result<Self> {
        let &[channels, height, columns, frames] = cx.sample_shape else {
            let expected = "samples of shape [channels, height, width, frames]";
            return Err(Error::shape("a video transformer", expected, cx.sample_shape));
        };
        let &TransformerSettings { width, heads, .. } = settings;
        within("encoder.width", width, WIDTH)?;
        within("encoder.depth", settings.depth, DEPTH)?;
        within("encoder.heads", heads, WIDTH)?;
        within("encoder.hidden", settings.hidden, WIDTH)?;
        let dropout = range::dropout("encoder.dropout", dropout)?;
        if !width.is_multiple_of(heads) {
            let expected = format!("a multiple of encoder.heads, which is {heads}");
            return Err(Error::setting("encoder.width", width, expected));
        }
        let sample_shape = [channels, height, columns, frames];
        let tubelet = Tubelet {
            frames: settings.tubelet,
            patch: settings.patch,
        };
        let tubelets = TubeletEmbedding::new(tubelet, width, sample_shape, cx, cx.seed.derive("patch"))?;
        let grid = tubelets.grid();
        let seed = cx.seed.derive("position");
        let positions = SpaceTimeEmbedding::new(cx.device, grid.frames, grid.places, width, seed)?;
        let blocks = (0..settings.depth as u64)
            .map(|index| Block::new(settings, grid, dropout, cx, cx.seed.derive("block").nth(index)));
        let costs = VideoCosts {
            sample_shape,
            frames: grid.frames,
            places: grid.places,
            width,
            hidden: settings.hidden,
            divided: is_divided(settings, grid),
        };
        Ok(Self {
            costs,
            segments: Segments::of(&vec![costs.block(); settings.depth]),
            sample_shape,
            positions,
            blocks: blocks.collect::<Result<_>>()?,
            norm: LayerNorm::new(cx.device, width)?,
            features: FeatureVector::new(width, features, dropout, cx)?,
            tubelets,
        })
    }
}

impl Encoder for VideoTransformer {
    fn feature_dim(&self) -> usize {
        self.features.length()
    }

    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        if batch.sample_shape() != self.sample_shape {
            let expected = format!("samples of shape {:?}", self.sample_shape);
            return Err(Error::shape(
                "a video transformer",
                expected,
                batch.sample_shape(),
            ));
        }
        let grid = self.tubelets.grid();
        let tokens = self.positions.forward(self.tubelets.forward(batch, pass)?)?;
        let layer =
            move |block: &mut Block, tokens, (), pass: &Pass| Ok((block.forward(tokens, grid, pass)?, ()));
        let all = 0..self.blocks.len();
        let (tokens, ()) = self
            .segments
            .forward(&mut self.blocks, all, (tokens, ()), pass, layer)?;
        let tokens = self.norm.forward(tokens)?;
        let (_, width) = *tokens.shape();
        let tokens = reshape(tokens, (batch.len(), grid.tokens(), width))?;
        self.features.forward(mean_axis(tokens, 1)?, pass)
    }

    fn step_values(&self, _: &Array, recomputes: bool) -> StepValues {
        self.costs.values(self.segments.kept(recomputes))
    }
}

impl Module for VideoTransformer {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.tubelets.visit_params(&path.join("patch"), visitor)?;
        self.positions.visit_params(&path.join("position"), visitor)?;
        for (index, block) in self.blocks.iter_mut().enumerate() {
            block.visit_params(&path.join(format!("block{index}")), visitor)?;
        }
        self.norm.visit_params(&path.join("norm"), visitor)?;
        self.features.visit_params(path, visitor)
    }
}

/// What tokens attend to in a block. An axis of one token has no attention: it could only copy.
#[derive(Clone, Debug)]
enum Attention {
    Joint(Box<AttentionBranch>),
    Divided {
        time: Box<AttentionBranch>,
        space: Box<AttentionBranch>,
    },
}

#[derive(Clone, Debug)]
struct Block {
    attention: Attention,
    mlp: MlpBranch,
}

impl Block {
    fn new(
        settings: &TransformerSettings,
        grid: TokenGrid,
        dropout: f32,
        cx: &BuildContext<'_>,
        seed: Seed,
    ) -> Result<Self> {
        let &TransformerSettings { width, heads, .. } = settings;
        let branch =
            |name| AttentionBranch::new(cx.device, width, heads, dropout, seed.derive(name)).map(Box::new);
        Ok(Self {
            attention: if is_divided(settings, grid) {
                Attention::Divided {
                    time: branch("time")?,
                    space: branch("space")?,
                }
            } else {
                Attention::Joint(branch("attention")?)
            },
            mlp: MlpBranch::new(cx.device, width, settings.hidden, dropout, seed.derive("mlp"))?,
        })
    }

    /// `[batch × frames × places, width]` to the same shape.
    fn forward(&self, tokens: Features, grid: TokenGrid, pass: &Pass) -> Result<Features> {
        let tokens = match &self.attention {
            Attention::Joint(attention) => attention.forward(tokens, grid.tokens(), pass)?,
            Attention::Divided { time, space } => {
                let tokens = time.forward_interleaved(tokens, grid.frames, grid.places, pass)?;
                space.forward(tokens, grid.places, pass)?
            }
        };
        self.mlp.forward(tokens, pass)
    }
}

impl Module for Block {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        match &mut self.attention {
            Attention::Joint(attention) => attention.visit_params(&path.join("attention"), visitor)?,
            Attention::Divided { time, space } => {
                time.visit_params(&path.join("time"), visitor)?;
                space.visit_params(&path.join("space"), visitor)?;
            }
        }
        self.mlp.visit_params(&path.join("mlp"), visitor)
    }
}

/// Whether time and space are attended to one after the other.
fn is_divided(settings: &TransformerSettings, grid: TokenGrid) -> bool {
    settings.attention == AttentionKind::Divided && grid.frames > 1 && grid.places > 1
}
