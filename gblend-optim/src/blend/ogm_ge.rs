//! On-the-fly gradient modulation with generalization enhancement.

use gblend_core::{
    Advice, Blend, BlendStrategy, BlendWeights, BlendedGradient, Error, Evidence, GradientEvidence, Heads,
    Observation, Result, Seed, StepStart, WeightSource,
};
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lengths::check_length;
use super::scale::scale;
use crate::range::positive;

/// On-the-fly gradient modulation: equal weights, but the encoder of a modality that is ahead of the others
/// takes smaller steps.
///
/// Peng et al., "Balanced Multimodal Learning via On-the-fly Gradient Modulation", CVPR 2022,
/// <https://arxiv.org/abs/2203.15332>, equation 10: with `ρ_k` the score of modality k, the probability
/// that its head gives to the right class, over the mean score of the other modalities, the gradient of
/// encoder k is multiplied by `1 - tanh(α ρ_k)` where `ρ_k > 1`. Then noise is added to all encoders, of the
/// standard deviation that the gradient of each parameter had (generalization enhancement).
///
/// The paper has two modalities, trains the joint loss alone and takes the scores from the two halves of its
/// linear classifier. Fusions differ, so here the scores are those of the modalities' own heads, and these
/// mean something only if they are trained: hence the equal weights. The authors' code modulates
/// convolutions only; here it is every parameter of an encoder, although one of a single value has no
/// deviation and gets no noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OgmGe {
    /// How strongly an encoder that is ahead is slowed, α.
    pub alpha: f64,
    /// Whether to add noise.
    pub noise: bool,
}

impl Default for OgmGe {
    fn default() -> Self {
        Self {
            alpha: 0.1,
            noise: true,
        }
    }
}

#[typetag::serde(name = "ogm-ge")]
impl BlendStrategy for OgmGe {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        positive("alpha", self.alpha)?;
        Ok(Box::new(Modulated {
            settings: self.clone(),
            weights: BlendWeights::equal(heads.len())?,
            noise: None,
            factors: vec![1.0; heads.joint()],
        }))
    }
}

gblend_core::register!(Blend, "ogm-ge" => OgmGe);

/// Everything comes from the step at hand, so that there is nothing to keep in a checkpoint.
#[derive(Debug)]
struct Modulated {
    settings: OgmGe,
    weights: BlendWeights,
    /// The stream of the step's noise.
    noise: Option<Seed>,
    /// One per modality.
    factors: Vec<f64>,
}

impl Blend for Modulated {
    fn weights(&self) -> &BlendWeights {
        &self.weights
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            scores: true,
            gradients: GradientEvidence::Blended,
            ..Evidence::default()
        }
    }

    fn begin_step(&mut self, start: StepStart) -> Result<()> {
        self.noise = self.settings.noise.then(|| start.seed.derive("blend.ogm-ge"));
        Ok(())
    }

    fn observe(&mut self, observation: &Observation) -> Result<()> {
        check_length("scores", observation.scores.len(), self.weights.len())?;
        let scores = &observation.scores[..self.factors.len()];
        let sum: f64 = scores.iter().sum();
        for (factor, score) in self.factors.iter_mut().zip(scores) {
            let others = (sum - score) / (scores.len() - 1) as f64;
            let ratio = score / others;
            // A modality without others is not ahead of any; nor is a score of 0.
            *factor = if ratio > 1.0 && scores.len() > 1 {
                1.0 - (self.settings.alpha * ratio).tanh()
            } else {
                1.0
            };
        }
        Ok(())
    }

    fn modulate(&mut self, encoders: &mut [BlendedGradient]) -> Result<()> {
        check_length("encoders", encoders.len(), self.factors.len())?;
        for (index, (encoder, &factor)) in encoders.iter_mut().zip(&self.factors).enumerate() {
            // Each encoder has a stream of its own, so that the size of one does not move another's noise.
            let mut draws = self
                .noise
                .map(|seed| Distribution::<f64>::sample_iter(StandardNormal, seed.nth(index as u64).rng()));
            let mut rest = encoder.values.as_mut_slice();
            for &length in &encoder.parameters {
                let Some((parameter, others)) = rest.split_at_mut_checked(length) else {
                    let problem = "an encoder's parameters have more values than its gradient";
                    return Err(Error::Strategy(problem.to_owned()));
                };
                let deviation = deviation(parameter);
                scale(parameter, factor);
                if let Some(draws) = &mut draws {
                    for (value, draw) in parameter.iter_mut().zip(draws) {
                        *value += (deviation * draw) as f32;
                    }
                }
                rest = others;
            }
        }
        Ok(())
    }

    fn advice(&self) -> Advice {
        // Encoders are slowed; the weights are equal, whatever the run shows.
        Advice::of(WeightSource::Given)
    }
}

