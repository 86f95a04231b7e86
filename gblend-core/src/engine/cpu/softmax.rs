//! Softmax of a row of scores, and its way back.

use super::activation::exp;
use super::lanes::LANES;

/// What of a query's scores the backward pass needs: the largest, and one over the sum of the exponentials.
pub(in crate::engine) type Peak = [f32; 2];

/// `exp((value − largest) · scale)` of each value of a row of whole vectors.
#[inline(always)]
pub(super) fn exp_of_differences(row: &mut [f32], largest: f32, scale: f32) {
    for values in row.as_chunks_mut::<LANES>().0 {
        for value in values {
            *value = exp((*value - largest) * scale);
        }
    }
}

/// Makes shares of a row of scores, and the gradients of the scores of those of the shares: whole vectors. `mean` is what the
/// gradients of the shares add up to, each times its share.
#[inline(always)]
pub(super) fn shares_backward(
    scores: &mut [f32],
    gradients: &mut [f32],
    [largest, inverse]: Peak,
    mean: f32,
    scale: f32,
) {
    let vectors = scores.as_chunks_mut::<LANES>().0.iter_mut();
    for (scores, gradients) in vectors.zip(gradients.as_chunks_mut::<LANES>().0) {
        for (score, gradient) in scores.iter_mut().zip(gradients) {
            *score = exp((*score - largest) * scale) * inverse;
            *gradient = *score * (*gradient - mean) * scale;
        }
    }
}
