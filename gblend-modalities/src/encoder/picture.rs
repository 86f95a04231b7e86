//! Convolutional encoders of one or several pictures.

use std::ops::Range;

use gblend_core::nn::{
    ConvNorm, FactorizedBlock, FactorizedResidualBlock, FactorizedStrides, ResidualBlock, Segments, Window,
    frame_average, global_average_pool,
};
use gblend_core::tensor::Maps;
use gblend_core::{
    Array, Batch, BuildContext, Encoder, EncoderHalf, Error, Module, ParamPath, ParamVisitor, Pass, Result,
    StageShape, StepValues, modality::no_such_stage, tensor::Features,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block_sizes::BlockSize;
use super::convolution::Convolution;
use super::features::FeatureVector;
use super::step_values::product;
use crate::range::{DEPTH, WIDTH, within};

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

/// The shape of samples as an encoder of pictures reads them.
///
/// # Errors
/// [`Error::Shape`] if it has other axes.
pub(super) fn picture_shape(sample_shape: &[usize]) -> Result<[usize; 4]> {
    <[usize; 4]>::try_from(sample_shape).map_err(|_| {
        let expected = "samples of shape [channels, height, width, frames]";
        Error::shape("a picture encoder", expected, sample_shape)
    })
}

/// The maps `[channels, height, width, frames × batch]` of samples of the shape that an encoder was built for.
///
/// # Errors
/// [`Error::Shape`] if they have another.
pub(super) fn maps_of(batch: &Batch, sample_shape: [usize; 4], pass: &Pass) -> Result<Maps> {
    if batch.sample_shape() != sample_shape {
        let expected = format!("samples of shape {sample_shape:?}");
        return Err(Error::shape("a picture encoder", expected, batch.sample_shape()));
    }
    batch.maps(pass.recorder())
}

#[derive(Clone, Debug)]
enum Block {
    Plain(Box<ConvNorm>),
    Residual(Box<ResidualBlock>),
    Factorized(Box<FactorizedBlock>),
    FactorizedResidual(Box<FactorizedResidualBlock>),
}

impl Block {
    /// The maps, and how many frames are left.
    fn forward(&mut self, maps: Maps, frames: usize, pass: &Pass) -> Result<(Maps, usize)> {
        match self {
            Self::Plain(conv) => Ok((conv.forward(maps, pass)?, frames)),
            Self::Residual(block) => Ok((block.forward(maps, pass)?, frames)),
            Self::Factorized(block) => block.forward(maps, frames, pass),
            Self::FactorizedResidual(block) => block.forward(maps, frames, pass),
        }
    }
}

impl Module for Block {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        match self {
            Self::Plain(conv) => conv.visit_params(path, visitor),
            Self::Residual(block) => block.visit_params(path, visitor),
            Self::Factorized(block) => block.visit_params(path, visitor),
            Self::FactorizedResidual(block) => block.visit_params(path, visitor),
        }
    }
}

