//! Gated multimodal units.

use gblend_core::nn::{Linear, concatenate, fork, multiply, sigmoid, softmax, sum_axis, tanh};
use gblend_core::tensor::{Features, reshape};
use gblend_core::{
    Fusion, FusionContext, FusionInputs, FusionModule, Module, ParamPath, ParamVisitor, Pass, Result,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::inputs::Inputs;
use super::projections::Projections;
use crate::range::{WIDTH, within};

/// How the gates of the modalities depend on each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Gates {
    /// Each gate is a sigmoid of its own (figure 2a of the paper).
    #[default]
    Independent,
    /// For each of the fused values the gates of all modalities are a softmax, and add up to 1. With two modalities
    /// they are `z` and `1 − z` (figure 2b). Needs at least two.
    Competing,
}

/// Gated multimodal unit: each modality's projected features pass a gate that has seen all modalities.
///
/// `h = Σ_k z_k ⊙ tanh(W_k f_k + b_k)`, with one gate per modality and fused value from all features side by side,
/// `z = σ(V [f_1, …, f_K] + c)`. Arevalo et al., "Gated Multimodal Units for Information Fusion", ICLR workshop
/// 2017, <https://arxiv.org/abs/1702.01992>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gated {
    /// Length that each modality's features are projected to, and of the fused vector; at least 1.
    pub width: usize,
    /// How the gates of the modalities depend on each other.
    pub gates: Gates,
}

impl Default for Gated {
    fn default() -> Self {
        Self {
            width: 128,
            gates: Gates::default(),
        }
    }
}

#[typetag::serde(name = "gated")]
impl Fusion for Gated {
    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>> {
        const NAME: &str = "gated fusion";
        let width = within("width", self.width, WIDTH)?;
        let inputs = match self.gates {
            Gates::Independent => Inputs::new(NAME, cx),
            Gates::Competing => Inputs::of_several(NAME, cx, "gates", "competing")?,
        };
        let gates = inputs.len() * width;
        Ok(Box::new(GatedUnits {
            projections: Projections::new(cx, width, cx.seed.derive("projection"))?,
            gate: Linear::new(cx.device, inputs.total(), gates, cx.seed.derive("gate"))?,
            gates: self.gates,
            inputs,
            width,
        }))
    }
}

gblend_core::register!(Fusion, "gated" => Gated);

#[derive(Debug)]
struct GatedUnits {
    inputs: Inputs,
    projections: Projections,
    /// From all features to the gates of the first modality, then those of the second, …
    gate: Linear,
    gates: Gates,
    width: usize,
}

impl FusionModule for GatedUnits {
    fn fused_dim(&self) -> usize {
        self.width
    }

    fn fuse(&mut self, inputs: FusionInputs, _: &Pass) -> Result<Features> {
        let FusionInputs {
            features, present, ..
        } = inputs;
        let batch = self.inputs.check(&features)?;
        let (own, seen): (Vec<_>, Vec<_>) = features.into_iter().map(fork).unzip();
        let by_modality = (batch, self.inputs.len(), self.width);
        let hidden = concatenate(self.projections.forward(own, &present)?)?;
        let hidden = reshape(tanh(hidden)?, by_modality)?;
        let gates = reshape(self.gate.forward(concatenate(seen)?)?, by_modality)?;
        let gates = match self.gates {
            Gates::Independent => sigmoid(gates)?,
            Gates::Competing => softmax(gates, 1)?,
        };
        sum_axis(multiply(hidden, gates)?, 1)
    }
}

impl Module for GatedUnits {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.projections.visit_params(&path.join("projection"), visitor)?;
        self.gate.visit_params(&path.join("gate"), visitor)
    }
}
