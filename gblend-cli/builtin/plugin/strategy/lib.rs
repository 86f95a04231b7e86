//! The blend strategy `my-plugin` for gblend.

use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::{
    Blend, BlendStrategy, BlendWeights, Error, Evidence, Heads, Observation, Result, serde_json, typetag,
};

/// More weight for heads of higher loss: this first sentence is what `gblend plugins` shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde", deny_unknown_fields, default)]
#[schemars(crate = "gblend_core::schemars")]
pub struct MyPluginStrategy {
    /// Share of each step in the mean loss of a head, above 0 and at most 1; `gblend plugins` shows this too.
    pub rate: f64,
}

impl Default for MyPluginStrategy {
    fn default() -> Self {
        Self { rate: 0.05 }
    }
}

#[typetag::serde(name = "my-plugin")]
impl BlendStrategy for MyPluginStrategy {
    // A run begins: one head for each modality, and the joint one last.
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        if !(self.rate > 0.0 && self.rate <= 1.0) {
            return Err(Error::setting("rate", self.rate, "above 0 and at most 1"));
        }
        Ok(Box::new(MyPluginBlend {
            rate: self.rate,
            kept: Kept {
                means: Vec::new(),
                weights: BlendWeights::equal(heads.len())?,
            },
        }))
    }
}

gblend_core::register!(Blend, "my-plugin" => MyPluginStrategy);

/// The strategy at work.
#[derive(Debug)]
struct MyPluginBlend {
    rate: f64,
    kept: Kept,
}

/// What a checkpoint keeps: everything that a step changes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "gblend_core::serde", deny_unknown_fields)]
struct Kept {
    /// The mean loss of each head; empty before the first step.
    means: Vec<f64>,
    weights: BlendWeights,
}

impl Blend for MyPluginBlend {
    fn weights(&self) -> &BlendWeights {
        &self.kept.weights
    }

    // What is not asked for is neither computed nor told; there are scores and gradients too.
    fn evidence(&self) -> Evidence {
        Evidence {
            losses: true,
            ..Evidence::default()
        }
    }

    fn observe(&mut self, observation: &Observation) -> Result<()> {
        let losses = &observation.losses;
        if self.kept.means.is_empty() {
            self.kept.means.clone_from(losses);
        }
        for (mean, loss) in self.kept.means.iter_mut().zip(losses) {
            *mean += self.rate * (loss - *mean);
        }
        // Where every loss is 0, the weights stay as they are.
        if let Ok(weights) = BlendWeights::normalized(self.kept.means.as_slice()) {
            self.kept.weights = weights;
        }
        Ok(())
    }

    fn state(&self) -> serde_json::Value {
        serde_json::json!(self.kept)
    }

    fn restore(&mut self, state: &serde_json::Value) -> Result<()> {
        let kept: Kept =
            serde_json::from_value(state.clone()).map_err(|error| Error::Strategy(error.to_string()))?;
        let heads = self.kept.weights.len();
        if kept.weights.len() != heads || !(kept.means.is_empty() || kept.means.len() == heads) {
            return Err(Error::Strategy(format!("a state of other than {heads} heads")));
        }
        self.kept = kept;
        Ok(())
    }
}
