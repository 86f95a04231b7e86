//! From shares to weights of losses.
//!
//! A strategy's weights are shares: a point of the simplex, which says how much a head counts beside the others. How long a
//! step is, is another question. Taken as they are, shares shorten every step K+1 times beside one of plain losses, and the
//! more so the more modalities there are; a learning rate found for one network is then wrong for the next. Times the number
//! of heads, equal shares are plain losses.

use gblend_core::{Blend, JointReach};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the shares of a blend are multiplied by to weigh losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// The number of heads that are blended ([`Blend::blended_heads`]): weights have a mean of 1, equal ones are 1 each, and
    /// how fast a head learns does not depend on how many others there are.
    #[default]
    Heads,
    /// One: weights add up to 1, as in the paper.
    Sum,
}

/// The weights of a step's losses, one per head with the joint head's last: the shares of the blend, scaled. And what the joint
/// loss moves.
#[derive(Clone, Debug, PartialEq)]
pub struct LossWeights {
    weights: Vec<f64>,
    joint_reach: JointReach,
}

impl LossWeights {
    /// The weights that the blend has now.
    pub fn of(blend: &dyn Blend, scale: Scale) -> Self {
        let factor = match scale {
            Scale::Heads => blend.blended_heads().max(1) as f64,
            Scale::Sum => 1.0,
        };
        let shares = blend.weights().as_slice().iter();
        Self {
            weights: shares.map(|share| share * factor).collect(),
            joint_reach: blend.joint_reach(),
        }
    }

    /// One per head, the joint head's last.
    pub fn as_slice(&self) -> &[f64] {
        &self.weights
    }

    /// What the joint loss moves.
    pub fn joint_reach(&self) -> JointReach {
        self.joint_reach
    }
}
