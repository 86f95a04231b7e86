//! Random loss weighting.

use gblend_core::{Advice, Blend, BlendStrategy, BlendWeights, Heads, Result, StepStart, WeightSource};
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::softmax::softmax;

/// Random weights, drawn anew in every step: a baseline that strategies with more to say should beat.
///
/// Lin, Ye, Zhang and Tsang, "Reasonable Effectiveness of Random Weighting", TMLR 2022,
/// <https://arxiv.org/abs/2111.10603>: the softmax of standard normal numbers. Every head is trained in
/// every step, for no weight is 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rlw {}

#[typetag::serde(name = "rlw")]
impl BlendStrategy for Rlw {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        Ok(Box::new(Drawn(BlendWeights::equal(heads.len())?)))
    }
}

gblend_core::register!(Blend, "rlw" => Rlw);

/// Each step's weights come from that step's seed alone, so that there is nothing to keep in a checkpoint.
#[derive(Debug)]
struct Drawn(BlendWeights);

impl Blend for Drawn {
    fn weights(&self) -> &BlendWeights {
        &self.0
    }

    fn begin_step(&mut self, start: StepStart) -> Result<()> {
        let draws: Vec<f64> = StandardNormal
            .sample_iter(start.seed.derive("blend.rlw").rng())
            .take(self.0.len())
            .collect();
        self.0 = BlendWeights::normalized(softmax(&draws))?;
        Ok(())
    }

    fn advice(&self) -> Advice {
        // Chance gave them, and nothing that the run showed.
        Advice::of(WeightSource::Given)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{heads, step};
    use super::*;

    #[test]
    fn weights_depend_on_the_step_alone_and_are_never_zero() {
        let mut blend = Rlw {}.start(&heads(2)).unwrap();
        let mut again = Rlw {}.start(&heads(2)).unwrap();
        assert!(blend.weights().as_slice().iter().all(|&weight| weight > 0.0));
        again.begin_step(step(8)).unwrap();
        for index in 0..100 {
            let before = blend.weights().clone();
            blend.begin_step(step(index)).unwrap();
            again.begin_step(step(index)).unwrap();
            assert_eq!(blend.weights(), again.weights());
            assert_ne!(blend.weights(), &before);
            assert!(blend.weights().as_slice().iter().all(|&weight| weight > 0.0));
        }
    }

    #[test]
    fn no_head_is_preferred() {
        const STEPS: u64 = 20_000;
        let mut blend = Rlw {}.start(&heads(2)).unwrap();
        let mut sums = [0.0; 3];
        for index in 0..STEPS {
            blend.begin_step(step(index)).unwrap();
            for (sum, weight) in sums.iter_mut().zip(blend.weights().as_slice()) {
                *sum += weight / STEPS as f64;
            }
        }
        // A weight's standard deviation is about 0.21: four standard errors.
        assert!(
            sums.iter().all(|mean| (mean - 1.0 / 3.0).abs() < 0.006),
            "{sums:?}"
        );
    }
}
