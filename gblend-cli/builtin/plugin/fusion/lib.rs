//! The fusion kind `my-plugin` for gblend.

use gblend_core::nn::{Linear, concatenate, relu};
use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::{
    Error, Features, Fusion, FusionContext, FusionInputs, FusionModule, Module, ParamPath,
    ParamVisitor, Pass, Result, typetag,
};

/// One fully connected layer over all features: this first sentence is what `gblend plugins` shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde", deny_unknown_fields, default)]
#[schemars(crate = "gblend_core::schemars")]
pub struct MyPluginFusion {
    /// Length of the fused vector; `gblend plugins` shows this too.
    pub width: usize,
}

impl Default for MyPluginFusion {
    fn default() -> Self {
        Self { width: 64 }
    }
}

#[typetag::serde(name = "my-plugin")]
impl Fusion for MyPluginFusion {
    // The network, for feature vectors of the lengths that the encoders have.
    fn build(&self, cx: &FusionContext<'_>) -> Result<Box<dyn FusionModule>> {
        if self.width == 0 {
            return Err(Error::setting("width", 0, "at least 1"));
        }
        let inputs = cx.feature_dims.iter().sum();
        Ok(Box::new(MyPluginModule {
            feature_dims: cx.feature_dims.to_vec(),
            width: self.width,
            linear: Linear::new(cx.device, inputs, self.width, cx.seed.derive("linear"))?,
        }))
    }
}

gblend_core::register!(Fusion, "my-plugin" => MyPluginFusion);

/// One fully connected layer.
#[derive(Debug)]
struct MyPluginModule {
    feature_dims: Vec<usize>,
    width: usize,
    linear: Linear,
}

impl FusionModule for MyPluginModule {
    fn fused_dim(&self) -> usize {
        self.width
    }

    fn fuse(&mut self, inputs: FusionInputs, _: &Pass) -> Result<Features> {
        let features = inputs.features_of("my-plugin", &self.feature_dims)?;
        relu(self.linear.forward(concatenate(features)?)?)
    }
}

// Whatever learns or is checkpointed has to be shown here, under a path of its own.
impl Module for MyPluginModule {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.linear.visit_params(&path.join("linear"), visitor)
    }
}
