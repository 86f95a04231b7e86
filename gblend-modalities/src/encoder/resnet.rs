//! Residual networks as torchvision has them, so that its trained parameters can be loaded as they are.

use std::ops::Range;

use gblend_core::nn::{
    ConvNorm, FactorizedBlock, FactorizedResidualBlock, FactorizedStrides, LayerSize, ResidualBlock,
    Segments, Window, global_average_pool, max_pool, recompute,
};
use gblend_core::tensor::{Features, Maps};
use gblend_core::{Batch, BuildContext, Module, ParamPath, ParamVisitor, Pass, Result, StageShape};

use super::block_sizes::BlockSize;
use super::convolution::Convolution;
use super::features::FeatureVector;
use super::picture::{maps_of, picture_shape};
use super::staged::{FourStages, Staged};
use super::step_values::product;
use crate::range::{WIDTH, within};

/// Which residual network of basic blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResNetDepth {
    /// 18 layers, on each frame (He et al., CVPR 2016, table 1).
    #[default]
    ResNet18,
    /// 34 layers, on each frame.
    ResNet34,
    /// 18 layers of (2+1)D convolutions (Tran et al., CVPR 2018).
    R2Plus1d18,
}

impl ResNetDepth {
    /// Blocks of each stage.
    const fn blocks(self) -> [usize; 4] {
        match self {
            Self::ResNet18 | Self::R2Plus1d18 => [2, 2, 2, 2],
            Self::ResNet34 => [3, 4, 6, 3],
        }
    }
}

/// A residual network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResNetSettings {
    /// Which one it is.
    pub depth: ResNetDepth,
    /// Channels of each stage. The first convolution has as many as the first stage.
    pub channels: [usize; 4],
}

impl ResNetSettings {
    /// The channels of networks that there are trained parameters of.
    pub const CHANNELS: [usize; 4] = [64, 128, 256, 512];
}

/// [`ResNetSettings`] as built, for samples `[channels, height, width, frames]`.
///
/// Shapes, arithmetic and the names of parameters are those of torchvision's `resnet18`, `resnet34` and `r2plus1d_18` without the
/// last layer `fc`, with the mean over frames at the end. The first two have a 7 × 7 convolution of stride 2 and a maximum
/// over 3 × 3 of stride 2, the third the convolution and one over time; then come four stages, of which the second to the
/// fourth halve the picture, and in the third network the frames. What torchvision has five axes for, has four here, with the
/// same values in the same order.
pub type ResNet = Staged<ResidualStages>;

/// The layers of a [`ResNet`] before its feature vector.
#[derive(Debug)]
pub struct ResidualStages {
    sample_shape: [usize; 4],
    stem: Stem,
    blocks: Vec<Block>,
    /// The blocks of each stage.
    of_stage: [usize; 4],
    /// Which blocks are recomputed together.
    segments: Segments,
    /// Values of a sample that the first convolution makes.
    stem_size: LayerSize,
    stages: [StageShape; 4],
}

#[derive(Clone, Debug)]
enum Stem {
    Frames(Box<ConvNorm>),
    Video(Box<FactorizedBlock>),
}

#[derive(Clone, Debug)]
enum Block {
    Frames(Box<ResidualBlock>),
    Video(Box<FactorizedResidualBlock>),
}

impl Stem {
    fn forward(&mut self, maps: Maps, frames: usize, pass: &Pass) -> Result<Maps> {
        match self {
            Self::Frames(conv) => max_pool(conv.forward(maps, pass)?, POOL),
            Self::Video(convs) => Ok(convs.forward(maps, frames, pass)?.0),
        }
    }
}

impl Module for Stem {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        match self {
            Self::Frames(conv) => conv.visit_layers(&path.join("conv1"), &path.join("bn1"), visitor),
            Self::Video(convs) => {
                let layers = ["0", "1", "3", "4"].map(|layer| path.join("stem").join(layer));
                convs.visit_layers(&layers, visitor)
            }
        }
    }
}

impl Block {
    /// The maps, and how many frames are left.
    fn forward(&mut self, maps: Maps, frames: usize, pass: &Pass) -> Result<(Maps, usize)> {
        match self {
            Self::Frames(block) => Ok((block.forward(maps, pass)?, frames)),
            Self::Video(block) => block.forward(maps, frames, pass),
        }
    }
}

impl Module for Block {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        match self {
            Self::Frames(block) => block.visit_layers(path, visitor),
            Self::Video(block) => block.visit_layers(path, visitor),
        }
    }
}

/// Where the first convolution looks.
const STEM: Window = Window::square(7, 2, 3);

/// Where the maximum after it looks.
const POOL: Window = Window::square(3, 2, 1);

/// Channels between the halves of the first convolution of `r2plus1d_18`, for each 64 after it.
const BETWEEN: usize = 45;

