//! The same weight for every loss.

use gblend_core::{Blend, BlendStrategy, BlendWeights, Heads, Result};
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
        Ok(Box::new(Constant(BlendWeights::equal(heads.len())?)))
    }
}

gblend_core::register!(Blend, "equal" => Equal);
