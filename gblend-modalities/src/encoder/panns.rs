//! Networks of sounds as PANNs have them, so that their trained parameters can be loaded as they are.

use std::ops::Range;

use gblend_core::nn::{
    BatchNorm, ConvNorm, LayerSize, Linear, Segments, Window, add, average_pool, fork, global_average_pool,
    max_pool, permute, relu,
};
use gblend_core::tensor::{Features, Maps, reshape};
use gblend_core::{Batch, BuildContext, Error, Module, ParamPath, ParamVisitor, Pass, Result, StageShape};

use super::features::FeatureVector;
use super::picture::{maps_of, picture_shape};
use super::staged::{FourStages, Staged};
use super::step_values::product;
use crate::range::{WIDTH, within};

/// Which network of sounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PannsDepth {
    /// Four 5 × 5 convolutions.
    Cnn6,
    /// Four times two 3 × 3 convolutions.
    #[default]
    Cnn10,
}

impl PannsDepth {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cnn6 => "\"cnn6\"",
            Self::Cnn10 => "\"cnn10\"",
        }
    }
}

/// A network of sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PannsSettings {
    /// Which one it is.
    pub depth: PannsDepth,
    /// Channels of each stage; the last number is the length of the feature vector.
    pub channels: [usize; 4],
}

impl PannsSettings {
    /// The channels of networks that there are trained parameters of.
    pub const CHANNELS: [usize; 4] = [64, 128, 256, 512];

    /// Whether there are trained parameters of this network.
    pub(crate) fn has_trained_parameters(&self) -> bool {
        self.channels == Self::CHANNELS
    }
}

/// [`PannsSettings`] as built, for spectrograms `[1, mels, time, 1]`.
///
/// Shapes, arithmetic and the names of parameters are those of `Cnn6` and `Cnn10` of Kong et al., "PANNs: Large-Scale Pretrained
/// Audio Neural Networks for Audio Pattern Recognition", IEEE/ACM TASLP 28, 2020, <https://arxiv.org/abs/1912.10211>, table I,
/// without the last layer `fc_audioset`: a normalization of each mel filter, four stages of convolutions that end with an average
/// over 2 × 2, the mean over mel filters, the maximum over time and the mean over it added up, and a layer with ReLU. Their
/// dropout between the stages is not there.
pub type Panns = Staged<SoundStages>;

/// The layers of [`Panns`] before their feature vector.
#[derive(Debug)]
pub struct SoundStages {
    sample_shape: [usize; 4],
    /// Of mel filters.
    norm: BatchNorm,
    stages: [Stage; 4],
    /// Which stages are recomputed together.
    segments: Segments,
    shapes: [StageShape; 4],
    embedding: Linear,
}

/// Convolutions over `[channels, time, mels, batch]`: the kernels of the trained parameters have time first.
#[derive(Clone, Debug)]
struct Stage(Vec<ConvNorm>);

/// What ends a stage.
const POOL: Window = Window::square(2, 2, 0);

/// Mel filters and frames of the smallest spectrogram, of which four stages leave one value.
const SMALLEST: usize = 16;

impl Stage {
    fn new(
        depth: PannsDepth,
        inputs: usize,
        outputs: usize,
        stage: usize,
        cx: &BuildContext<'_>,
    ) -> Result<Self> {
        let seed = cx.seed.derive("stage").nth(stage as u64);
        let conv = |number: u64, inputs: usize, window: Window| {
            ConvNorm::new(cx.device, inputs, outputs, window, true, seed.nth(number))
        };
        let convs = match depth {
            PannsDepth::Cnn6 => vec![conv(0, inputs, Window::square(5, 1, 2))?],
            PannsDepth::Cnn10 => {
                let window = Window::square(3, 1, 1);
                vec![conv(0, inputs, window)?, conv(1, outputs, window)?]
            }
        };
        Ok(Self(convs))
    }

    fn forward(&mut self, mut maps: Maps, pass: &Pass) -> Result<Maps> {
        for conv in &mut self.0 {
            maps = conv.forward(maps, pass)?;
        }
        average_pool(maps, POOL, false)
    }
}

impl Module for Stage {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        for (conv, number) in self.0.iter_mut().zip(1_u8..) {
            let [conv_path, norm] = ["conv", "bn"].map(|layer| path.join(format!("{layer}{number}")));
            conv.visit_layers(&conv_path, &norm, visitor)?;
        }
        Ok(())
    }
}

