//! Adaptive gradient modulation.

use gblend_core::{
    Advice, Blend, BlendStrategy, BlendWeights, BlendedGradient, Error, Evidence, GradientEvidence, Heads,
    Observation, Result, WeightSource,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lengths::check_length;
use super::scale::scale;
use super::state::{from_json, to_json};
use crate::range::positive;

/// Adaptive gradient modulation: the joint loss alone, with the steps of each encoder scaled by how its share
/// in the joint head's success compares with what that share has been so far.
///
/// Li et al., "Boosting Multi-modal Model Performance with Adaptive Gradient Modulation", ICCV 2023,
/// <https://arxiv.org/abs/2308.07686>. In every step:
///
/// 1. The share `φ_k` of each modality is its Shapley value: what it adds to the joint head's mean
///    log-probability of the right class, averaged over the orders in which the modalities can be added. A
///    modality that is left out has zeros as features. Probabilities below 1e-8 count as that.
/// 2. The discrepancy ratio is `r_k = exp(φ_k - mean φ of the others)`, and the reference `τ_k` is the same of
///    the running means of φ over all steps before; 1 in the first step.
/// 3. The gradient of encoder k is multiplied by `exp(-α (r_k - τ_k))`, or by `e^10` if that is less. (The
///    authors' code limits `τ_k - r_k` to 10, which is the same for an α of 1.)
///
/// This is simpler than the paper in two respects. The paper takes Shapley values of logits and the
/// log-probability of those, for each sample; here they are those of the log-probability itself, over the
/// batch. And it scales the gradient of each modality's part of the joint output, which with a fusion of
/// many layers scales also what each modality asks of another's encoder; here it is each encoder's gradient.
/// The heads of the modalities are not trained, as in the paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Agm {
    /// How strongly gradients are scaled, α.
    pub alpha: f64,
}

impl Default for Agm {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

/// The most modalities: the subsets are twice as many for each more.
const MOST: usize = 12;
/// The least probability that counts.
const LEAST_PROBABILITY: f64 = 1e-8;
/// The logarithm of the greatest factor.
const GREATEST_EXPONENT: f64 = 10.0;

#[typetag::serde(name = "agm")]
impl BlendStrategy for Agm {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        positive("alpha", self.alpha)?;
        let modalities = heads.joint();
        if modalities > MOST {
            let expected = format!(
                "another kind for {modalities} modalities: it evaluates all subsets of them, and takes {MOST}"
            );
            return Err(Error::setting("kind", "agm", expected));
        }
        Ok(Box::new(Modulated {
            alpha: self.alpha,
            weights: BlendWeights::single(heads.len(), heads.joint())?,
            factors: vec![1.0; modalities],
            kept: MeanShapley {
                steps: 0,
                means: vec![0.0; modalities],
            },
        }))
    }
}

gblend_core::register!(Blend, "agm" => Agm);

#[derive(Debug)]
struct Modulated {
    alpha: f64,
    weights: BlendWeights,
    /// One per modality.
    factors: Vec<f64>,
    kept: MeanShapley,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MeanShapley {
    steps: u64,
    /// The mean φ of all steps so far; finite.
    means: Vec<f64>,
}

/// The Shapley values of a game of `players`, of which `values` has the value of each subset, at `Σ 2^k`.
fn shapley(values: &[f64], players: usize) -> Vec<f64> {
    // The share of orders in which a player comes right after a given subset of this size.
    let mut shares = Vec::with_capacity(players);
    let mut share = 1.0 / players as f64;
    for size in 1..=players {
        shares.push(share);
        share *= size as f64 / players.saturating_sub(size).max(1) as f64;
    }
    (0..players)
        .map(|player| {
            let bit = 1 << player;
            (0..values.len())
                .filter(|subset| subset & bit == 0)
                .map(|subset| shares[subset.count_ones() as usize] * (values[subset | bit] - values[subset]))
                .sum()
        })
        .collect()
}

/// `exp(x_k - mean of the others)`; 1 if there are none.
fn ratios(values: &[f64]) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    let others = values.len().saturating_sub(1).max(1) as f64;
    values
        .iter()
        .map(|value| {
            if values.len() > 1 {
                (value - (sum - value) / others).exp()
            } else {
                1.0
            }
        })
        .collect()
}

impl Blend for Modulated {
    fn weights(&self) -> &BlendWeights {
        &self.weights
    }

