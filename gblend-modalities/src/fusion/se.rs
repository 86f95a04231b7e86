//! Squeeze-and-excitation.

use gblend_core::nn::{Linear, concatenate, fork, multiply, relu, sigmoid};
use gblend_core::tensor::Features;
use gblend_core::{
    Fusion, FusionContext, FusionInputs, FusionModule, Module, ParamPath, ParamVisitor, Pass, Result,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::inputs::Inputs;
use crate::range::within;

/// Squeeze-and-excitation gate on the features side by side: each feature is scaled by what all of them say.
///
/// `h = c ⊙ σ(W_2 ReLU(W_1 c + b_1) + b_2)` with `c = [f_1, …, f_K]`; `W_1` leads to fewer values. Hu et al.,
/// "Squeeze-and-Excitation Networks", CVPR 2018, <https://arxiv.org/abs/1709.01507>, equation 3; the SE gate that
/// Wang et al., CVPR 2020, compare with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SqueezeExcitation {
    /// How many features share one hidden unit of the gate, at least 1. The hidden layer has one unit at least.
    pub reduction: usize,
}

impl Default for SqueezeExcitation {
    fn default() -> Self {
        Self { reduction: 4 }
    }
}

#[typetag::serde(name = "se")]
impl Fusion for SqueezeExcitation {
    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>> {
        let reduction = within("reduction", self.reduction, 1..=usize::MAX)?;
        let inputs = Inputs::new("squeeze-and-excitation", cx);
        let total = inputs.total();
        let hidden = total.div_ceil(reduction);
        Ok(Box::new(ChannelGates {
            squeeze: Linear::new(cx.device, total, hidden, cx.seed.derive("squeeze"))?,
            excite: Linear::new(cx.device, hidden, total, cx.seed.derive("excite"))?,
            inputs,
        }))
    }
}

gblend_core::register!(Fusion, "se" => SqueezeExcitation);

#[derive(Debug)]
struct ChannelGates {
    inputs: Inputs,
    squeeze: Linear,
    excite: Linear,
}

impl FusionModule for ChannelGates {
    fn fused_dim(&self) -> usize {
        self.inputs.total()
    }

    fn fuse(&mut self, inputs: FusionInputs, _: &Pass) -> Result<Features> {
        let features = inputs.features;
        self.inputs.check(&features)?;
        let (all, seen) = fork(concatenate(features)?);
        let hidden = relu(self.squeeze.forward(seen)?)?;
        multiply(all, sigmoid(self.excite.forward(hidden)?)?)
    }
}

impl Module for ChannelGates {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.squeeze.visit_params(&path.join("squeeze"), visitor)?;
        self.excite.visit_params(&path.join("excite"), visitor)
    }
}
