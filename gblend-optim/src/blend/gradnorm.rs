//! GradNorm.

use gblend_core::{
    Advice, Blend, BlendStrategy, BlendWeights, ContestedGradient, Evidence, Finding, GradientEvidence,
    Heads, Observation, Result, StepStart, WeightSource,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lengths::check_length;
use super::state::{from_json, to_json};
use crate::range::{not_negative, positive};

/// GradNorm: weights that bring the gradients of all heads to a common size, greater for heads that train
/// slowly.
///
/// Chen, Badrinarayanan, Lee and Rabinovich, ICML 2018, algorithm 1, <https://arxiv.org/abs/1711.02257>:
/// with `G_k = ‖w_k ∇L_k‖` over the shared parameters, and r the share `L_k / L_k(first step)` that is left
/// of each loss, over its mean, the weights descend `Σ |G_k - mean(G) r_k^α|`, targets held fixed, and are
/// scaled back to their sum. As in the paper, this counts from the next step on.
///
/// What heads share are the encoders: the head of a modality has its gradient in its own encoder, the joint
/// head in all of them. The paper looks at the last shared layer alone, to save time. No weight falls below
/// a hundredth of an equal share, since a head of weight 0 would never come back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GradNorm {
    /// The asymmetry α: how strongly heads that train slowly are favored; 0 for gradients of one size.
    pub alpha: f64,
    /// Step size of the weights, of which an equal one counts as 1. It does not follow the optimizer's
    /// schedule.
    pub learning_rate: f64,
}

impl Default for GradNorm {
    fn default() -> Self {
        Self {
            alpha: 1.5,
            learning_rate: 0.025,
        }
    }
}

#[typetag::serde(name = "gradnorm")]
impl BlendStrategy for GradNorm {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        not_negative("alpha", self.alpha)?;
        positive("learning_rate", self.learning_rate)?;
        let equal = BlendWeights::equal(heads.len())?;
        Ok(Box::new(Balanced {
            settings: self.clone(),
            weights: equal.clone(),
            losses: Vec::new(),
            kept: NextWeights {
                next: equal,
                first_losses: None,
            },
        }))
    }
}

gblend_core::register!(Blend, "gradnorm" => GradNorm);

/// The least weight, of which an equal one counts as 1.
const LEAST: f64 = 0.01;

#[derive(Debug)]
struct Balanced {
    settings: GradNorm,
    weights: BlendWeights,
    /// Those of the step at hand.
    losses: Vec<f64>,
    kept: NextWeights,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NextWeights {
    /// The weights of the next step.
    next: BlendWeights,
    first_losses: Option<Vec<f64>>,
}

impl Blend for Balanced {
    fn weights(&self) -> &BlendWeights {
        &self.weights
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            losses: true,
            gradients: GradientEvidence::PerHead,
            ..Evidence::default()
        }
    }

    fn begin_step(&mut self, _: StepStart) -> Result<()> {
        self.weights = self.kept.next.clone();
        Ok(())
    }

    fn observe(&mut self, observation: &Observation) -> Result<()> {
        check_length("losses", observation.losses.len(), self.weights.len())?;
        self.losses.clone_from(&observation.losses);
        self.kept.first_losses.get_or_insert_with(|| self.losses.clone());
        Ok(())
    }

    fn combine(&mut self, encoders: &mut [ContestedGradient]) -> Result<()> {
        check_length("encoders", encoders.len() + 1, self.weights.len())?;
        let joint_square: f64 = encoders.iter().map(ContestedGradient::joint_square).sum();
        let norms: Vec<f64> = encoders
            .iter()
            .map(ContestedGradient::own_square)
            .chain([joint_square])
            .map(f64::sqrt)
            .collect();
        let heads = norms.len() as f64;
        let weights: Vec<f64> = self.weights.as_slice().iter().map(|w| w * heads).collect();
        let first = self.kept.first_losses.as_deref().unwrap_or_default();
        let next = balance(&self.settings, &weights, &norms, &self.losses, first);
        if let Some(next) = next.and_then(|next| bounded(&next, LEAST / heads)) {
            self.kept.next = next;
        }
        Ok(())
    }

    fn advice(&self) -> Advice {
        let GradNorm { alpha, learning_rate } = self.settings;
        let remedy = format!(
            "A blend.alpha below {alpha} favors heads that train slowly less, and a blend.learning_rate below \
             {learning_rate} leaves the weights nearer to equal ones."
        );
        let advice = Advice::of(WeightSource::Adapted).against_each(Finding::UNEVEN_WEIGHTS, &remedy);
        match &self.kept.first_losses {
            Some(losses) => advice.with_figures("loss in the first step", losses),
            None => advice,
        }
    }

    fn state(&self) -> serde_json::Value {
        to_json(&self.kept)
    }

    fn restore(&mut self, state: &serde_json::Value) -> Result<()> {
        let kept: NextWeights = from_json("gradnorm", state)?;
        let heads = self.weights.len();
        check_length("weights", kept.next.len(), heads)?;
        check_length(
            "losses",
            kept.first_losses.as_ref().map_or(heads, Vec::len),
            heads,
        )?;
        self.weights = kept.next.clone();
        self.kept = kept;
        Ok(())
    }
}