    fn blended_heads(&self) -> usize {
        1
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            coalitions: true,
            gradients: GradientEvidence::Blended,
            ..Evidence::default()
        }
    }

    fn observe(&mut self, observation: &Observation) -> Result<()> {
        let modalities = self.factors.len();
        check_length("coalitions", observation.coalitions.len(), 1 << modalities)?;
        let floor = LEAST_PROBABILITY.ln();
        let values: Vec<f64> = (observation.coalitions.iter())
            .map(|value| value.max(floor).min(0.0))
            .collect();
        let shares = shapley(&values, modalities);
        let (found, expected) = (ratios(&shares), ratios(&self.kept.means));
        for ((factor, found), expected) in self.factors.iter_mut().zip(found).zip(expected) {
            *factor = (self.alpha * (expected - found)).min(GREATEST_EXPONENT).exp();
        }
        self.kept.steps += 1;
        for (mean, share) in self.kept.means.iter_mut().zip(shares) {
            *mean += (share - *mean) / self.kept.steps as f64;
        }
        Ok(())
    }

    fn modulate(&mut self, encoders: &mut [BlendedGradient]) -> Result<()> {
        check_length("encoders", encoders.len(), self.factors.len())?;
        for (encoder, &factor) in encoders.iter_mut().zip(&self.factors) {
            scale(&mut encoder.values, factor);
        }
        Ok(())
    }

    fn advice(&self) -> Advice {
        // Encoders are slowed; the joint loss has all the weight, whatever the run shows.
        let advice = Advice::of(WeightSource::Given);
        let name = "Shapley value φ of the joint head’s log-probability, mean over the steps";
        advice.with_figures(name, &self.kept.means)
    }

    fn state(&self) -> serde_json::Value {
        to_json(&self.kept)
    }

    fn restore(&mut self, state: &serde_json::Value) -> Result<()> {
        let kept: MeanShapley = from_json("agm", state)?;
        check_length("means", kept.means.len(), self.factors.len())?;
        self.kept = kept;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{assert_close, assert_close_f32, heads};
    use super::*;
    use proptest::prelude::*;

    fn coalitions(coalitions: &[f64]) -> Observation {
        Observation {
            coalitions: coalitions.to_vec(),
            ..Observation::default()
        }
    }

    fn modulated(blend: &mut dyn Blend, modalities: usize) -> Vec<f32> {
        let encoder = BlendedGradient {
            values: vec![1.0],
            parameters: vec![1],
        };
        let mut encoders = vec![encoder; modalities];
        blend.modulate(&mut encoders).unwrap();
        encoders.iter().map(|encoder| encoder.values[0]).collect()
    }

    #[test]
    fn an_encoder_slows_where_its_share_is_above_what_it_was() {
        let mut blend = Agm::default().start(&heads(2)).unwrap();
        assert_close(blend.weights().as_slice(), &[0.0, 0.0, 1.0]);
        // φ is 1 for the first, ((−1 + 2) + (−0.5 + 1.5)) / 2, and ½ for the second.
        let found = coalitions(&[-2.0, -1.0, -1.5, -0.5]);
        blend.observe(&found).unwrap();
        let (ahead, behind) = (0.5_f64.exp(), (-0.5_f64).exp());
        assert_close_f32(
            &modulated(blend.as_mut(), 2),
            &[(1.0 - ahead).exp(), (1.0 - behind).exp()],
        );
        // The mean is now what is found again.
        blend.observe(&found).unwrap();
        assert_close_f32(&modulated(blend.as_mut(), 2), &[1.0, 1.0]);
        // Equal shares, against means of 1 and ½.
        blend.observe(&coalitions(&[-2.0, -1.0, -1.0, -0.5])).unwrap();
        assert_close_f32(
            &modulated(blend.as_mut(), 2),
            &[(ahead - 1.0).exp(), (behind - 1.0).exp()],
        );
    }

    #[test]
    fn a_modality_alone_is_not_modulated() {
        let mut blend = Agm::default().start(&heads(1)).unwrap();
        blend.observe(&coalitions(&[-2.0, -1.0])).unwrap();
        assert_eq!(modulated(blend.as_mut(), 1), [1.0]);
    }

    #[test]
    fn shapley_values_are_those_of_the_glove_game() {
        // A left glove and two right ones, of which a pair is worth 1: 4/6, 1/6 and 1/6.
        let values = [0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0];
        assert_close(&shapley(&values, 3), &[4.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0]);
    }

    #[test]
    fn probabilities_of_zero_keep_factors_finite() {
        let mut blend = Agm { alpha: 10.0 }.start(&heads(2)).unwrap();
        let lost = [f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY, 0.0];
        let nan = [f64::NAN; 4];
        for values in [lost, nan, [0.0; 4]] {
            blend.observe(&coalitions(&values)).unwrap();
            assert!(modulated(blend.as_mut(), 2).iter().all(|value| value.is_finite()));
        }
    }

    #[test]
    fn too_many_modalities_are_refused() {
        assert!(Agm::default().start(&heads(13)).is_err());
    }

    proptest! {
        #[test]
        fn shapley_values_divide_the_whole_gain(values in prop::collection::vec(-5.0..0.0_f64, 16)) {
            let shares = shapley(&values, 4);
            prop_assert!((shares.iter().sum::<f64>() - (values[15] - values[0])).abs() < 1e-12);
        }

        #[test]
        fn modalities_that_add_their_values_get_them(gains in prop::collection::vec(-1.0..1.0_f64, 1..6)) {
            let value = |subset: usize| -> f64 {
                (0..gains.len()).filter(|k| subset >> k & 1 == 1).map(|k| gains[k]).sum()
            };
            let values: Vec<f64> = (0..1 << gains.len()).map(value).collect();
            assert_close(&shapley(&values, gains.len()), &gains);
        }
    }
}
