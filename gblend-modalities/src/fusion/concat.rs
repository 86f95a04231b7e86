//! Concatenation.

use gblend_core::nn::concatenate;
use gblend_core::tensor::Features;
use gblend_core::{
    Fusion, FusionContext, FusionInputs, FusionModule, Module, ParamPath, ParamVisitor, Pass, Result,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::inputs::Inputs;

/// Feature vectors side by side: late fusion as in the paper.
///
/// Wang et al., CVPR 2020, section 3.1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Concat {}

#[typetag::serde(name = "concat")]
impl Fusion for Concat {
    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>> {
        Ok(Box::new(Concatenated {
            inputs: Inputs::new("concatenation", cx),
        }))
    }
}

gblend_core::register!(Fusion, "concat" => Concat);

#[derive(Debug)]
struct Concatenated {
    inputs: Inputs,
}

impl FusionModule for Concatenated {
    fn fused_dim(&self) -> usize {
        self.inputs.total()
    }

    fn fuse(&mut self, inputs: FusionInputs, _: &Pass) -> Result<Features> {
        let features = inputs.features;
        self.inputs.check(&features)?;
        concatenate(features)
    }
}

impl Module for Concatenated {
    fn visit_params(&mut self, _: &ParamPath, _: &mut dyn ParamVisitor) -> Result<()> {
        Ok(())
    }
}
