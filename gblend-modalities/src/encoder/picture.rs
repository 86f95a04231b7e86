//! Convolutional encoders of one or several pictures.

use gblend_core::nn::{
    ConvNorm, FactorizedBlock, FactorizedStrides, ResidualBlock, Window, frame_average, global_average_pool,
};
use gblend_core::tensor::Maps;
use gblend_core::{
    Batch, BuildContext, Encoder, Error, Module, ParamPath, ParamVisitor, Pass, Result, tensor::Features,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::features::FeatureVector;

/// How the stages of a convolutional encoder are built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Convolution {
    /// Plain 3 × 3 convolutions on each frame.
    #[default]
    Plain,
    /// Residual blocks on each frame.
    Residual,
    /// (2+1)D blocks: 3 × 3 within frames, then 3 over time.
    Factorized,
}

/// The stages of a convolutional encoder.
///
/// Each stage halves the picture; the last one is averaged over frames, and by default over pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvolutionSettings {
    /// What the stages are made of.
    pub convolution: Convolution,
    /// Channels of each stage; the last number is how many features average pooling leaves.
    pub channels: Vec<usize>,
    /// Blocks of each stage; the first of them halves the picture.
    pub blocks: usize,
    /// What becomes of the last stage's maps.
    pub pooling: Pooling,
}

impl Default for ConvolutionSettings {
    fn default() -> Self {
        Self {
            convolution: Convolution::default(),
            channels: vec![16, 32, 64, 128],
            blocks: 1,
            pooling: Pooling::default(),
        }
    }
}

/// How maps become a feature vector. Either way the mean over frames is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The mean over pixels: one feature per channel, wherever something is seen.
    #[default]
    Average,
    /// Every pixel of every channel is a feature: for things that keep their place. More features, and more
    /// that can be memorized.
    Flatten,
}

#[derive(Debug)]
enum Block {
    Plain(Box<ConvNorm>),
    Residual(Box<ResidualBlock>),
    Factorized(Box<FactorizedBlock>),
}

/// [`ConvolutionSettings`] as built, for samples `[channels, height, width, frames]`.
#[derive(Debug)]
pub struct PictureEncoder {
    sample_shape: [usize; 4],
    blocks: Vec<Block>,
    pooling: Pooling,
    features: FeatureVector,
}

impl PictureEncoder {
    /// Builds the encoder; `features` is the length of its feature vector where that is not what pooling leaves.
    ///
    /// # Errors
    /// [`Error::Shape`] if samples are not `[channels, height, width, frames]`, [`Error::Setting`] if
    /// there is no stage, a stage without channels or blocks, or a dropout that is no share.
    pub fn new(
        settings: &ConvolutionSettings,
        features: Option<usize>,
        dropout: f32,
        cx: &BuildContext<'_>,
    ) -> Result<Self> {
        let &[channels, height, width, frames] = cx.sample_shape else {
            let expected = "samples of shape [channels, height, width, frames]";
            return Err(Error::shape("a picture encoder", expected, cx.sample_shape));
        };
        let Some(&last) = settings.channels.last() else {
            return Err(Error::setting("encoder.channels", "[]", "at least one stage"));
        };
        if settings.blocks == 0 {
            return Err(Error::setting("encoder.blocks", 0, "at least 1"));
        }
        let mut blocks = Vec::new();
        let (mut inputs, mut left) = (channels, frames);
        for (stage, &outputs) in settings.channels.iter().enumerate() {
            for index in 0..settings.blocks {
                let seed = cx.seed.derive("stage").nth(stage as u64).nth(index as u64);
                let stride = if index == 0 { 2 } else { 1 };
                blocks.push(match settings.convolution {
                    Convolution::Plain => {
                        let window = Window::square(3, stride, 1);
                        Block::Plain(Box::new(ConvNorm::new(
                            cx.device, inputs, outputs, window, true, seed,
                        )?))
                    }
                    Convolution::Residual => Block::Residual(Box::new(ResidualBlock::new(
                        cx.device, inputs, outputs, stride, seed,
                    )?)),
                    Convolution::Factorized => {
                        // Time is halved from the second stage on, while there is any to halve.
                        let temporal = if stage > 0 && stride == 2 && left > 1 {
                            2
                        } else {
                            1
                        };
                        left = left.div_ceil(temporal);
                        let strides = FactorizedStrides {
                            spatial: stride,
                            temporal,
                        };
                        Block::Factorized(Box::new(FactorizedBlock::new(
                            cx.device, inputs, outputs, strides, seed,
                        )?))
                    }
                });
                inputs = outputs;
            }
        }
        let halved = |side: usize| settings.channels.iter().fold(side, |side, _| side.div_ceil(2));
        let pooled = match settings.pooling {
            Pooling::Average => last,
            Pooling::Flatten => last * halved(height) * halved(width),
        };
        Ok(Self {
            sample_shape: [channels, height, width, frames],
            blocks,
            pooling: settings.pooling,
            features: FeatureVector::new(pooled, features, dropout, cx)?,
        })
    }
}

impl Encoder for PictureEncoder {
    fn feature_dim(&self) -> usize {
        self.features.length()
    }

    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        if batch.sample_shape() != self.sample_shape {
            let expected = format!("samples of shape {:?}", self.sample_shape);
            return Err(Error::shape("a picture encoder", expected, batch.sample_shape()));
        }
        let mut frames = self.sample_shape[3];
        let mut maps: Maps = batch.maps(pass.recorder())?;
        for block in &mut self.blocks {
            maps = match block {
                Block::Plain(conv) => conv.forward(maps, pass)?,
                Block::Residual(block) => block.forward(maps, pass)?,
                Block::Factorized(block) => {
                    let (maps, left) = block.forward(maps, frames, pass)?;
                    frames = left;
                    maps
                }
            };
        }
        let pooled = match self.pooling {
            Pooling::Average => global_average_pool(maps, frames)?,
            Pooling::Flatten => frame_average(maps, frames)?,
        };
        self.features.forward(pooled, pass)
    }
}

impl Module for PictureEncoder {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        for (index, block) in self.blocks.iter_mut().enumerate() {
            let path = path.join(format!("block{index}"));
            match block {
                Block::Plain(conv) => conv.visit_params(&path, visitor)?,
                Block::Residual(block) => block.visit_params(&path, visitor)?,
                Block::Factorized(block) => block.visit_params(&path, visitor)?,
            }
        }
        self.features.visit_params(path, visitor)
    }
}
