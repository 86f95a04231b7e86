//! The same weight for every loss.

use gblend_core::{Advice, Blend, BlendStrategy, BlendWeights, Finding, Heads, Result, WeightSource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::constant::Constant;

/// The same weight for the loss of every head: the baseline that any other blend has to beat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Equal {}

#[typetag::serde(name = "equal")]
impl BlendStrategy for Equal {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        let remedy = "Compare with blend.kind = \"ogr\", which weighs the losses by how heads overfit.";
        Ok(Box::new(Constant::new(
            BlendWeights::equal(heads.len())?,
            Advice::of(WeightSource::Given).against(Finding::JointBelowSingle, remedy),
        )))
    }
}

gblend_core::register!(Blend, "equal" => Equal);
