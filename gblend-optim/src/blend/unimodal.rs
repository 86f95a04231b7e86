//! One head's loss alone.

use gblend_core::{Advice, Blend, BlendStrategy, BlendWeights, Heads, Result, WeightSource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::constant::Constant;

/// The loss of one head alone: the single-modality network that a blend should beat.
///
/// Wang et al., CVPR 2020, equation 1. No other head and no other encoder is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unimodal {
    /// The modality, by its name in the configuration.
    pub head: String,
}

#[typetag::serde(name = "unimodal")]
impl BlendStrategy for Unimodal {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        let head = heads.find("head", &self.head)?;
        let weights = BlendWeights::single(heads.len(), head)?;
        Ok(Box::new(Constant::new(weights, Advice::of(WeightSource::Given))))
    }
}

gblend_core::register!(Blend, "unimodal" => Unimodal);
