//! MMPareto.

use gblend_core::{
    Advice, Blend, BlendStrategy, BlendWeights, ContestedGradient, Evidence, GradientEvidence, Heads, Result,
    WeightSource,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::min_norm::Gram;
use super::scale::scale;
use crate::range::positive;

/// Equal weights, but where the two heads of an encoder contradict each other, it takes a direction that
/// suits both, as long a step as before.
///
/// Wei and Hu, "MMPareto: Boosting Multimodal Learning with Innocent Unimodal Assistance", ICML 2024,
/// <https://arxiv.org/abs/2405.17730>: in each encoder the gradients of its own head and of the joint one are
/// added with factors `2α` and `2 (1 - α)`. Where their inner product is not negative, α is ½; else it makes
/// the sum shortest. A sum that is shorter than `own + joint` is lengthened to that, and each is multiplied by
/// γ, which is to make the network generalize better.
///
/// The authors' code takes the angle from the whole encoder and lengths from one parameter at a time; here
/// both are those of the whole encoder, so that the direction suits both heads also in the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MmPareto {
    /// The factor γ of all gradients of encoders. It acts as a greater learning rate of theirs, so that with
    /// optimizers such as Adam, which are blind to scale, it has no effect.
    pub gamma: f64,
}

impl Default for MmPareto {
    fn default() -> Self {
        Self { gamma: 1.5 }
    }
}

#[typetag::serde(name = "mmpareto")]
impl BlendStrategy for MmPareto {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        positive("gamma", self.gamma)?;
        Ok(Box::new(Reconciled {
            gamma: self.gamma,
            weights: BlendWeights::equal(heads.len())?,
        }))
    }
}

gblend_core::register!(Blend, "mmpareto" => MmPareto);

#[derive(Debug)]
struct Reconciled {
    gamma: f64,
    weights: BlendWeights,
}

impl Blend for Reconciled {
    fn weights(&self) -> &BlendWeights {
        &self.weights
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            gradients: GradientEvidence::PerHead,
            ..Evidence::default()
        }
    }

    // Every head keeps the same weight, and what an encoder makes of its two gradients is put into them: the
    // weights of heads are the same in all encoders, which these factors are not.
    fn combine(&mut self, encoders: &mut [ContestedGradient]) -> Result<()> {
        for encoder in encoders {
            let [own, joint] = reconcile(encoder).map(|factor| factor * self.gamma);
            scale(&mut encoder.own, own);
            scale(&mut encoder.joint, joint);
        }
        Ok(())
    }

    fn advice(&self) -> Advice {
        // Gradients change; the weights are equal, whatever the run shows.
        Advice::of(WeightSource::Given)
    }
}

/// The share of its terms that a square must have to be more than what single precision makes of 0.
const CANCELED: f64 = 1e-12;

/// The factors of the two gradients, before γ.
fn reconcile(encoder: &ContestedGradient) -> [f64; 2] {
    let (own, cross, joint) = (encoder.own_square(), encoder.inner(), encoder.joint_square());
    // A negative inner product implies that neither is 0.
    if !(cross < 0.0 && own.is_finite() && joint.is_finite()) {
        return [1.0, 1.0];
    }
    let gram = Gram {
        own: vec![own],
        cross: vec![cross],
        joint,
    };
    let Ok(shares) = BlendWeights::normalized(gram.shortest()) else {
        return [1.0, 1.0];
    };
    let &[of_own, of_joint] = shares.as_slice() else {
        return [1.0, 1.0];
    };
    let factors = [2.0 * of_own, 2.0 * of_joint];
    let square = |[a, b]: [f64; 2]| a * a * own + 2.0 * a * b * cross + b * b * joint;
    let (before, after) = (square([1.0, 1.0]), square(factors));
    // Of opposite gradients only rounding errors are left, which are no direction to lengthen.
    if after > CANCELED * (own + joint) && after < before {
        let lengthening = (before / after).sqrt();
        factors.map(|factor| factor * lengthening)
    } else {
        factors
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{assert_close, assert_close_f32, contested, heads};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn gradients_that_agree_are_added_and_multiplied_by_gamma() {
        let mut blend = MmPareto::default().start(&heads(1)).unwrap();
        let mut encoders = [contested(&[1.0, 0.0], &[1.0, 2.0])];
        blend.combine(&mut encoders).unwrap();
        assert_eq!(encoders[0], contested(&[1.5, 0.0], &[1.5, 3.0]));
        assert_close(blend.weights().as_slice(), &[0.5, 0.5]);
    }

    #[test]
    fn gradients_that_disagree_take_the_shortest_direction_at_the_former_length() {
        let mut blend = MmPareto { gamma: 2.0 }.start(&heads(1)).unwrap();
        let mut encoders = [contested(&[1.0, 0.0], &[-1.0, 1.0])];
        blend.combine(&mut encoders).unwrap();
        // Squares 1 and 2, inner product −1: α = 3/5, the sum 6/5 (1, 0) + 4/5 (−1, 1) = (0.4, 0.8) is
        // shorter than (0, 1) by √0.8.
        let length = 2.0 / 0.8_f64.sqrt();
        assert_close_f32(&encoders[0].own, &[1.2 * length, 0.0]);
        assert_close_f32(&encoders[0].joint, &[-0.8 * length, 0.8 * length]);
    }

    #[test]
    fn opposite_gradients_cancel_out() {
        let [own, joint] = reconcile(&contested(&[1.0], &[-2.0]));
        assert!((own - 2.0 * joint).abs() < 1e-6 * own, "{own} {joint}");
        assert_eq!(reconcile(&contested(&[0.0], &[-2.0])), [1.0, 1.0]);
    }

    proptest! {
        #[test]
        fn the_step_opposes_neither_head_and_is_no_shorter(
            values in prop::collection::vec((-1.0..1.0_f32, -1.0..1.0_f32), 2..20)
        ) {
            let (own, joint): (Vec<f32>, Vec<f32>) = values.into_iter().unzip();
            let encoder = contested(&own, &joint);
            let [a, b] = reconcile(&encoder);
            let (oo, oj, jj) = (encoder.own_square(), encoder.inner(), encoder.joint_square());
            let size = a * oo + b * jj;
            prop_assert!(a * oo + b * oj >= -1e-9 * size);
            prop_assert!(a * oj + b * jj >= -1e-9 * size);
            let square = a * a * oo + 2.0 * a * b * oj + b * b * jj;
            // All but opposite ones.
            prop_assume!(oj * oj < 0.999 * oo * jj);
            prop_assert!(square >= (oo + 2.0 * oj + jj) * (1.0 - 1e-6));
        }
    }
}
