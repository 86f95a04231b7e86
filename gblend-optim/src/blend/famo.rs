//! Fast adaptive multitask optimization.

use gblend_core::{
    Advice, Blend, BlendStrategy, BlendWeights, Evidence, Finding, Heads, Observation, Result, WeightSource,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lengths::check_length;
use super::softmax::softmax;
use super::state::{from_json, to_json};
use crate::range::{not_negative, positive};

/// Weights under which the logarithms of all losses fall equally fast.
///
/// Liu, Feng, Stone and Liu, "FAMO: Fast Adaptive Multitask Optimization", NeurIPS 2023, algorithm 1,
/// <https://arxiv.org/abs/2306.03792>: with `z = softmax(ξ)` the weights are proportional to `z_k / L_k`.
/// After each step the losses of the same batch tell how far each logarithm fell, `Δ`, and
/// `ξ ← ξ - β (Jᵀ Δ + γ ξ)`, J the derivative of the softmax. The paper subtracts from each loss the lowest
/// value that it can take; of cross-entropy that is 0.
///
/// ξ moves by plain gradient descent, as in the paper; the authors' code has Adam in its place, with the same
/// default step size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Famo {
    /// The step size β of ξ. It does not follow the optimizer's schedule.
    pub learning_rate: f64,
    /// The decay γ of ξ: the higher, the more recent steps count alone.
    pub decay: f64,
}

impl Default for Famo {
    fn default() -> Self {
        Self {
            learning_rate: 0.025,
            decay: 0.001,
        }
    }
}

#[typetag::serde(name = "famo")]
impl BlendStrategy for Famo {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        positive("learning_rate", self.learning_rate)?;
        not_negative("decay", self.decay)?;
        Ok(Box::new(Falling {
            settings: self.clone(),
            before: Vec::new(),
            kept: TaskLogits {
                weights: BlendWeights::equal(heads.len())?,
                logits: vec![0.0; heads.len()],
            },
        }))
    }
}

gblend_core::register!(Blend, "famo" => Famo);

/// Added to losses, so that their logarithms are finite.
const EPSILON: f64 = 1e-8;

#[derive(Debug)]
struct Falling {
    settings: Famo,
    /// The logarithms of the losses before the step at hand.
    before: Vec<f64>,
    kept: TaskLogits,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskLogits {
    weights: BlendWeights,
    /// `ξ`; finite.
    logits: Vec<f64>,
}

fn logarithms(losses: &[f64]) -> Vec<f64> {
    losses.iter().map(|loss| (loss.max(0.0) + EPSILON).ln()).collect()
}

impl Blend for Falling {
    fn weights(&self) -> &BlendWeights {
        &self.kept.weights
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            losses: true,
            losses_after: true,
            ..Evidence::default()
        }
    }

    fn observe(&mut self, observation: &Observation) -> Result<()> {
        check_length("losses", observation.losses.len(), self.kept.logits.len())?;
        self.before = logarithms(&observation.losses);
        let logits = self.kept.logits.iter().zip(&self.before);
        // z_k / L_k is a softmax too, which spares the quotient of two tiny numbers.
        let weights = softmax(&logits.map(|(logit, log)| logit - log).collect::<Vec<f64>>());
        if let Ok(weights) = BlendWeights::normalized(weights) {
            self.kept.weights = weights;
        }
        Ok(())
    }

    fn observe_after(&mut self, losses: &[f64]) -> Result<()> {
        check_length("losses", losses.len(), self.before.len())?;
        let after = logarithms(losses);
        let falls: Vec<f64> = self.before.iter().zip(&after).map(|(b, a)| b - a).collect();
        let z = softmax(&self.kept.logits);
        let mean: f64 = z.iter().zip(&falls).map(|(z, fall)| z * fall).sum();
        let next: Vec<f64> = (self.kept.logits.iter().zip(&z).zip(&falls))
            .map(|((logit, z), fall)| {
                logit - self.settings.learning_rate * (z * (fall - mean) + self.settings.decay * logit)
            })
            .collect();
        // A step that ends in an infinite loss says nothing about how fast losses fall.
        if next.iter().all(|logit| logit.is_finite()) {
            self.kept.logits = next;
        }
        Ok(())
    }

    fn advice(&self) -> Advice {
        let Famo { learning_rate, decay } = self.settings;
        let remedy = format!(
            "Weights are inverse to losses before ξ moves: a loss near 0 takes them all. A blend.decay above {decay} or a \
             blend.learning_rate below {learning_rate} holds ξ nearer to where it began."
        );
        Advice::of(WeightSource::Adapted)
            .against_each(Finding::UNEVEN_WEIGHTS, &remedy)
            .with_figures("logit ξ of the weight", &self.kept.logits)
    }

    fn state(&self) -> serde_json::Value {
        to_json(&self.kept)
    }

    fn restore(&mut self, state: &serde_json::Value) -> Result<()> {
        let kept: TaskLogits = from_json("famo", state)?;
        check_length("weights", kept.weights.len(), self.kept.logits.len())?;
        check_length("logits", kept.logits.len(), self.kept.logits.len())?;
        self.kept = kept;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{assert_close, heads, losses};
    use super::*;

    /// Losses so great that `EPSILON` is beyond their digits.
    const UNIT: f64 = 1e8;

    fn famo(learning_rate: f64, decay: f64) -> Box<dyn Blend> {
        let settings = Famo { learning_rate, decay };
        settings.start(&heads(1)).unwrap()
    }

    #[test]
    fn weights_are_inverse_to_losses_at_first() {
        let mut blend = famo(0.5, 0.0);
        blend.observe(&losses(&[UNIT, 2.0 * UNIT])).unwrap();
        assert_close(blend.weights().as_slice(), &[2.0 / 3.0, 1.0 / 3.0]);
    }

    #[test]
    fn a_loss_that_fell_loses_weight() {
        let mut blend = famo(0.5, 0.1);
        blend.observe(&losses(&[UNIT, UNIT])).unwrap();
        blend.observe_after(&[UNIT / 2.0, UNIT]).unwrap();
        // Δ = (ln 2, 0), z = (½, ½), Jᵀ Δ = ± ln 2 / 4, so that ξ = ∓ ln 2 / 8.
        blend.observe(&losses(&[UNIT, UNIT])).unwrap();
        let ratio = 2_f64.powf(0.25);
        assert_close(
            blend.weights().as_slice(),
            &[1.0 / (1.0 + ratio), ratio / (1.0 + ratio)],
        );
        // With nothing falling, the decay takes away 0.5 · 0.1 of ξ.
        blend.observe_after(&[UNIT, UNIT]).unwrap();
        blend.observe(&losses(&[UNIT, UNIT])).unwrap();
        let ratio = 2_f64.powf(0.25 * 0.95);
        assert_close(
            blend.weights().as_slice(),
            &[1.0 / (1.0 + ratio), ratio / (1.0 + ratio)],
        );
    }

    #[test]
    fn losses_of_zero_and_infinity_keep_weights_finite() {
        let mut blend = famo(0.5, 0.0);
        blend.observe(&losses(&[0.0, f64::MAX])).unwrap();
        assert_close(blend.weights().as_slice(), &[1.0, 0.0]);
        blend.observe_after(&[f64::INFINITY, 1.0]).unwrap();
        blend.observe(&losses(&[1.0, 1.0])).unwrap();
        assert_close(blend.weights().as_slice(), &[0.5, 0.5]);
    }
}
