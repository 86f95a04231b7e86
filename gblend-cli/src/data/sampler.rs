//! Which samples an epoch is made of.

use std::collections::BTreeMap;

use gblend_core::{Labels, Seed};
use rand::seq::SliceRandom;

use super::position::SampleIndex;

/// How the samples of an epoch are drawn.
#[derive(Clone, Copy, Debug)]
pub enum Sampler<'a> {
    /// Each once.
    Shuffled,
    /// As many of each class as of any other, by these labels: of a rare class each sample several times, of a frequent one
    /// a random part. Within a class no sample is drawn twice more often than another, and samples without a label keep
    /// their share.
    Balanced(&'a Labels),
}

/// Drawn samples in the order in which they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The samples, one after another as often as they were drawn.
    pub samples: Vec<SampleIndex>,
    /// How often each was drawn before; empty if none was drawn twice.
    pub repeats: Vec<u32>,
}

impl Sampler<'_> {
    /// Draws `count` of these samples; all of them make an epoch.
    ///
    /// Where each class has equally many samples, an epoch has each of them once, whatever the seed.
    pub fn draw(&self, samples: &[SampleIndex], count: usize, seed: Seed) -> Drawn {
        let times = match self {
            Self::Shuffled => evenly(samples.len(), count, seed),
            Self::Balanced(labels) => balanced(samples, labels, count, seed),
        };
        let mut drawn = Drawn {
            samples: Vec::with_capacity(count),
            repeats: Vec::new(),
        };
        let repeated = times.iter().any(|&times| times > 1);
        for (&sample, times) in samples.iter().zip(times) {
            for repeat in 0..times {
                drawn.samples.push(sample);
                if repeated {
                    drawn.repeats.push(repeat);
                }
            }
        }
        drawn
    }
}

/// How often each of so many things is drawn, as often as any other or once more.
fn evenly(things: usize, count: usize, seed: Seed) -> Vec<u32> {
    let whole = u32::try_from(count.checked_div(things).unwrap_or(0)).unwrap_or(u32::MAX);
    let mut times = vec![whole; things];
    let rest = count.checked_rem(things).unwrap_or(0);
    if rest > 0 {
        let mut order: Vec<usize> = (0..things).collect();
        order.shuffle(&mut seed.rng());
        order[..rest].iter().for_each(|&thing| times[thing] += 1);
    }
    times
}

/// How often each sample is drawn, every class as often as any other or once more.
fn balanced(samples: &[SampleIndex], labels: &Labels, count: usize, seed: Seed) -> Vec<u32> {
    let mut of_class: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut unlabeled = Vec::new();
    for (position, &sample) in samples.iter().enumerate() {
        match labels.classes(sample as usize).next() {
            Some(class) => of_class.entry(class).or_default().push(position),
            None => unlabeled.push(position),
        }
    }
    let without = match of_class.is_empty() {
        true => count,
        false => count * unlabeled.len() / samples.len().max(1),
    };
    let shares = evenly(of_class.len(), count - without, seed.derive("classes"));
    let parts = of_class.into_iter().zip(shares);
    let parts = parts.map(|((class, positions), share)| (positions, share as usize, seed.nth(class as u64)));
    let mut times = vec![0; samples.len()];
    for (positions, share, seed) in parts.chain([(unlabeled, without, seed.derive("unlabeled"))]) {
        let drawn = evenly(positions.len(), share, seed);
        positions
            .into_iter()
            .zip(drawn)
            .for_each(|(position, drawn)| times[position] = drawn);
    }
    times
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::{Label, LabelKind};
    use proptest::prelude::*;

    /// Labels of which 0 is missing and others are a class.
    fn labels(bits: &[usize]) -> Labels {
        let label = |&bits: &usize| bits.checked_sub(1).map_or(Label::Missing, Label::Class);
        Labels::of(LabelKind::Class, &bits.iter().map(label).collect::<Vec<_>>()).unwrap()
    }

    fn all(labels: &Labels) -> Vec<SampleIndex> {
        (0..labels.len() as SampleIndex).collect()
    }

    fn times(drawn: &Drawn, samples: usize) -> Vec<usize> {
        let of = |sample: usize| {
            drawn
                .samples
                .iter()
                .filter(|&&drawn| drawn as usize == sample)
                .count()
        };
        (0..samples).map(of).collect()
    }

    proptest! {
        #[test]
        fn every_class_is_drawn_as_often_as_any_other_and_so_is_every_sample_of_it(
            bits in proptest::collection::vec(0_usize..4, 1..60), count in 0_usize..150, seed: u64,
        ) {
            let labels = labels(&bits);
            let drawn = Sampler::Balanced(&labels).draw(&all(&labels), count, Seed::new(seed));
            prop_assert_eq!(drawn.samples.len(), count);
            let times = times(&drawn, bits.len());
            let of_each: Vec<Vec<usize>> = (0..4)
                .map(|class| (0..bits.len()).filter(|&sample| bits[sample] == class).map(|sample| times[sample]).collect())
                .collect();
            let spread = |times: &[usize]| times.iter().max().unwrap_or(&0) - times.iter().min().unwrap_or(&0);
            prop_assert!(of_each.iter().all(|times| spread(times) <= 1));
            let classes: Vec<usize> =
                of_each[1..].iter().filter(|times| !times.is_empty()).map(|times| times.iter().sum()).collect();
            prop_assert!(spread(&classes) <= 1, "{classes:?}");
            if !classes.is_empty() {
                prop_assert_eq!(of_each[0].iter().sum::<usize>(), count * of_each[0].len() / bits.len());
            }
        }

        #[test]
        fn an_epoch_of_equally_frequent_classes_has_every_sample_once(of_each in 1_usize..20, classes in 1_usize..6, seed: u64) {
            let labels = labels(&(0..of_each * classes).map(|sample| 1 + sample % classes).collect::<Vec<_>>());
            let drawn = Sampler::Balanced(&labels).draw(&all(&labels), labels.len(), Seed::new(seed));
            prop_assert_eq!(&drawn, &Sampler::Shuffled.draw(&all(&labels), labels.len(), Seed::new(0)));
            prop_assert_eq!((drawn.samples, drawn.repeats), (all(&labels), Vec::new()));
        }

        #[test]
        fn what_is_drawn_again_says_how_often_it_was_before(
            bits in proptest::collection::vec(0_usize..4, 1..60), seed: u64,
        ) {
            let labels = labels(&bits);
            let drawn = Sampler::Balanced(&labels).draw(&all(&labels), bits.len(), Seed::new(seed));
            let mut seen = vec![0; bits.len()];
            for (place, &sample) in drawn.samples.iter().enumerate() {
                prop_assert_eq!(drawn.repeats.get(place).copied().unwrap_or(0), seen[sample as usize]);
                seen[sample as usize] += 1;
            }
        }
    }

    #[test]
    fn another_seed_draws_another_part_of_a_frequent_class_and_all_of_a_rare_one() {
        let labels = labels(&[[1; 38].as_slice(), &[2; 2]].concat());
        let draw = |seed| Sampler::Balanced(&labels).draw(&all(&labels), 40, Seed::new(seed));
        assert_ne!(draw(0), draw(1));
        assert_eq!(draw(1), draw(1));
        for seed in [0, 1] {
            assert_eq!(times(&draw(seed), 40)[38..], [10, 10]);
        }
    }
}
