//! Residual networks as torchvision has them, so that its trained parameters can be loaded as they are.

use std::ops::Range;

use gblend_core::nn::{
    ConvNorm, FactorizedBlock, FactorizedResidualBlock, FactorizedStrides, ResidualBlock, Window,
    global_average_pool, max_pool,
};
use gblend_core::tensor::{Features, Maps};
use gblend_core::{Batch, BuildContext, ParamPath, ParamVisitor, Pass, Result, StageShape};

use super::features::FeatureVector;
use super::picture::{maps_of, picture_shape};
use super::staged::{FourStages, Staged};
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
    layers: [Vec<Block>; 4],
    stages: [StageShape; 4],
}

#[derive(Debug)]
enum Stem {
    Frames(Box<ConvNorm>),
    Video(Box<FactorizedBlock>),
}

#[derive(Debug)]
enum Block {
    Frames(Box<ResidualBlock>),
    Video(Box<FactorizedResidualBlock>),
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
        let stem = if is_video {
            let channels = [channels, (first * BETWEEN).div_ceil(64), first];
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
        let mut inputs = first;
        let (mut layers, mut stages) = ([const { Vec::new() }; 4], Vec::with_capacity(4));
        let blocks = settings.depth.blocks().into_iter().zip(settings.channels);
        for (stage, ((count, outputs), layer)) in blocks.zip(&mut layers).enumerate() {
            let seed = cx.seed.derive("stage").nth(stage as u64);
            for index in 0..count {
                let stride = if index == 0 && stage > 0 { 2 } else { 1 };
                let seed = seed.nth(index as u64);
                layer.push(if is_video {
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
            if stage > 0 {
                sides = (sides.0.div_ceil(2), sides.1.div_ceil(2));
                frames = if is_video { frames.div_ceil(2) } else { frames };
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
            layers,
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

    fn enter(&mut self, batch: &Batch, pass: &Pass) -> Result<Maps> {
        let maps = maps_of(batch, self.sample_shape, pass)?;
        match &mut self.stem {
            Stem::Frames(conv) => max_pool(conv.forward(maps, pass)?, POOL),
            Stem::Video(convs) => Ok(convs.forward(maps, self.sample_shape[3], pass)?.0),
        }
    }

    fn run(&mut self, stages: Range<usize>, mut maps: Maps, pass: &Pass) -> Result<Maps> {
        let before = stages.start.checked_sub(1).map(|stage| self.stages[stage].frames);
        let mut frames = before.unwrap_or(self.sample_shape[3]);
        for block in self
            .layers
            .iter_mut()
            .take(stages.end)
            .skip(stages.start)
            .flatten()
        {
            (maps, frames) = match block {
                Block::Frames(block) => (block.forward(maps, pass)?, frames),
                Block::Video(block) => block.forward(maps, frames, pass)?,
            };
        }
        Ok(maps)
    }

    fn pool(&mut self, maps: Maps) -> Result<Features> {
        global_average_pool(maps, self.stages[3].frames)
    }

    fn visit_entry(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        match &mut self.stem {
            Stem::Frames(conv) => conv.visit_layers(&path.join("conv1"), &path.join("bn1"), visitor),
            Stem::Video(convs) => {
                let layers = ["0", "1", "3", "4"].map(|layer| path.join("stem").join(layer));
                convs.visit_layers(&layers, visitor)
            }
        }
    }

    fn visit_stages(
        &mut self,
        stages: Range<usize>,
        path: &ParamPath,
        visitor: &mut dyn ParamVisitor,
    ) -> Result<()> {
        let layers = self.layers.iter_mut().enumerate();
        for (stage, layer) in layers.take(stages.end).skip(stages.start) {
            let path = path.join(format!("layer{}", stage + 1));
            for (index, block) in layer.iter_mut().enumerate() {
                let path = path.join(index);
                match block {
                    Block::Frames(block) => block.visit_layers(&path, visitor)?,
                    Block::Video(block) => block.visit_layers(&path, visitor)?,
                }
            }
        }
        Ok(())
    }
}
