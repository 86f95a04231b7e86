//! The shortest vector among the blends of gradients.

/// The Gram matrix of the K+1 gradients over all encoders: between the heads of two modalities it is 0, for
/// they share no encoder.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gram {
    /// `‖∇L_k‖²` of each modality's head; above 0.
    pub(super) own: Vec<f64>,
    /// `⟨∇L_k, ∇L_joint⟩` of each.
    pub(super) cross: Vec<f64>,
    /// `‖∇L_joint‖²`; above 0.
    pub(super) joint: f64,
}

impl Gram {
    /// The `w ≥ 0` that minimizes `‖Σ w_k ∇L_k‖²`, up to scale; the joint head's is the last.
    ///
    /// With the scale in which `‖Σ w_i ∇L_i‖²` equals `Σ w_i`, optimality reads: `⟨∇L_k, Σ w_i ∇L_i⟩ ≥ 1`
    /// for all heads, with equality where `w_k > 0`. For a joint weight t, modality k then has
    /// `w_k = max(0, 1 - t cross_k) / own_k`, and what is left is one equation for t. It is piecewise linear
    /// and does not fall, since `joint ≥ Σ cross_k² / own_k`; so the root is found piece by piece, exactly.
    pub(super) fn shortest(&self) -> Vec<f64> {
        // A modality leaves where its weight reaches 0.
        let mut leaving: Vec<f64> = self
            .cross
            .iter()
            .filter(|&&cross| cross > 0.0)
            .map(|cross| cross.recip())
            .collect();
        leaving.sort_by(f64::total_cmp);
        let mut start = 0.0;
        for end in leaving.into_iter().chain([f64::INFINITY]) {
            let (mut value, mut slope) = (-1.0, self.joint);
            for (own, cross) in self.own.iter().zip(&self.cross) {
                if *cross <= 0.0 || cross.recip() > start {
                    value += cross / own;
                    slope -= cross * cross / own;
                }
            }
            if start == 0.0 && value >= 0.0 {
                return self.with_joint(0.0);
            }
            // Rounding may turn a slope of 0 negative.
            let root = -value / slope;
            if slope > 0.0 && root.is_finite() && root <= end {
                return self.with_joint(root.max(start));
            }
            start = end;
        }
        // No root: gradients that cancel out, which is where t grows without end.
        let weights = self.own.iter().zip(&self.cross);
        weights
            .map(|(own, cross)| (-cross / own).max(0.0))
            .chain([1.0])
            .collect()
    }

    fn with_joint(&self, joint: f64) -> Vec<f64> {
        let weights = self.own.iter().zip(&self.cross);
        weights
            .map(|(own, cross)| (1.0 - joint * cross).max(0.0) / own)
            .chain([joint])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::assert_close;
    use super::*;
    use gblend_core::{BlendWeights, ContestedGradient};
    use proptest::prelude::*;

    fn shortest(own: &[f64], cross: &[f64], joint: f64) -> Vec<f64> {
        let gram = Gram {
            own: own.to_vec(),
            cross: cross.to_vec(),
            joint,
        };
        BlendWeights::normalized(gram.shortest()).unwrap().into()
    }

    #[test]
    fn of_orthogonal_gradients_each_counts_by_its_inverse_square() {
        assert_close(&shortest(&[1.0, 1.0], &[0.0, 0.0], 2.0), &[0.4, 0.4, 0.2]);
        assert_close(&shortest(&[4.0], &[0.0], 1.0), &[0.2, 0.8]);
    }

    #[test]
    fn of_parallel_gradients_the_shorter_counts_alone() {
        assert_close(&shortest(&[1.0], &[2.0], 4.0), &[1.0, 0.0]);
        assert_close(&shortest(&[4.0], &[2.0], 1.0), &[0.0, 1.0]);
    }

    #[test]
    fn opposite_gradients_cancel_out() {
        assert_close(&shortest(&[1.0], &[-2.0], 4.0), &[2.0 / 3.0, 1.0 / 3.0]);
        assert_close(&shortest(&[1.0, 1.0], &[-1.0, 0.0], 1.0), &[0.5, 0.0, 0.5]);
    }

    proptest! {
        /// (Désidéri, Comptes Rendus Mathematique 350, 2012.)
        #[test]
        fn two_gradients_have_the_known_solution(own in -2.0..2.0_f64, across in 0.1..2.0_f64, joint in 0.1..2.0_f64) {
            // Gradients (joint, 0) and (own, across).
            let (oo, oj, jj) = (own * own + across * across, own * joint, joint * joint);
            let weight = ((jj - oj) / (oo + jj - 2.0 * oj)).clamp(0.0, 1.0);
            let found = shortest(&[oo], &[oj], jj);
            prop_assert!((found[0] - weight).abs() < 1e-9, "{found:?} {weight}");
        }

        /// Karush, Kuhn and Tucker: every gradient has at least the length of the shortest blend along it,
        /// and exactly that where its weight is not 0. The problem is convex, so no blend is shorter.
        #[test]
        fn no_other_blend_is_shorter(
            gradients in prop::collection::vec(
                (-3.0..3.0_f64, prop::collection::vec((-1.0..1.0_f32, -1.0..1.0_f32), 1..5)), 1..6
            )
        ) {
            let encoders: Vec<ContestedGradient> = gradients
                .iter()
                .map(|(scale, values)| ContestedGradient {
                    own: values.iter().map(|(own, _)| own * 10_f32.powf(*scale as f32)).collect(),
                    joint: values.iter().map(|(_, joint)| *joint).collect(),
                })
                .collect();
            let own: Vec<f64> = encoders.iter().map(ContestedGradient::own_square).collect();
            let cross: Vec<f64> = encoders.iter().map(ContestedGradient::inner).collect();
            let joint: f64 = encoders.iter().map(ContestedGradient::joint_square).sum();
            prop_assume!(joint > 1e-6 && own.iter().all(|&own| own > 1e-9));
            let w = shortest(&own, &cross, joint);
            let k = own.len();
            let mut along: Vec<f64> = (0..k).map(|i| own[i] * w[i] + cross[i] * w[k]).collect();
            along.push((0..k).map(|i| cross[i] * w[i]).sum::<f64>() + joint * w[k]);
            let square: f64 = along.iter().zip(&w).map(|(along, w)| along * w).sum();
            for (i, along) in along.iter().enumerate() {
                let size = if i == k { joint } else { own[i] };
                // Products of numbers up to that size cancel in `along`.
                let tolerance = 1e-9 * size.max(joint);
                prop_assert!(*along >= square - tolerance, "{i}: {along} < {square}");
                if w[i] > 0.0 {
                    prop_assert!((along - square).abs() <= tolerance, "{i}: {along} != {square}");
                }
            }
        }
    }
}
