//! Dynamic weight averaging.

use gblend_core::{
    Advice, Blend, BlendStrategy, BlendWeights, Evidence, Finding, Heads, Result, WeightSource,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lengths::check_length;
use super::softmax::softmax;
use super::state::{from_json, to_json};
use crate::range::positive;

/// Dynamic weight averaging: more weight for heads whose loss falls slowly from epoch to epoch.
///
/// Liu, Johns and Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019,
/// <https://arxiv.org/abs/1803.10704>: in epoch t the weights are the softmax of
/// `L_k(t-1) / L_k(t-2) / T`, of the mean training losses of the two epochs before. They are equal until
/// two epochs are known. The paper scales them to add up to the number of losses; here it is 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dwa {
    /// The temperature T: the higher, the nearer to equal weights.
    pub temperature: f64,
}

impl Default for Dwa {
    fn default() -> Self {
        Self { temperature: 2.0 }
    }
}

#[typetag::serde(name = "dwa")]
impl BlendStrategy for Dwa {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        positive("temperature", self.temperature)?;
        Ok(Box::new(Rates {
            temperature: self.temperature,
            kept: LossHistory {
                weights: BlendWeights::equal(heads.len())?,
                last: None,
            },
        }))
    }
}

gblend_core::register!(Blend, "dwa" => Dwa);

#[derive(Debug)]
struct Rates {
    temperature: f64,
    kept: LossHistory,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LossHistory {
    weights: BlendWeights,
    /// The mean losses of the last epoch.
    last: Option<Vec<f64>>,
}

impl Blend for Rates {
    fn weights(&self) -> &BlendWeights {
        &self.kept.weights
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            losses: true,
            ..Evidence::default()
        }
    }

    fn end_epoch(&mut self, losses: &[f64]) -> Result<()> {
        check_length("losses", losses.len(), self.kept.weights.len())?;
        if !losses.iter().all(|loss| loss.is_finite()) {
            return Ok(());
        }
        if let Some(last) = self.kept.last.replace(losses.to_vec()) {
            let rates: Vec<f64> = losses
                .iter()
                .zip(&last)
                // A loss that was 0 and still is has neither risen nor fallen.
                .map(|(now, before)| if now == before { 1.0 } else { now / before })
                .map(|rate| rate / self.temperature)
                .collect();
            // From a loss of 0 any rise is infinite, and the softmax has no answer.
            if let Ok(weights) = BlendWeights::normalized(softmax(&rates)) {
                self.kept.weights = weights;
            }
        }
        Ok(())
    }

    fn advice(&self) -> Advice {
        let temperature = self.temperature;
        let remedy =
            format!("A blend.temperature above {temperature} brings the weights nearer to equal ones.");
        Advice::of(WeightSource::Adapted).against_each(Finding::UNEVEN_WEIGHTS, &remedy)
    }

    fn state(&self) -> serde_json::Value {
        to_json(&self.kept)
    }

    fn restore(&mut self, state: &serde_json::Value) -> Result<()> {
        let kept: LossHistory = from_json("dwa", state)?;
        let heads = self.kept.weights.len();
        check_length("weights", kept.weights.len(), heads)?;
        check_length("losses", kept.last.as_ref().map_or(heads, Vec::len), heads)?;
        self.kept = kept;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{assert_close, heads};
    use super::*;

    #[test]
    fn weights_are_equal_until_two_epochs_are_known() {
        let mut blend = Dwa::default().start(&heads(1)).unwrap();
        assert_close(blend.weights().as_slice(), &[0.5, 0.5]);
        blend.end_epoch(&[2.0, 1.0]).unwrap();
        assert_close(blend.weights().as_slice(), &[0.5, 0.5]);
    }

    #[test]
    fn weights_are_the_softmax_of_the_rates() {
        let mut blend = Dwa::default().start(&heads(1)).unwrap();
        blend.end_epoch(&[2.0, 1.0]).unwrap();
        blend.end_epoch(&[1.0, 1.0]).unwrap();
        // Rates 0.5 and 1, halved by the temperature.
        let (own, joint) = (0.25_f64.exp(), 0.5_f64.exp());
        assert_close(
            blend.weights().as_slice(),
            &[own / (own + joint), joint / (own + joint)],
        );
        // The epoch before the last counts no more: both halve now.
        blend.end_epoch(&[0.5, 0.5]).unwrap();
        assert_close(blend.weights().as_slice(), &[0.5, 0.5]);
    }

    #[test]
    fn losses_of_zero_keep_weights_finite() {
        let mut blend = Dwa::default().start(&heads(1)).unwrap();
        for losses in [[2.0, 1.0], [1.0, 0.0]] {
            blend.end_epoch(&losses).unwrap();
        }
        let before = blend.weights().clone();
        // The joint loss rises from 0: no rate.
        blend.end_epoch(&[1.0, 1.0]).unwrap();
        assert_eq!(blend.weights(), &before);
        blend.end_epoch(&[0.0, 0.0]).unwrap();
        blend.end_epoch(&[0.0, 0.0]).unwrap();
        assert_close(blend.weights().as_slice(), &[0.5, 0.5]);
    }
}
