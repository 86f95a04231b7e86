//! Weights from the configuration.

use std::collections::BTreeMap;

use gblend_core::{Advice, Blend, BlendStrategy, BlendWeights, Error, Finding, Heads, Result, WeightSource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::constant::Constant;

/// Weights that you choose, such as those of an earlier estimate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fixed {
    /// The weight of each head, `joint` included; they are scaled to add up to 1. A head that is not
    /// named gets 0.
    pub weights: BTreeMap<String, f64>,
}

#[typetag::serde(name = "fixed")]
impl BlendStrategy for Fixed {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        let mut weights = vec![0.0; heads.len()];
        for (name, &weight) in &self.weights {
            let key = format!("weights.{name}");
            let head = heads.find(&key, name)?;
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(Error::setting(key, weight, "a number that is not negative"));
            }
            weights[head] = weight;
        }
        let weights = BlendWeights::normalized(weights)
            .map_err(|error| Error::setting("weights", format!("{:?}", self.weights), error.to_string()))?;
        let remedy = "More weight for it in blend.weights may help; `gblend estimate` tells which weights figures suggest.";
        Ok(Box::new(Constant::new(
            weights,
            Advice::of(WeightSource::Given).against(Finding::JointBelowSingle, remedy),
        )))
    }
}

gblend_core::register!(Blend, "fixed" => Fixed);
