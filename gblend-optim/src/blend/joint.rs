//! The joint loss alone.

use gblend_core::{Advice, Blend, BlendStrategy, BlendWeights, Heads, Result, WeightSource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::constant::Constant;

/// The joint loss alone: naive late fusion, what Gradient-Blending is measured against.
///
/// Wang et al., CVPR 2020, equation 2. The heads of the modalities are not trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Joint {}

#[typetag::serde(name = "joint")]
impl BlendStrategy for Joint {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        let weights = BlendWeights::single(heads.len(), heads.joint())?;
        Ok(Box::new(Constant::new(weights, Advice::of(WeightSource::Given))))
    }
}

gblend_core::register!(Blend, "joint" => Joint);