/// The standard deviation, of a sample; 0 where there is none.
fn deviation(values: &[f32]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let count = values.len() as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let squares: f64 = values
        .iter()
        .map(|&value| (f64::from(value) - mean).powi(2))
        .sum();
    (squares / (count - 1.0)).sqrt()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{assert_close, assert_close_f32, heads, step};
    use super::*;

    fn scores(scores: &[f64]) -> Observation {
        Observation {
            scores: scores.to_vec(),
            ..Observation::default()
        }
    }

    fn encoder(values: &[f32], parameters: &[usize]) -> BlendedGradient {
        BlendedGradient {
            values: values.to_vec(),
            parameters: parameters.to_vec(),
        }
    }

    fn silent() -> OgmGe {
        OgmGe {
            noise: false,
            ..OgmGe::default()
        }
    }

    #[test]
    fn the_encoder_that_is_ahead_takes_smaller_steps() {
        let mut blend = silent().start(&heads(2)).unwrap();
        blend.begin_step(step(0)).unwrap();
        blend.observe(&scores(&[0.8, 0.4, 0.9])).unwrap();
        let mut encoders = [encoder(&[1.0, -2.0], &[2]), encoder(&[1.0, 3.0], &[1, 1])];
        blend.modulate(&mut encoders).unwrap();
        let factor = 1.0 - 0.2_f64.tanh();
        assert_close_f32(&encoders[0].values, &[factor, -2.0 * factor]);
        assert_close_f32(&encoders[1].values, &[1.0, 3.0]);
        assert_close(blend.weights().as_slice(), &[1.0 / 3.0; 3]);
    }

    #[test]
    fn of_three_each_is_compared_with_the_mean_of_the_others() {
        let mut blend = silent().start(&heads(3)).unwrap();
        // Ratios 0.75 / 0.375, 0.5 / 0.5 and 0.25 / 0.625.
        blend.observe(&scores(&[0.75, 0.5, 0.25, 0.9])).unwrap();
        let mut encoders = [(); 3].map(|()| encoder(&[1.0], &[1]));
        blend.modulate(&mut encoders).unwrap();
        assert_close_f32(&encoders[0].values, &[1.0 - 0.2_f64.tanh()]);
        assert_eq!((encoders[1].values[0], encoders[2].values[0]), (1.0, 1.0));
    }

    #[test]
    fn scores_of_zero_and_a_single_modality_keep_gradients_finite() {
        for found in [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]] {
            let mut blend = OgmGe::default().start(&heads(2)).unwrap();
            blend.begin_step(step(0)).unwrap();
            blend.observe(&scores(&found)).unwrap();
            let mut encoders = [(); 2].map(|()| encoder(&[1.0, 2.0, 3.0], &[2, 1]));
            blend.modulate(&mut encoders).unwrap();
            assert!(encoders.iter().all(|e| e.values.iter().all(|v| v.is_finite())));
        }
        let mut blend = silent().start(&heads(1)).unwrap();
        blend.observe(&scores(&[0.5, 0.1])).unwrap();
        let mut encoders = [encoder(&[1.0], &[1])];
        blend.modulate(&mut encoders).unwrap();
        assert_eq!(encoders[0].values, [1.0]);
    }

    #[test]
    fn noise_has_the_deviation_of_the_parameter_and_the_bits_of_the_seed() {
        const COUNT: usize = 20_000;
        // A parameter of deviation 3, and one without any.
        let values: Vec<f32> = (0..COUNT).map(|i| if i % 2 == 0 { 3.0 } else { -3.0 }).collect();
        let values: Vec<f32> = values.into_iter().chain([5.0; 4]).collect();
        let noisy = |index| {
            let mut blend = OgmGe::default().start(&heads(2)).unwrap();
            blend.begin_step(step(index)).unwrap();
            blend.observe(&scores(&[0.5, 0.5, 0.5])).unwrap();
            let mut encoders = [(); 2].map(|()| encoder(&values, &[COUNT, 4]));
            blend.modulate(&mut encoders).unwrap();
            encoders
        };
        let first = noisy(0);
        let noise: Vec<f32> = first[0].values.iter().zip(&values).map(|(a, b)| a - b).collect();
        assert!((deviation(&noise[..COUNT]) - 3.0).abs() < 0.06);
        assert_eq!(noise[COUNT..], [0.0; 4]);
        assert_eq!(first, noisy(0));
        assert_ne!(first, noisy(1));
        assert_ne!(first[0], first[1]);
    }
}