impl ResNet {
    /// Builds the encoder; `features` is the length of its feature vector where that is not what pooling leaves.
    ///
    /// # Errors
    /// [`Error::Shape`](gblend_core::Error::Shape) if samples are not `[channels, height, width, frames]`,
    /// [`Error::Setting`](gblend_core::Error::Setting) if a stage has no channels, or the dropout is no share.
    pub fn new(
        settings: &ResNetSettings,
        features: Option<usize>,
        dropout: f32,
        cx: &BuildContext<'_>,
    ) -> Result<Self> {
        let sample_shape @ [channels, height, width, mut frames] = picture_shape(cx.sample_shape)?;
        for &channels in &settings.channels {
            within("encoder.channels", channels, WIDTH)?;
        }
        let [first, _, _, last] = settings.channels;
        let is_video = settings.depth == ResNetDepth::R2Plus1d18;
        let seed = cx.seed.derive("stem");
        let mut plan = STEM.over(height, width)?;
        let between = (first * BETWEEN).div_ceil(64);
        let mut of_stem = product(&[first, plan.out_height, plan.out_width, frames]);
        let stem = if is_video {
            of_stem = of_stem.saturating_add(product(&[between, plan.out_height, plan.out_width, frames]));
            let channels = [channels, between, first];
            Stem::Video(Box::new(FactorizedBlock::through(
                cx.device, channels, STEM, 1, seed,
            )?))
        } else {
            plan = POOL.over(plan.out_height, plan.out_width)?;
            Stem::Frames(Box::new(ConvNorm::new(
                cx.device, channels, first, STEM, true, seed,
            )?))
        };
        let mut sides = (plan.out_height, plan.out_width);
        let stem_output = product(&[first, sides.0, sides.1, frames]);
        if !is_video {
            // The pictures before the maximum, and what it leaves.
            of_stem = of_stem.saturating_add(stem_output);
        }
        let mut inputs = first;
        let of_stage = settings.depth.blocks();
        let (mut blocks, mut sizes, mut stages) = (Vec::new(), Vec::new(), Vec::with_capacity(4));
        for (stage, (count, outputs)) in of_stage.into_iter().zip(settings.channels).enumerate() {
            let seed = cx.seed.derive("stage").nth(stage as u64);
            let before = frames;
            if stage > 0 {
                sides = (sides.0.div_ceil(2), sides.1.div_ceil(2));
                frames = if is_video { frames.div_ceil(2) } else { frames };
            }
            for index in 0..count {
                let stride = if index == 0 && stage > 0 { 2 } else { 1 };
                let seed = seed.nth(index as u64);
                let between = FactorizedBlock::between(inputs, outputs);
                let size = BlockSize {
                    convolution: match is_video {
                        true => Convolution::FactorizedResidual,
                        false => Convolution::Residual,
                    },
                    outputs,
                    between: [between; 2],
                    sides,
                    frames,
                    frames_before: if index == 0 { before } else { frames },
                    shortcut: stride != 1 || inputs != outputs,
                };
                sizes.push(size.values());
                blocks.push(if is_video {
                    let strides = FactorizedStrides {
                        spatial: stride,
                        temporal: stride,
                    };
                    let block =
                        FactorizedResidualBlock::with_one_width(cx.device, inputs, outputs, strides, seed)?;
                    Block::Video(Box::new(block))
                } else {
                    let block = ResidualBlock::new(cx.device, inputs, outputs, stride, seed)?;
                    Block::Frames(Box::new(block))
                });
                inputs = outputs;
            }
            stages.push(StageShape {
                channels: outputs,
                height: sides.0,
                width: sides.1,
                frames,
            });
        }
        let shape = |stage: usize| stages[stage];
        let layers = ResidualStages {
            sample_shape,
            stem,
            blocks,
            of_stage,
            segments: Segments::of(&sizes),
            stem_size: LayerSize {
                kept: of_stem,
                output: stem_output,
            },
            stages: [shape(0), shape(1), shape(2), shape(3)],
        };
        Ok(Self::of(layers, FeatureVector::new(last, features, dropout, cx)?))
    }
}

impl FourStages for ResidualStages {
    const NAME: &'static str = "a picture encoder";

    fn shapes(&self) -> &[StageShape; 4] {
        &self.stages
    }

    fn kept(&self, recomputes: bool) -> u64 {
        let (stem, blocks) = (self.stem_size, self.segments.kept(recomputes));
        let kept = match recomputes {
            // What the stem hands on, and either its maps or those of the blocks.
            true => stem.output.saturating_add(stem.kept.max(blocks)),
            false => stem.kept.saturating_add(blocks),
        };
        product(&self.sample_shape).saturating_add(kept)
    }

    fn enter(&mut self, batch: &Batch, pass: &Pass) -> Result<Maps> {
        let maps = maps_of(batch, self.sample_shape, pass)?;
        let frames = self.sample_shape[3];
        let stem = std::slice::from_mut(&mut self.stem);
        let run = move |stem: &mut [Stem], mut maps: Maps, pass: &Pass| {
            for stem in stem {
                maps = stem.forward(maps, frames, pass)?;
            }
            Ok((maps, ()))
        };
        Ok(recompute(stem, maps, pass, run)?.0)
    }

    fn run(&mut self, stages: Range<usize>, maps: Maps, pass: &Pass) -> Result<Maps> {
        let before = stages.start.checked_sub(1).map(|stage| self.stages[stage].frames);
        let frames = before.unwrap_or(self.sample_shape[3]);
        let blocks = self.blocks_of(stages);
        let maps = (maps, frames);
        let (maps, _) = self
            .segments
            .forward(&mut self.blocks, blocks, maps, pass, Block::forward)?;
        Ok(maps)
    }

    fn pool(&mut self, maps: Maps) -> Result<Features> {
        global_average_pool(maps, self.stages[3].frames)
    }

    fn visit_entry(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.stem.visit_params(path, visitor)
    }

    fn visit_stages(
        &mut self,
        stages: Range<usize>,
        path: &ParamPath,
        visitor: &mut dyn ParamVisitor,
    ) -> Result<()> {
        for stage in stages {
            let path = path.join(format!("layer{}", stage + 1));
            let blocks = self.blocks_of(stage..stage + 1);
            for (index, block) in self.blocks[blocks].iter_mut().enumerate() {
                block.visit_params(&path.join(index), visitor)?;
            }
        }
        Ok(())
    }
}

impl ResidualStages {
    /// The blocks of some of the stages.
    fn blocks_of(&self, stages: Range<usize>) -> Range<usize> {
        let up_to = |stage: usize| self.of_stage.iter().take(stage).sum();
        up_to(stages.start)..up_to(stages.end)
    }
}
