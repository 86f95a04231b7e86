//! Encoders of four stages, whatever the stages are: what a fusion may ask for, and the order of parameters, are one rule.

use std::fmt::Debug;
use std::ops::Range;

use gblend_core::tensor::{Features, Maps};
use gblend_core::{
    Array, Batch, Encoder, EncoderHalf, Module, ParamPath, ParamVisitor, Pass, Result, StageShape,
    StepValues, modality::no_such_stage,
};

use super::features::FeatureVector;

/// How many stages there are.
const STAGES: usize = 4;

/// The layers of an encoder of four stages, but for what makes a feature vector in the end.
pub trait FourStages: Debug {
    /// What the encoder is called where maps of a stage do not fit it.
    const NAME: &'static str;

    /// What each stage leaves.
    fn shapes(&self) -> &[StageShape; STAGES];

    /// Values of a sample that a step keeps, where stages are recomputed or not.
    fn kept(&self, recomputes: bool) -> u64;

    /// Through what comes before the stages.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    fn enter(&mut self, batch: &Batch, pass: &Pass) -> Result<Maps>;

    /// Through some of the stages.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    fn run(&mut self, stages: Range<usize>, maps: Maps, pass: &Pass) -> Result<Maps>;

    /// From the maps of the last stage to one row for each sample.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    fn pool(&mut self, maps: Maps) -> Result<Features>;

    /// Maps as others have them from maps as the stages do, and back. Default: they are the same.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    fn turned(maps: Maps) -> Result<Maps> {
        Ok(maps)
    }

    /// Visits what comes before the stages.
    ///
    /// # Errors
    /// Those of the visitor.
    fn visit_entry(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()>;

    /// Visits some of the stages.
    ///
    /// # Errors
    /// Those of the visitor.
    fn visit_stages(
        &mut self,
        stages: Range<usize>,
        path: &ParamPath,
        visitor: &mut dyn ParamVisitor,
    ) -> Result<()>;

    /// Visits what comes after them. Default: nothing.
    ///
    /// # Errors
    /// Those of the visitor.
    fn visit_end(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        let _ = (path, visitor);
        Ok(())
    }
}

/// An encoder of four stages.
#[derive(Debug)]
pub struct Staged<S> {
    layers: S,
    features: FeatureVector,
}

impl<S: FourStages> Staged<S> {
    pub(super) fn of(layers: S, features: FeatureVector) -> Self {
        Self { layers, features }
    }

    /// What a stage, counted from 1, leaves.
    fn stage(&self, stage: usize) -> Result<StageShape> {
        let shape = stage
            .checked_sub(1)
            .and_then(|index| self.layers.shapes().get(index));
        shape.copied().ok_or_else(|| no_such_stage(stage, STAGES))
    }

    fn vector(&mut self, maps: Maps, pass: &Pass) -> Result<Features> {
        self.features.forward(self.layers.pool(maps)?, pass)
    }

    fn visit_from(&mut self, stage: usize, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.layers.visit_stages(stage..STAGES, path, visitor)?;
        self.layers.visit_end(path, visitor)?;
        self.features.visit_params(path, visitor)
    }
}

impl<S: FourStages> Encoder for Staged<S> {
    fn feature_dim(&self) -> usize {
        self.features.length()
    }

    fn encode(&mut self, batch: &Batch, pass: &Pass) -> Result<Features> {
        let maps = self.layers.enter(batch, pass)?;
        let maps = self.layers.run(0..STAGES, maps, pass)?;
        self.vector(maps, pass)
    }

    fn step_values(&self, _: &Array, recomputes: bool) -> StepValues {
        StepValues {
            kept: self.layers.kept(recomputes),
            passing: 0,
        }
    }

    fn stages(&self) -> &[StageShape] {
        self.layers.shapes()
    }

    fn encode_up_to(&mut self, stage: usize, batch: &Batch, pass: &Pass) -> Result<Maps> {
        self.stage(stage)?;
        let maps = self.layers.enter(batch, pass)?;
        S::turned(self.layers.run(0..stage, maps, pass)?)
    }

    fn encode_after(&mut self, stage: usize, maps: Maps, pass: &Pass) -> Result<Features> {
        self.stage(stage)?.batch(S::NAME, &maps)?;
        let maps = self.layers.run(stage..STAGES, S::turned(maps)?, pass)?;
        self.vector(maps, pass)
    }

    fn visit_half(
        &mut self,
        half: EncoderHalf,
        path: &ParamPath,
        visitor: &mut dyn ParamVisitor,
    ) -> Result<()> {
        match half {
            EncoderHalf::UpTo(stage) => {
                self.stage(stage)?;
                self.layers.visit_entry(path, visitor)?;
                self.layers.visit_stages(0..stage, path, visitor)
            }
            EncoderHalf::After(stage) => {
                self.stage(stage)?;
                self.visit_from(stage, path, visitor)
            }
        }
    }
}

impl<S: FourStages> Module for Staged<S> {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.layers.visit_entry(path, visitor)?;
        self.visit_from(0, path, visitor)
    }
}
