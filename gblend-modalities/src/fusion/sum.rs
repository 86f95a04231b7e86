//! Sum of projections.

use gblend_core::nn::add;
use gblend_core::tensor::Features;
use gblend_core::{
    Error, Fusion, FusionContext, FusionInputs, FusionModule, Module, ParamPath, ParamVisitor, Pass, Result,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::inputs::Inputs;
use super::projections::Projections;
use crate::range::{WIDTH, within};

/// Features projected to one length and added.
///
/// `h = Σ_k (W_k f_k + b_k)`. The fused vector does not grow with the number of modalities. It is what one linear
/// layer makes of the features side by side, so it says no more than `concat` does; it is the fusion to compare
/// `gated`, `film` and `lmf` with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sum {
    /// Length that each modality's features are projected to, and of the fused vector; at least 1.
    pub width: usize,
}

impl Default for Sum {
    fn default() -> Self {
        Self { width: 128 }
    }
}

#[typetag::serde(name = "sum")]
impl Fusion for Sum {
    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>> {
        let width = within("width", self.width, WIDTH)?;
        Ok(Box::new(SummedProjections {
            inputs: Inputs::new("sum of projections", cx),
            projections: Projections::new(cx, width, cx.seed.derive("projection"))?,
            width,
        }))
    }
}

gblend_core::register!(Fusion, "sum" => Sum);

#[derive(Debug)]
struct SummedProjections {
    inputs: Inputs,
    projections: Projections,
    width: usize,
}

impl FusionModule for SummedProjections {
    fn fused_dim(&self) -> usize {
        self.width
    }

    fn fuse(&mut self, inputs: FusionInputs, _: &Pass) -> Result<Features> {
        let FusionInputs {
            features, present, ..
        } = inputs;
        self.inputs.check(&features)?;
        let projected = self.projections.forward(features, &present)?.into_iter().map(Ok);
        let sum = projected.reduce(|sum, next| add(sum?, next?));
        sum.unwrap_or_else(|| Err(Error::shape("sum of projections", "at least one modality", [0])))
    }
}

impl Module for SummedProjections {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.projections.visit_params(&path.join("projection"), visitor)
    }
}
