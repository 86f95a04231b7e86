//! The multiple-gradient descent algorithm.

use gblend_core::{
    Advice, Blend, BlendStrategy, BlendWeights, ContestedGradient, Evidence, Finding, GradientEvidence,
    Heads, Result, WeightSource,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lengths::check_length;
use super::min_norm::Gram;
use super::state::{from_json, to_json};

/// The shortest blend of the heads' gradients, along which no head's loss rises.
///
/// Sener and Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018,
/// <https://arxiv.org/abs/1810.04650>: in every step the weights minimize `‖Σ w_k ∇L_k‖²` over the simplex,
/// of the gradients of the shared parameters. These are the encoders: the head of a modality has its
/// gradient in its own encoder, the joint head in all of them. The paper approaches the minimum by the
/// method of Frank and Wolfe; with these few inner products it is solved exactly.
///
/// The shortest blend leans to the heads with the smallest gradients. A head whose gradient is 0 in every
/// encoder contradicts no other, and would have all the weight: it gets an equal share instead, and the rest
/// is as if it were not there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mgda {}

#[typetag::serde(name = "mgda")]
impl BlendStrategy for Mgda {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        Ok(Box::new(Shortest(BlendWeights::equal(heads.len())?)))
    }
}

gblend_core::register!(Blend, "mgda" => Mgda);

#[derive(Debug)]
struct Shortest(BlendWeights);

impl Blend for Shortest {
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
        check_length("encoders", encoders.len() + 1, self.0.len())?;
        if let Some(weights) = shortest(encoders) {
            self.0 = weights;
        }
        Ok(())
    }

    fn advice(&self) -> Advice {
        let remedy = "The shortest blend leans to small gradients, such as those of a head that has learned the training \
                      samples: fewer epochs leave it less to lean to, and blend.kind = \"gradnorm\" brings gradients to \
                      one size first.";
        Advice::of(WeightSource::Adapted).against_each(Finding::UNEVEN_WEIGHTS, remedy)
    }

    fn state(&self) -> serde_json::Value {
        to_json(&self.0)
    }

    fn restore(&mut self, state: &serde_json::Value) -> Result<()> {
        let weights: BlendWeights = from_json("mgda", state)?;
        check_length("weights", weights.len(), self.0.len())?;
        self.0 = weights;
        Ok(())
    }
}

/// The weights of the shortest blend; `None` if a gradient is not finite.
fn shortest(encoders: &[ContestedGradient]) -> Option<BlendWeights> {
    let own: Vec<f64> = encoders.iter().map(ContestedGradient::own_square).collect();
    let joint: f64 = encoders.iter().map(ContestedGradient::joint_square).sum();
    let mut squares = own.clone();
    squares.push(joint);
    if !squares.iter().all(|square| square.is_finite()) {
        return None;
    }
    let heads = squares.len();
    let moving: Vec<usize> = (0..heads).filter(|&head| squares[head] > 0.0).collect();
    let shares = if joint > 0.0 {
        let modalities = || moving.iter().filter(|&&head| head < encoders.len());
        let gram = Gram {
            own: modalities().map(|&head| own[head]).collect(),
            cross: modalities().map(|&head| encoders[head].inner()).collect(),
            joint,
        };
        gram.shortest()
    } else {
        // Of orthogonal gradients each counts by its inverse square.
        moving.iter().map(|&head| own[head].recip()).collect()
    };
    let equal = 1.0 / heads as f64;
    let mut weights = vec![equal; heads];
    if !moving.is_empty() {
        let shares = BlendWeights::normalized(shares).ok()?;
        for (&head, share) in moving.iter().zip(shares.as_slice()) {
            weights[head] = share * equal * moving.len() as f64;
        }
    }
    BlendWeights::normalized(weights).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{assert_close, contested, heads};
    use super::*;

    fn weights(encoders: &mut [ContestedGradient]) -> Vec<f64> {
        let mut blend = Mgda {}.start(&heads(encoders.len() as u8)).unwrap();
        blend.combine(encoders).unwrap();
        blend.weights().as_slice().to_vec()
    }

    #[test]
    fn weights_are_those_of_the_shortest_blend() {
        // ‖(2w, 1 − w)‖² is least for w = 1/5.
        assert_close(&weights(&mut [contested(&[2.0, 0.0], &[0.0, 1.0])]), &[0.2, 0.8]);
        // Three gradients of squares 1, 1 and 1 + 1, all orthogonal.
        let mut orthogonal = [
            contested(&[1.0, 0.0], &[0.0, 1.0]),
            contested(&[0.0, 1.0], &[1.0, 0.0]),
        ];
        assert_close(&weights(&mut orthogonal), &[0.4, 0.4, 0.2]);
        // With an obtuse angle: squares 1 and 2, inner product −1, so that w = (2 + 1) / (1 + 2 + 2).
        assert_close(&weights(&mut [contested(&[1.0, 0.0], &[-1.0, 1.0])]), &[0.6, 0.4]);
    }

    #[test]
    fn a_head_without_gradient_gets_an_equal_share() {
        let mut encoders = [contested(&[0.0], &[1.0]), contested(&[2.0, 0.0], &[0.0, 0.0])];
        assert_close(
            &weights(&mut encoders),
            &[1.0 / 3.0, 0.2 * 2.0 / 3.0, 0.8 * 2.0 / 3.0],
        );
        let mut no_joint = [contested(&[1.0], &[0.0]), contested(&[0.5], &[0.0])];
        assert_close(
            &weights(&mut no_joint),
            &[0.2 * 2.0 / 3.0, 0.8 * 2.0 / 3.0, 1.0 / 3.0],
        );
        assert_close(
            &weights(&mut [contested(&[], &[]), contested(&[0.0], &[0.0])]),
            &[1.0 / 3.0; 3],
        );
    }

    #[test]
    fn gradients_that_are_not_finite_leave_the_weights() {
        let mut blend = Mgda {}.start(&heads(1)).unwrap();
        blend.combine(&mut [contested(&[2.0, 0.0], &[0.0, 1.0])]).unwrap();
        blend.combine(&mut [contested(&[f32::INFINITY], &[1.0])]).unwrap();
        assert_close(blend.weights().as_slice(), &[0.2, 0.8]);
    }
}
