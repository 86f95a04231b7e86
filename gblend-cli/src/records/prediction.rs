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
    /// A pool of the heads that is fitted on the validation samples, or as `pool` says: of probabilities a product of experts,
    /// of numbers a weighted average. With fewer than 30 samples to fit it on the mean of the heads; where heads cannot be
    /// pooled, the joint head.
    Pool,
}

impl PredictionRule {
    /// Every rule.
    pub const ALL: [Self; 4] = [Self::Joint, Self::Mean, Self::Blend, Self::Pool];

    /// The name in configurations and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Joint => "joint",
            Self::Mean => "mean",
            Self::Blend => "blend",
            Self::Pool => "pool",
        }
    }

    /// How much each head's probabilities count, from the weights of their losses with the joint head's last;
    /// they add up to 1. Without a trained joint head, the trained ones stand in for it. Of a pool, what they count before it
    /// is fitted.
    pub fn shares(self, weights: &[f64]) -> Vec<f64> {
        let joint = weights.len().saturating_sub(1);
        let counts: Vec<f64> = weights
            .iter()
            .enumerate()
            .map(|(head, &weight)| match self {
                Self::Joint if weights[joint] > 0.0 => f64::from(u8::from(head == joint)),
                Self::Joint | Self::Mean | Self::Pool => f64::from(u8::from(weight > 0.0)),
                Self::Blend => weight,
            })
            .collect();
        let sum: f64 = counts.iter().sum();
        counts.into_iter().map(|count| count / sum).collect()
    }
}