impl Panns {
    /// Builds the encoder; `features` is the length of its feature vector where that is not the last stage's channels.
    ///
    /// # Errors
    /// [`Error::Shape`] if samples are not `[1, mels, time, 1]` with at least 16 of both, [`Error::Setting`] if a stage has no
    /// channels, or the dropout is no share.
    pub fn new(
        settings: &PannsSettings,
        features: Option<usize>,
        dropout: f32,
        cx: &BuildContext<'_>,
    ) -> Result<Self> {
        let sample_shape @ [channels, mels, time, frames] = picture_shape(cx.sample_shape)?;
        if (channels, frames) != (1, 1) || mels < SMALLEST || time < SMALLEST {
            let name = settings.depth.name();
            let expected = format!(
                "spectrograms of shape [1, mels, time, 1] with at least {SMALLEST} mel filters and {SMALLEST} frames, as both are \
                 halved four times: a longer sound (`seconds` puts silence behind shorter ones)"
            );
            return Err(Error::shape(
                format!("the encoder {name}"),
                expected,
                sample_shape,
            ));
        }
        for &channels in &settings.channels {
            within("encoder.channels", channels, WIDTH)?;
        }
        let [first, second, third, last] = settings.channels;
        let stage = |number, inputs, outputs| Stage::new(settings.depth, inputs, outputs, number, cx);
        let shape = |number: usize, channels| StageShape {
            channels,
            height: mels >> number,
            width: time >> number,
            frames: 1,
        };
        let convolutions = match settings.depth {
            PannsDepth::Cnn6 => 1,
            PannsDepth::Cnn10 => 2,
        };
        let size = |(number, &channels): (usize, &usize)| LayerSize {
            kept: product(&[convolutions, channels, mels >> number, time >> number]),
            output: product(&[channels, mels >> (number + 1), time >> (number + 1)]),
        };
        let sizes: Vec<LayerSize> = settings.channels.iter().enumerate().map(size).collect();
        let layers = SoundStages {
            sample_shape,
            segments: Segments::of(&sizes),
            norm: BatchNorm::new(cx.device, mels, false)?,
            stages: [
                stage(0, 1, first)?,
                stage(1, first, second)?,
                stage(2, second, third)?,
                stage(3, third, last)?,
            ],
            shapes: [shape(1, first), shape(2, second), shape(3, third), shape(4, last)],
            embedding: Linear::new(cx.device, last, last, cx.seed.derive("embedding"))?,
        };
        Ok(Self::of(layers, FeatureVector::new(last, features, dropout, cx)?))
    }
}

impl FourStages for SoundStages {
    const NAME: &'static str = "an encoder of sounds";

    fn shapes(&self) -> &[StageShape; 4] {
        &self.shapes
    }

    fn kept(&self, recomputes: bool) -> u64 {
        /// The spectrogram, and the same normalized and turned.
        const INPUT: u64 = 3;
        let input = product(&self.sample_shape).saturating_mul(INPUT);
        input.saturating_add(self.segments.kept(recomputes))
    }

    /// The normalized spectrogram, `[1, time, mels, batch]`.
    fn enter(&mut self, batch: &Batch, pass: &Pass) -> Result<Maps> {
        let [_, mels, time, _] = self.sample_shape;
        let maps = maps_of(batch, self.sample_shape, pass)?;
        let samples = maps.shape().3;
        let by_mel = self
            .norm
            .forward(reshape(maps, (mels, time, 1, samples))?, pass)?;
        permute(by_mel, [2, 1, 0, 3])
    }

    fn run(&mut self, stages: Range<usize>, maps: Maps, pass: &Pass) -> Result<Maps> {
        let layer = |stage: &mut Stage, maps, (), pass: &Pass| Ok((stage.forward(maps, pass)?, ()));
        let (maps, ()) = self
            .segments
            .forward(&mut self.stages, stages, (maps, ()), pass, layer)?;
        Ok(maps)
    }

    fn pool(&mut self, maps: Maps) -> Result<Features> {
        let &(_, time, mels, _) = maps.shape();
        let over = |kernel| Window {
            kernel,
            stride: (1, 1),
            padding: (0, 0),
        };
        let over_mels = average_pool(maps, over((1, mels)), false)?;
        let (all, loudest) = fork(over_mels);
        let loudest = global_average_pool(max_pool(loudest, over((time, 1)))?, 1)?;
        let pooled = add(global_average_pool(all, 1)?, loudest)?;
        relu(self.embedding.forward(pooled)?)
    }

    /// The stages have time before mel filters, others mel filters before time.
    fn turned(maps: Maps) -> Result<Maps> {
        permute(maps, [0, 2, 1, 3])
    }

    fn visit_entry(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.norm.visit_layer(&path.join("bn0"), visitor)
    }

    fn visit_stages(
        &mut self,
        stages: Range<usize>,
        path: &ParamPath,
        visitor: &mut dyn ParamVisitor,
    ) -> Result<()> {
        let all = self.stages.iter_mut().enumerate();
        for (index, stage) in all.take(stages.end).skip(stages.start) {
            stage.visit_params(&path.join(format!("conv_block{}", index + 1)), visitor)?;
        }
        Ok(())
    }

    fn visit_end(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.embedding.visit_params(&path.join("fc1"), visitor)
    }
}
