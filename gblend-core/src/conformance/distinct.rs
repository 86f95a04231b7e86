//! Epochs in which heads can be told apart.

use proptest::prelude::*;

use super::arbitrary::{Epoch, Step};
use crate::estimate::{Estimate, Measurement};
use crate::evidence::ContestedGradient;
use crate::ogr::{Movements, Symmetric};

/// An epoch in which no two heads are alike and no number is extreme: between equals a strategy may prefer the first,
/// and sums of very different numbers depend on their order.
pub(super) fn epoch(modalities: usize) -> impl Strategy<Value = Epoch> {
    let heads = modalities + 1;
    let step = move || {
        let gradient = |length: usize| prop::collection::vec(-1.0..1.0_f32, length);
        let encoder = (1_usize..=6).prop_flat_map(move |length| {
            (gradient(length), gradient(length)).prop_map(|(own, joint)| ContestedGradient { own, joint })
        });
        (
            prop::collection::vec(0.1..5.0_f64, heads),
            prop::collection::vec(0.1..5.0_f64, heads),
            prop::collection::vec(0.05..0.95_f64, heads),
            prop::collection::vec(-5.0..-0.1_f64, 1 << modalities),
            prop::collection::vec(encoder, modalities),
        )
            .prop_map(Step::of)
    };
    let movements = move || {
        let change = || prop::collection::vec(0.05..1.0_f64, heads);
        (change(), change(), change()).prop_map(|(delta_o, delta_g, deviations)| Movements {
            covariance: Symmetric::from_fn(delta_o.len(), |j, k| match j == k {
                true => deviations[j] * deviations[j],
                false => 0.0,
            }),
            delta_o,
            delta_g,
        })
    };
    let estimate =
        (movements(), prop::collection::vec(movements(), 0..=2)).prop_map(|(movements, resampled)| {
            Estimate {
                // The player tells it as the estimator that is asked for.
                estimator: Measurement::Probe,
                probe_epochs: None,
                gradients: None,
                movements,
                resampled,
                groups: None,
            }
        });
    (estimate, prop::collection::vec(step(), 1..=3)).prop_map(|(estimate, steps)| Epoch { estimate, steps })
}
