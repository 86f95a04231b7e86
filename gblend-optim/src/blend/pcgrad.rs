//! Projection of conflicting gradients.

use gblend_core::{
    Advice, Blend, BlendStrategy, BlendWeights, ContestedGradient, Evidence, GradientEvidence, Heads, Result,
    WeightSource,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Equal weights, but where two heads want opposite things of an encoder, each gives up what the other
/// objects to.
///
/// Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, algorithm 1,
/// <https://arxiv.org/abs/2001.06782>: where two gradients have a negative inner product, each is projected
/// onto the plane to which the other one, as it was, is normal. Encoders are all that two heads share, and
/// each is shared by its modality's head and the joint one alone; so there is one pair in each encoder, and
/// the random order in which the paper takes many has no effect. In the paper the inner product is that of
/// all shared parameters; with heads that meet in one encoder only, that is the one encoder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PcGrad {}

#[typetag::serde(name = "pcgrad")]
impl BlendStrategy for PcGrad {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        Ok(Box::new(Projected(BlendWeights::equal(heads.len())?)))
    }
}

gblend_core::register!(Blend, "pcgrad" => PcGrad);

#[derive(Debug)]
struct Projected(BlendWeights);

impl Blend for Projected {
    fn weights(&self) -> &BlendWeights {
        &self.0
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            gradients: GradientEvidence::PerHead,
            ..Evidence::default()
        }
    }

    fn combine(&mut self, encoders: &mut [ContestedGradient]) -> Result<()> {
        encoders.iter_mut().for_each(project);
        Ok(())
    }

    fn advice(&self) -> Advice {
        // Gradients change; the weights are equal, whatever the run shows.
        Advice::of(WeightSource::Given)
    }
}

fn project(encoder: &mut ContestedGradient) {
    let inner = encoder.inner();
    let of_joint = inner / encoder.joint_square();
    let of_own = inner / encoder.own_square();
    if inner < 0.0 && of_joint.is_finite() && of_own.is_finite() {
        for (own, joint) in encoder.own.iter_mut().zip(&mut encoder.joint) {
            let (before, opposed) = (f64::from(*own), f64::from(*joint));
            *own = (before - of_joint * opposed) as f32;
            *joint = (opposed - of_own * before) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{assert_close, contested, heads};
    use super::*;
    use gblend_core::evidence::inner;
    use proptest::prelude::*;

    #[test]
    fn each_is_projected_off_the_other_as_it_was() {
        let mut blend = PcGrad {}.start(&heads(2)).unwrap();
        let mut encoders = [
            contested(&[1.0, 0.0], &[-1.0, 1.0]),
            contested(&[1.0, 0.0], &[1.0, 1.0]),
        ];
        let agreeing = encoders[1].clone();
        blend.combine(&mut encoders).unwrap();
        // (1, 0) + ½ (−1, 1), and (−1, 1) + (1, 0).
        assert_eq!(encoders[0], contested(&[0.5, 0.5], &[0.0, 1.0]));
        assert_eq!(encoders[1], agreeing);
        assert_close(blend.weights().as_slice(), &[1.0 / 3.0; 3]);
    }

    #[test]
    fn gradients_of_zero_stay() {
        let mut encoder = contested(&[0.0, 0.0], &[-1.0, 1.0]);
        project(&mut encoder);
        assert_eq!(encoder, contested(&[0.0, 0.0], &[-1.0, 1.0]));
    }

    proptest! {
        #[test]
        fn afterwards_neither_opposes_what_the_other_was(
            values in prop::collection::vec((-1.0..1.0_f32, -1.0..1.0_f32), 1..20)
        ) {
            let (own, joint): (Vec<f32>, Vec<f32>) = values.into_iter().unzip();
            let before = contested(&own, &joint);
            let mut after = before.clone();
            project(&mut after);
            prop_assert!(inner(&after.own, &before.joint) > -1e-5);
            prop_assert!(inner(&after.joint, &before.own) > -1e-5);
            prop_assert!(after.own_square() <= before.own_square() * (1.0 + 1e-6));
        }
    }
}