/// The weights after one step down `Σ |w_k n_k - target_k|`; `None` where that has no finite answer, as for
/// a first loss of 0.
fn balance(
    settings: &GradNorm,
    weights: &[f64],
    norms: &[f64],
    losses: &[f64],
    first: &[f64],
) -> Option<Vec<f64>> {
    let heads = weights.len() as f64;
    let left: Vec<f64> = losses.iter().zip(first).map(|(now, first)| now / first).collect();
    let left_mean = left.iter().sum::<f64>() / heads;
    let sizes: Vec<f64> = weights.iter().zip(norms).map(|(w, n)| w * n).collect();
    let size_mean = sizes.iter().sum::<f64>() / heads;
    let mut next = Vec::with_capacity(weights.len());
    for (((&weight, &norm), size), left) in weights.iter().zip(norms).zip(sizes).zip(left) {
        let excess = size - size_mean * (left / left_mean).powf(settings.alpha);
        // Not `signum`, which is 1 at 0.
        let sign = if excess == 0.0 { 0.0 } else { excess.signum() };
        next.push(weight - settings.learning_rate * norm * sign);
    }
    next.iter().all(|weight| weight.is_finite()).then_some(next)
}

/// Scales weights to add up to 1 and raises those below `least` to it; the others make room in proportion.
/// `None` if none is above 0.
fn bounded(weights: &[f64], least: f64) -> Option<BlendWeights> {
    let mut raised = vec![false; weights.len()];
    loop {
        let sum_of = |raised: &[bool]| -> f64 {
            let free = weights.iter().zip(raised).filter(|(_, raised)| !**raised);
            free.map(|(weight, _)| weight.max(0.0)).sum()
        };
        let count = raised.iter().filter(|&&raised| raised).count() as f64;
        let factor = (1.0 - count * least) / sum_of(&raised);
        let scaled: Vec<f64> = weights
            .iter()
            .zip(&raised)
            .map(|(weight, &raised)| if raised { least } else { weight.max(0.0) * factor })
            .collect();
        if !scaled.iter().all(|weight| weight.is_finite()) {
            return None;
        }
        // The largest is above the mean and so above `least`: one is never raised, and the loop ends.
        let below: Vec<bool> = scaled.iter().map(|&weight| weight <= least).collect();
        if below == raised {
            return BlendWeights::normalized(scaled).ok();
        }
        raised = below;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{assert_close, contested, heads, losses, step};
    use super::*;
    use proptest::prelude::*;

    fn settings(alpha: f64) -> GradNorm {
        GradNorm {
            alpha,
            learning_rate: 0.1,
        }
    }

    #[test]
    fn the_greater_gradient_gives_weight_to_the_smaller() {
        let mut blend = settings(0.0).start(&heads(1)).unwrap();
        blend.begin_step(step(0)).unwrap();
        blend.observe(&losses(&[1.0, 1.0])).unwrap();
        blend.combine(&mut [contested(&[3.0, 0.0], &[0.0, 1.0])]).unwrap();
        assert_close(blend.weights().as_slice(), &[0.5, 0.5]);
        // Of weights 1 and 1, sizes 3 and 1 and target 2: 1 − 0.1·3 and 1 + 0.1·1.
        blend.begin_step(step(1)).unwrap();
        assert_close(blend.weights().as_slice(), &[0.7 / 1.8, 1.1 / 1.8]);
    }

    #[test]
    fn the_joint_gradient_is_that_of_all_encoders() {
        let mut blend = settings(0.0).start(&heads(2)).unwrap();
        blend.observe(&losses(&[1.0, 1.0, 1.0])).unwrap();
        let mut encoders = [contested(&[1.0], &[3.0]), contested(&[3.0], &[4.0])];
        blend.combine(&mut encoders).unwrap();
        blend.begin_step(step(1)).unwrap();
        // Sizes 1, 3 and 5; the second is at the target, 3, and stays.
        assert_close(blend.weights().as_slice(), &[1.1 / 2.6, 1.0 / 2.6, 0.5 / 2.6]);
    }

    #[test]
    fn a_head_that_trains_slowly_gains_weight() {
        let mut blend = settings(1.0).start(&heads(1)).unwrap();
        blend.observe(&losses(&[4.0, 1.0])).unwrap();
        // A quarter is left of the first loss, all of the other: r is 0.4 and 1.6, the targets 0.4 and 1.6.
        blend.observe(&losses(&[1.0, 1.0])).unwrap();
        blend.combine(&mut [contested(&[1.0, 0.0], &[0.0, 1.0])]).unwrap();
        blend.begin_step(step(1)).unwrap();
        assert_close(blend.weights().as_slice(), &[0.9 / 2.0, 1.1 / 2.0]);
    }

    #[test]
    fn weights_stay_where_there_is_no_answer() {
        let mut blend = settings(1.0).start(&heads(1)).unwrap();
        blend.observe(&losses(&[0.0, 1.0])).unwrap();
        blend.combine(&mut [contested(&[1.0], &[2.0])]).unwrap();
        blend.begin_step(step(1)).unwrap();
        assert_close(blend.weights().as_slice(), &[0.5, 0.5]);
    }

    #[test]
    fn a_weight_stops_at_the_bound() {
        assert_close(
            bounded(&[-7.0, 2.0, 2.0], 0.1).unwrap().as_slice(),
            &[0.1, 0.45, 0.45],
        );
        // 0.12 is above the bound until the first weight takes its share.
        assert_close(
            bounded(&[0.0, 0.11, 0.89], 0.1).unwrap().as_slice(),
            &[0.1, 0.1, 0.8],
        );
        assert!(bounded(&[0.0, -1.0], 0.1).is_none());
    }

    proptest! {
        #[test]
        fn bounded_weights_are_on_the_simplex_and_not_below_the_bound(
            weights in prop::collection::vec(-1.0..1e6_f64, 2..8)
        ) {
            prop_assume!(weights.iter().any(|&weight| weight > 0.0));
            let least = LEAST / weights.len() as f64;
            let bounded = bounded(&weights, least).unwrap();
            prop_assert!(bounded.as_slice().iter().all(|&weight| weight >= least * (1.0 - 1e-12)));
        }
    }
}
