//! What a prediction is taken from: the joint head, or several heads together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which heads predict. Heads that were not trained have no say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PredictionRule {
    /// The joint head, as in the paper.
    #[default]
    Joint,
    /// The mean of the heads' probabilities.
    Mean,
    /// The mean of the heads' probabilities by the weights of their losses.
    Blend,
}

impl PredictionRule {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::Joint, Self::Mean, Self::Blend];

    /// The name in configurations and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Joint => "joint",
            Self::Mean => "mean",
            Self::Blend => "blend",
        }
    }

    /// How much each head's probabilities count, from the weights of their losses with the joint head's last;
    /// they add up to 1. Without a trained joint head, the trained ones stand in for it.
    pub fn shares(self, weights: &[f64]) -> Vec<f64> {
        let joint = weights.len().saturating_sub(1);
        let counts: Vec<f64> = weights
            .iter()
            .enumerate()
            .map(|(head, &weight)| match self {
                Self::Joint if weights[joint] > 0.0 => f64::from(u8::from(head == joint)),
                Self::Joint | Self::Mean => f64::from(u8::from(weight > 0.0)),
                Self::Blend => weight,
            })
            .collect();
        let sum: f64 = counts.iter().sum();
        counts.into_iter().map(|count| count / sum).collect()
    }
}
