//! Independent networks.

use gblend_core::{Advice, Blend, BlendStrategy, BlendWeights, Heads, Result, WeightSource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::constant::Constant;

/// Equal weights on the heads of the modalities, and no joint one: a network for each modality, trained beside each other and
/// independent, as long as `optimizer.clip_norm` does not limit them together. They predict together, by `blend.predict`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnimodalEnsemble {}

#[typetag::serde(name = "unimodal-ensemble")]
impl BlendStrategy for UnimodalEnsemble {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        let weights: Vec<f64> = (0..heads.len())
            .map(|head| if head == heads.joint() { 0.0 } else { 1.0 })
            .collect();
        Ok(Box::new(Constant::new(
            BlendWeights::normalized(weights)?,
            Advice::of(WeightSource::Given),
        )))
    }
}

gblend_core::register!(Blend, "unimodal-ensemble" => UnimodalEnsemble);
