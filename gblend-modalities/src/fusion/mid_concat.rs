//! Mid-level concatenation.

use gblend_core::nn::{
    ConvNorm, Extents, ResidualBlock, Window, adaptive_average_pool, concat_channels, global_average_pool,
};
use gblend_core::tensor::{Features, Maps};
use gblend_core::{
    Error, Fusion, FusionContext, FusionInputs, FusionModule, Module, ParamPath, ParamVisitor, Pass, Result,
    StageRequest, StageShape,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::range::{DEPTH, WIDTH, within};

/// Mid-level concatenation: the maps that a stage of each encoder leaves, side by side, and last stages in common.
///
/// The maps of all modalities are brought to one grid, concatenated over channels, and go through stages that are the
/// fusion's own: convolutions on each frame, then the mean over pixels and frames. A modality's own head still reads
/// the whole of its encoder; what comes after the stage learns from that head's loss alone. Encoders must be made of
/// stages; those of `rgb`, `flow`, `depth` and `audio` are, with the architectures that have `channels`. Where a
/// modality is left out, its maps are zeros. It is the mid-concat fusion that Wang et al., "What Makes Training
/// Multi-Modal Classification Networks Hard?", CVPR 2020, <https://arxiv.org/abs/1905.12681>, compare late fusion
/// with, after Owens and Efros, "Audio-Visual Scene Analysis with Self-Supervised Multisensory Features", ECCV 2018,
/// <https://arxiv.org/abs/1804.03641>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MidConcat {
    /// The stage of the encoders whose maps are taken, counted from 1 as in `encoder.channels`. Default: the last but
    /// one of each, or the only one. Where maps differ in size, all are averaged on the smallest height, width and
    /// number of frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<usize>,
    /// Channels of each of the fusion's own stages; the last number is the length of the fused vector.
    pub channels: Vec<usize>,
    /// Blocks of each own stage, at least 1; the first of them halves the maps.
    pub blocks: usize,
    /// Whether blocks are residual ones, of two 3 × 3 convolutions, in place of single convolutions.
    pub residual: bool,
}

impl Default for MidConcat {
    fn default() -> Self {
        Self {
            stage: None,
            channels: vec![128],
            blocks: 1,
            residual: false,
        }
    }
}

/// What the fusion is called in messages.
const NAME: &str = "mid-level concatenation";

#[typetag::serde(name = "mid-concat")]
impl Fusion for MidConcat {
    fn stage(&self) -> Option<StageRequest> {
        Some(self.stage.map_or(StageRequest::LastButOne, StageRequest::Number))
    }

    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>> {
        let blocks_per_stage = within("blocks", self.blocks, DEPTH)?;
        let Some(&fused_dim) = self.channels.last() else {
            return Err(Error::setting("channels", "[]", "at least one stage"));
        };
        let grid = grid(cx.stages)?;
        let mut inputs = cx.stages.iter().map(|stage| stage.channels).sum();
        let mut blocks = Vec::new();
        for (stage, &outputs) in self.channels.iter().enumerate() {
            within("channels", outputs, WIDTH)?;
            for index in 0..blocks_per_stage {
                let seed = cx.seed.derive("stage").nth(stage as u64).nth(index as u64);
                let stride = if index == 0 { 2 } else { 1 };
                blocks.push(if self.residual {
                    let block = ResidualBlock::new(cx.device, inputs, outputs, stride, seed)?;
                    Block::Residual(Box::new(block))
                } else {
                    let window = Window::square(3, stride, 1);
                    let conv = ConvNorm::new(cx.device, inputs, outputs, window, true, seed)?;
                    Block::Plain(Box::new(conv))
                });
                inputs = outputs;
            }
        }
        Ok(Box::new(LastStages {
            stages: cx.stages.to_vec(),
            grid,
            blocks,
            fused_dim,
        }))
    }
}

gblend_core::register!(Fusion, "mid-concat" => MidConcat);

/// The smallest height, width and number of frames.
fn grid(stages: &[StageShape]) -> Result<Extents> {
    let least = |extent: fn(&StageShape) -> usize| stages.iter().map(extent).min();
    match (
        least(|stage| stage.height),
        least(|stage| stage.width),
        least(|stage| stage.frames),
    ) {
        (Some(height), Some(width), Some(frames)) => Ok(Extents {
            height,
            width,
            frames,
        }),
        _ => Err(Error::shape(NAME, "maps of at least one modality", [0])),
    }
}

#[derive(Debug)]
enum Block {
    Plain(Box<ConvNorm>),
    Residual(Box<ResidualBlock>),
}

#[derive(Debug)]
struct LastStages {
    stages: Vec<StageShape>,
    grid: Extents,
    blocks: Vec<Block>,
    fused_dim: usize,
}

impl LastStages {
    /// Refuses maps of another number, shape or batch size.
    fn check(&self, maps: &[Maps]) -> Result<()> {
        if maps.len() != self.stages.len() {
            let expected = format!("maps of {} modalities", self.stages.len());
            return Err(Error::shape(NAME, expected, [maps.len()]));
        }
        let pairs = self.stages.iter().zip(maps);
        let batches: Vec<usize> = pairs
            .map(|(stage, maps)| stage.batch(NAME, maps))
            .collect::<Result<_>>()?;
        if batches.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(Error::shape(NAME, "one batch size for all modalities", batches));
        }
        Ok(())
    }
}

impl FusionModule for LastStages {
    fn fused_dim(&self) -> usize {
        self.fused_dim
    }

    fn fuse(&mut self, inputs: FusionInputs, pass: &Pass) -> Result<Features> {
        self.check(&inputs.stages)?;
        let pairs = self.stages.iter().zip(inputs.stages);
        let pooled = pairs.map(|(stage, maps)| adaptive_average_pool(maps, stage.frames, self.grid));
        let mut maps = concat_channels(pooled.collect::<Result<_>>()?)?;
        for block in &mut self.blocks {
            maps = match block {
                Block::Plain(conv) => conv.forward(maps, pass)?,
                Block::Residual(block) => block.forward(maps, pass)?,
            };
        }
        global_average_pool(maps, self.grid.frames)
    }
}

impl Module for LastStages {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        for (index, block) in self.blocks.iter_mut().enumerate() {
            let path = path.join(format!("block{index}"));
            match block {
                Block::Plain(conv) => conv.visit_params(&path, visitor)?,
                Block::Residual(block) => block.visit_params(&path, visitor)?,
            }
        }
        Ok(())
    }
}
