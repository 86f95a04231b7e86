//! Feature-wise linear modulation.

use gblend_core::nn::{Linear, add, concatenate, fork, multiply, offset, relu};
use gblend_core::tensor::Features;
use gblend_core::{
    Fusion, FusionContext, FusionInputs, FusionModule, Module, ParamPath, ParamVisitor, Pass, Result,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::inputs::Inputs;
use super::projections::Projections;
use crate::range::{WIDTH, within};

/// FiLM: each modality's projected features are scaled and shifted by what all the others say.
///
/// No modality is the condition of the rest: for each k the condition `c_k` is the features of all modalities but k,
/// side by side, and `h_k = ReLU((1 + γ_k) ⊙ (W_k f_k + b_k) + β_k)` with `γ_k` and `β_k` linear in `c_k`. The fused
/// vector is `[h_1, …, h_K]`. Needs at least two modalities. Perez et al., "FiLM: Visual Reasoning with a General
/// Conditioning Layer", AAAI 2018, <https://arxiv.org/abs/1709.07871>, equations 1 and 2; as there, the network gives
/// the scale's distance from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Film {
    /// Length that each modality's features are projected to, at least 1; the fused vector has that many values per
    /// modality.
    pub width: usize,
}

impl Default for Film {
    fn default() -> Self {
        Self { width: 64 }
    }
}

#[typetag::serde(name = "film")]
impl Fusion for Film {
    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>> {
        let width = within("width", self.width, WIDTH)?;
        let inputs = Inputs::of_several("FiLM", cx, "kind", "film")?;
        let total = inputs.total();
        let conditioners = inputs
            .feature_dims()
            .iter()
            .enumerate()
            .map(|(modality, length)| {
                let layer = |name| {
                    let seed = cx.seed.derive(name).nth(modality as u64);
                    Linear::new(cx.device, total - length, width, seed)
                };
                Ok(Conditioner {
                    scale: layer("scale")?,
                    shift: layer("shift")?,
                })
            });
        Ok(Box::new(FilmLayers {
            projections: Projections::new(cx, width, cx.seed.derive("projection"))?,
            conditioners: conditioners.collect::<Result<_>>()?,
            inputs,
            width,
        }))
    }
}

gblend_core::register!(Fusion, "film" => Film);

/// From the features of all modalities but one to what becomes of that one's.
#[derive(Debug)]
struct Conditioner {
    scale: Linear,
    shift: Linear,
}

impl Conditioner {
    /// `ReLU((1 + γ) ⊙ features + β)`, `[batch, width]`.
    fn modulate(&self, features: Features, condition: Features) -> Result<Features> {
        let (condition, again) = fork(condition);
        let scale = self.scale.forward(condition)?;
        let shift = self.shift.forward(again)?;
        let scaled = multiply(features, offset(scale, 1.0)?)?;
        relu(add(scaled, shift)?)
    }
}

#[derive(Debug)]
struct FilmLayers {
    inputs: Inputs,
    projections: Projections,
    conditioners: Vec<Conditioner>,
    width: usize,
}

impl FusionModule for FilmLayers {
    fn fused_dim(&self) -> usize {
        self.inputs.len() * self.width
    }

    fn fuse(&mut self, inputs: FusionInputs, _: &Pass) -> Result<Features> {
        let FusionInputs {
            mut features,
            present,
            ..
        } = inputs;
        self.inputs.check(&features)?;
        let mut modulated = Vec::with_capacity(self.conditioners.len());
        for (modality, conditioner) in self.conditioners.iter().enumerate() {
            // The history goes with the first modality, so that none is lost with the last copies.
            let (mut taken, left): (Vec<_>, Vec<_>) = features.into_iter().map(fork).unzip();
            features = left;
            let own = taken.remove(modality);
            let own = self.projections.forward_one(modality, own, &present)?;
            modulated.push(conditioner.modulate(own, concatenate(taken)?)?);
        }
        concatenate(modulated)
    }
}

impl Module for FilmLayers {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.projections.visit_params(&path.join("projection"), visitor)?;
        for (modality, conditioner) in self.conditioners.iter_mut().enumerate() {
            let scale = path.join("scale").join(modality);
            conditioner.scale.visit_params(&scale, visitor)?;
            let shift = path.join("shift").join(modality);
            conditioner.shift.visit_params(&shift, visitor)?;
        }
        Ok(())
    }
}
