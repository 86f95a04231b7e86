//! Concatenation.

use gblend_core::nn::Engine;
use gblend_core::tensor::Features;
use gblend_core::{
    AutoDevice, Error, Fusion, FusionContext, FusionModule, Module, ParamPath, ParamVisitor, Pass, Result,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Feature vectors side by side: late fusion as in the paper.
///
/// Wang et al., CVPR 2020, section 3.1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Concat {}

#[typetag::serde(name = "concat")]
impl Fusion for Concat {
    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>> {
        Ok(Box::new(Built {
            feature_dims: cx.feature_dims.to_vec(),
        }))
    }
}

gblend_core::register!(Fusion, "concat" => Concat);

#[derive(Debug)]
struct Built {
    feature_dims: Vec<usize>,
}

impl FusionModule for Built {
    fn fused_dim(&self) -> usize {
        self.feature_dims.iter().sum()
    }

    fn fuse(&mut self, features: Vec<Features>, _: &Pass) -> Result<Features> {
        use dfdx::shapes::HasShape;
        let found: Vec<usize> = features.iter().map(|features| features.shape().1).collect();
        let batches = features.iter().map(|features| features.shape().0);
        if found != self.feature_dims || batches.clone().min() != batches.max() {
            let expected = format!("one batch with features of lengths {:?}", self.feature_dims);
            return Err(Error::shape("concatenation", expected, found));
        }
        AutoDevice::concat(features)
    }
}

impl Module for Built {
    fn visit_params(&mut self, _: &ParamPath, _: &mut dyn ParamVisitor) -> Result<()> {
        Ok(())
    }
}
