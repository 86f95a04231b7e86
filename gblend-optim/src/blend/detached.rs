//! Encoders that learn from their own heads alone.

use gblend_core::{Advice, Blend, BlendStrategy, BlendWeights, Heads, JointReach, Result, WeightSource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::constant::Constant;

/// Equal weights, and a joint loss that moves fusion and joint head alone: every encoder learns from its own head, as if there
/// were no other modality, and the fusion reads what it has learned.
///
/// Disentangled gradient learning: Wei et al., "Boosting multimodal learning via disentangled gradient learning", ICCV 2025.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Detached {}

#[typetag::serde(name = "detached")]
impl BlendStrategy for Detached {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        Ok(Box::new(Constant {
            joint_reach: JointReach::JointHead,
            ..Constant::new(BlendWeights::equal(heads.len())?, Advice::of(WeightSource::Given))
        }))
    }
}

gblend_core::register!(Blend, "detached" => Detached);
