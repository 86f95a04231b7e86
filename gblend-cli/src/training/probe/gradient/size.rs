//! Of how many samples the gradient estimator takes gradients.

use std::num::NonZeroUsize;

/// Share of an epoch's passes that an estimate may cost, in percent.
const PERCENT: usize = 15;

/// A sample is passed through the network twice, for the loss of its modalities and for the joint one; and there are
/// training and held-out samples.
const PASSES: usize = 4;

/// Each batch is compared with the mean of the others: of two, half of the samples would count, of eight all but an
/// eighth.
const BATCHES: usize = 8;

/// Samples of a batch in the least. Before training, gradients are small beside their noise: on the built-in scene,
/// batches of eight found weights no nearer to those of all samples than equal ones.
const SMALLEST: usize = 32;

/// Batches of a size, of training samples and of held-out ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GradientSize {
    pub(super) batches: usize,
    /// Of each batch.
    pub(super) samples: NonZeroUsize,
}

impl GradientSize {
    /// What costs little beside an epoch of `train` samples in batches of `step`.
    pub(super) fn beside_an_epoch(train: usize, step: NonZeroUsize) -> Self {
        let affordable = train / PASSES * PERCENT / 100 / BATCHES;
        let samples = NonZeroUsize::new(affordable.max(SMALLEST)).unwrap_or(step);
        Self {
            batches: BATCHES,
            samples: samples.min(step),
        }
    }

    /// Samples of each kind.
    pub(super) fn total(self) -> usize {
        self.batches.saturating_mul(self.samples.get())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_estimate_costs_its_share_of_an_epoch_unless_that_is_too_little(
            train in 0_usize..100_000, step in 1_usize..300,
        ) {
            let size = GradientSize::beside_an_epoch(train, NonZeroUsize::new(step).unwrap());
            let samples = size.samples.get();
            let costs = |samples: usize| 100 * PASSES * BATCHES * samples;
            prop_assert!(costs(samples) <= PERCENT * train || samples == SMALLEST.min(step));
            // What is affordable is used.
            prop_assert!(costs(samples + 1) + 100 * PASSES > PERCENT * train || samples == step);
        }
    }

    #[test]
    fn a_long_epoch_has_whole_batches_and_a_short_one_the_smallest() {
        let samples = |train: usize| {
            let size = GradientSize::beside_an_epoch(train, NonZeroUsize::new(64).unwrap());
            size.samples.get()
        };
        assert_eq!([50_000, 10_000, 900, 0].map(samples), [64, 46, 32, 32]);
    }
}