/// [`ConvolutionSettings`] as built, for samples `[channels, height, width, frames]`.
#[derive(Debug)]
pub struct PictureEncoder {
    sample_shape: [usize; 4],
    blocks: Vec<Block>,
    /// Which of them are recomputed together.
    segments: Segments,
    /// What each stage leaves; all have the same number of blocks.
    stages: Vec<StageShape>,
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
        let [channels, height, width, frames] = picture_shape(cx.sample_shape)?;
        let Some(&last) = settings.channels.last() else {
            return Err(Error::setting("encoder.channels", "[]", "at least one stage"));
        };
        within("encoder.blocks", settings.blocks, DEPTH)?;
        for &channels in &settings.channels {
            within("encoder.channels", channels, WIDTH)?;
        }
        let (mut blocks, mut sizes, mut stages) = (Vec::new(), Vec::new(), Vec::new());
        let (mut inputs, mut left) = (channels, frames);
        let mut sides = (height, width);
        for (stage, &outputs) in settings.channels.iter().enumerate() {
            for index in 0..settings.blocks {
                let seed = cx.seed.derive("stage").nth(stage as u64).nth(index as u64);
                let stride = if index == 0 { 2 } else { 1 };
                // Time is halved from the second stage on, while there is any to halve.
                let halves = settings.convolution.is_temporal() && stage > 0 && stride == 2 && left > 1;
                let strides = FactorizedStrides {
                    spatial: stride,
                    temporal: if halves { 2 } else { 1 },
                };
                let before = left;
                left = left.div_ceil(strides.temporal);
                let between = [
                    FactorizedBlock::between(inputs, outputs),
                    FactorizedBlock::between(outputs, outputs),
                ];
                let size = BlockSize {
                    convolution: settings.convolution,
                    outputs,
                    between,
                    sides: (sides.0.div_ceil(2), sides.1.div_ceil(2)),
                    frames: left,
                    frames_before: before,
                    shortcut: stride != 1 || inputs != outputs,
                };
                sizes.push(size.values());
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
                    Convolution::Factorized => Block::Factorized(Box::new(FactorizedBlock::new(
                        cx.device, inputs, outputs, strides, seed,
                    )?)),
                    Convolution::FactorizedResidual => Block::FactorizedResidual(Box::new(
                        FactorizedResidualBlock::new(cx.device, inputs, outputs, strides, seed)?,
                    )),
                });
                inputs = outputs;
            }
            sides = (sides.0.div_ceil(2), sides.1.div_ceil(2));
            stages.push(StageShape {
                channels: outputs,
                height: sides.0,
                width: sides.1,
                frames: left,
            });
        }
        let pooled = match settings.pooling {
            Pooling::Average => last,
            Pooling::Flatten => last * sides.0 * sides.1,
        };
        Ok(Self {
            sample_shape: [channels, height, width, frames],
            blocks,
            segments: Segments::of(&sizes),
            stages,
            pooling: settings.pooling,
            features: FeatureVector::new(pooled, features, dropout, cx)?,
        })
    }

    /// Runs some of the blocks, and says how many frames are left.
    fn run(&mut self, blocks: Range<usize>, maps: Maps, frames: usize, pass: &Pass) -> Result<(Maps, usize)> {
        let maps = (maps, frames);
        self.segments
            .forward(&mut self.blocks, blocks, maps, pass, Block::forward)
    }

    /// From the maps of the last stage to the feature vector.
    fn pool(&mut self, maps: Maps, frames: usize, pass: &Pass) -> Result<Features> {
        let pooled = match self.pooling {
            Pooling::Average => global_average_pool(maps, frames)?,
            Pooling::Flatten => frame_average(maps, frames)?,
        };
        self.features.forward(pooled, pass)
    }

    /// What a stage leaves, and the number of blocks up to it.
    fn stage(&self, stage: usize) -> Result<(StageShape, usize)> {
        let stages = self.stages.len();
        let shape = stage.checked_sub(1).and_then(|index| self.stages.get(index));
        let shape = shape.ok_or_else(|| no_such_stage(stage, stages))?;
        Ok((*shape, self.blocks.len() / stages * stage))
    }

    fn visit_blocks(
        &mut self,
        blocks: Range<usize>,
        path: &ParamPath,
        visitor: &mut dyn ParamVisitor,
    ) -> Result<()> {
        let all = self.blocks.iter_mut().enumerate();
        for (index, block) in all.take(blocks.end).skip(blocks.start) {
            block.visit_params(&path.join(format!("block{index}")), visitor)?;
        }
        Ok(())
    }
}

impl Encoder for PictureEncoder {
    fn feature_dim(&self) -> usize {
        self.features.length()
    }

    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        let maps = maps_of(batch, self.sample_shape, pass)?;
        let (maps, frames) = self.run(0..self.blocks.len(), maps, self.sample_shape[3], pass)?;
        self.pool(maps, frames, pass)
    }

    fn step_values(&self, _: &Array, recomputes: bool) -> StepValues {
        let blocks = self.segments.kept(recomputes);
        StepValues {
            kept: product(&self.sample_shape).saturating_add(blocks),
            passing: 0,
        }
    }

    fn stages(&self) -> &[StageShape] {
        &self.stages
    }

    fn encode_up_to(&mut self, stage: usize, batch: &Batch, pass: &Pass) -> Result<Maps> {
        let (_, blocks) = self.stage(stage)?;
        let maps = maps_of(batch, self.sample_shape, pass)?;
        Ok(self.run(0..blocks, maps, self.sample_shape[3], pass)?.0)
    }

    fn encode_after(&mut self, stage: usize, maps: Maps, pass: &Pass) -> Result<Features> {
        let (shape, blocks) = self.stage(stage)?;
        shape.batch("a picture encoder", &maps)?;
        let (maps, frames) = self.run(blocks..self.blocks.len(), maps, shape.frames, pass)?;
        self.pool(maps, frames, pass)
    }

    fn visit_half(
        &mut self,
        half: EncoderHalf,
        path: &ParamPath,
        visitor: &mut dyn ParamVisitor,
    ) -> Result<()> {
        match half {
            EncoderHalf::UpTo(stage) => {
                let (_, blocks) = self.stage(stage)?;
                self.visit_blocks(0..blocks, path, visitor)
            }
            EncoderHalf::After(stage) => {
                let (_, blocks) = self.stage(stage)?;
                self.visit_blocks(blocks..self.blocks.len(), path, visitor)?;
                self.features.visit_params(path, visitor)
            }
        }
    }
}

impl Module for PictureEncoder {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.visit_blocks(0..self.blocks.len(), path, visitor)?;
        self.features.visit_params(path, visitor)
    }
}
