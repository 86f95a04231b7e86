//! Weights from learned uncertainties.

use gblend_core::{
    Advice, Blend, BlendStrategy, BlendWeights, Evidence, Finding, Heads, Observation, Result, StepStart,
    WeightSource,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lengths::check_length;
use super::softmax::softmax;
use super::state::{from_json, to_json};
use crate::range::positive;

/// Weights learned along with the network, lower where a head is less certain.
///
/// Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018,
/// <https://arxiv.org/abs/1705.07115>: each head has a log variance `s_k`, 0 at first, and these follow the
/// gradient of `Σ L_k / (2 e^{s_k}) + s_k / 2`, so that each tends to the logarithm of its head's loss.
///
/// The weights are `e^{-s_k}`, scaled to add up to 1. The paper does not scale them: then the size of a step
/// grows as losses fall, and a learning rate that suits this strategy suits no other. The paper also has
/// twice the first term for classifiers, which moves every `s_k` by `ln 2` and no weight in the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Uncertainty {
    /// Step size of the log variances, by gradient descent without momentum. It does not follow the
    /// optimizer's schedule.
    pub learning_rate: f64,
}

impl Default for Uncertainty {
    fn default() -> Self {
        Self { learning_rate: 0.025 }
    }
}

#[typetag::serde(name = "uncertainty")]
impl BlendStrategy for Uncertainty {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        positive("learning_rate", self.learning_rate)?;
        Ok(Box::new(Learned {
            learning_rate: self.learning_rate,
            log_variances: vec![0.0; heads.len()],
            weights: BlendWeights::equal(heads.len())?,
        }))
    }
}

gblend_core::register!(Blend, "uncertainty" => Uncertainty);

#[derive(Debug)]
struct Learned {
    learning_rate: f64,
    /// `s`; finite.
    log_variances: Vec<f64>,
    weights: BlendWeights,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogVariances {
    log_variances: Vec<f64>,
}

impl Learned {
    fn weigh(&mut self) {
        let precisions: Vec<f64> = self.log_variances.iter().map(|s| -s).collect();
        if let Ok(weights) = BlendWeights::normalized(softmax(&precisions)) {
            self.weights = weights;
        }
    }
}

/// One step of gradient descent on `L / (2 e^s) + s / 2`.
fn descend(s: f64, loss: f64, learning_rate: f64) -> f64 {
    let rest = loss.max(0.0).ln();
    let slope = (1.0 - (rest - s).exp()) / 2.0;
    let mut next = s - learning_rate * slope;
    // The slope towards a greater loss is exponential: one outlier would throw s so far that it took
    // thousands of steps to come back.
    if s < rest {
        next = next.min(rest);
    }
    if next.is_finite() { next } else { s }
}

impl Blend for Learned {
    fn weights(&self) -> &BlendWeights {
        &self.weights
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            losses: true,
            ..Evidence::default()
        }
    }

    // Network and log variances take their steps from the same point, so that what the losses of a step
    // change counts from the next one on.
    fn begin_step(&mut self, _: StepStart) -> Result<()> {
        self.weigh();
        Ok(())
    }

    fn observe(&mut self, observation: &Observation) -> Result<()> {
        check_length("losses", observation.losses.len(), self.log_variances.len())?;
        for (s, &loss) in self.log_variances.iter_mut().zip(&observation.losses) {
            *s = descend(*s, loss, self.learning_rate);
        }
        Ok(())
    }

    fn advice(&self) -> Advice {
        let remedy = format!(
            "A head whose training loss is small gets weight for that alone, overfitted or not; a blend.learning_rate below \
             {} leaves the weights nearer to equal ones.",
            self.learning_rate
        );
        Advice::of(WeightSource::Adapted)
            .against_each(Finding::UNEVEN_WEIGHTS, &remedy)
            .with_figures("log variance s", &self.log_variances)
    }

    fn state(&self) -> serde_json::Value {
        to_json(&LogVariances {
            log_variances: self.log_variances.clone(),
        })
    }

    fn restore(&mut self, state: &serde_json::Value) -> Result<()> {
        let LogVariances { log_variances } = from_json("uncertainty", state)?;
        check_length("log variances", log_variances.len(), self.log_variances.len())?;
        self.log_variances = log_variances;
        self.weigh();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{assert_close, heads, losses, step};
    use super::*;

    #[test]
    fn log_variances_follow_the_gradient() {
        let mut blend = Uncertainty { learning_rate: 0.2 }.start(&heads(1)).unwrap();
        blend.begin_step(step(0)).unwrap();
        blend.observe(&losses(&[1.0, 3.0])).unwrap();
        // The slopes are (1 − 1) / 2 and (1 − 3) / 2, so that s becomes 0 and 0.2; not yet in this step.
        assert_close(blend.weights().as_slice(), &[0.5, 0.5]);
        blend.begin_step(step(1)).unwrap();
        let joint = (-0.2_f64).exp();
        assert_close(
            blend.weights().as_slice(),
            &[1.0 / (1.0 + joint), joint / (1.0 + joint)],
        );
    }

    #[test]
    fn weights_come_to_rest_at_the_inverse_losses() {
        let mut blend = Uncertainty { learning_rate: 0.5 }.start(&heads(2)).unwrap();
        for _ in 0..300 {
            blend.observe(&losses(&[0.5, 2.0, 1.0])).unwrap();
        }
        blend.begin_step(step(300)).unwrap();
        assert_close(blend.weights().as_slice(), &[4.0 / 7.0, 1.0 / 7.0, 2.0 / 7.0]);
    }

    #[test]
    fn an_outlier_moves_a_log_variance_no_further_than_to_where_it_rests() {
        assert_eq!(descend(0.0, 1e300, 1.0), 1e300_f64.ln());
        assert_eq!(descend(-1e6, 0.0, 1.0), -1e6 - 0.5);
        assert_eq!(descend(-1e6, 1.0, 1.0), 0.0);
    }
}
