//! Movements of heads, and estimates of them.

use proptest::prelude::*;

use crate::estimate::{Estimate, GradientSamples, Measurement};
use crate::ogr::{Movements, Symmetric};
use crate::sample_size::EffectiveGroups;

/// Movements of this many heads. In some no head gains, in some the sizes differ by many powers of ten.
pub fn movements(heads: usize) -> impl Strategy<Value = Movements> {
    let change = || {
        prop_oneof![
            6 => -1.0..1.0_f64,
            1 => Just(0.0),
            1 => (any::<bool>(), -9.0..9.0_f64)
                .prop_map(|(falls, exponent)| 10_f64.powf(exponent) * if falls { -1.0 } else { 1.0 }),
        ]
    };
    let changes = || prop::collection::vec(change(), heads);
    let deviations = || prop::collection::vec(prop_oneof![3 => 0.0..0.5_f64, 1 => Just(0.0)], heads);
    let without_gain = prop::bool::weighted(0.2);
    (changes(), changes(), deviations(), deviations(), without_gain).prop_map(
        |(delta_o, mut delta_g, own, shared, without_gain)| {
            if without_gain {
                delta_g.iter_mut().for_each(|gain| *gain = -gain.abs());
            }
            // Of an error of each head's own and one that all share.
            let covariance = Symmetric::from_fn(delta_o.len(), |j, k| {
                shared[j] * shared[k] + if j == k { own[j] * own[j] } else { 0.0 }
            });
            Movements {
                delta_o,
                delta_g,
                covariance,
            }
        },
    )
}

/// An estimate for this many heads, with up to three resamples.
pub fn estimate(heads: usize) -> impl Strategy<Value = Estimate> {
    let resampled = prop::collection::vec(movements(heads), 0..=3);
    let groups = prop::option::of((1_usize..20).prop_map(EffectiveGroups::equal));
    let parts = (movements(heads), resampled, groups, any::<bool>());
    parts.prop_map(|(movements, resampled, groups, probed)| Estimate {
        estimator: if probed {
            Measurement::Probe
        } else {
            Measurement::Gradient
        },
        probe_epochs: probed.then_some(2),
        gradients: (!probed).then_some(GradientSamples {
            batches: 4,
            train: 32,
            held_out: 32,
        }),
        movements,
        resampled,
        groups,
    })
}
