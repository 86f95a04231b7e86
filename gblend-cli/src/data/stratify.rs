//! Taking a share of samples so that every class keeps its proportion.

use std::collections::{BTreeMap, BTreeSet};

use gblend_core::{Seed, Task};
use rand::seq::SliceRandom;

use super::labels::Labels;
use super::position::SampleIndex;

/// Takes `share` of every class out of `pool`, leaving at least one sample of it. `labels` are those of every sample
/// that `pool` may name.
pub(super) fn take_stratified(
    pool: &mut Vec<SampleIndex>,
    labels: &Labels,
    share: f64,
    seed: Seed,
) -> Vec<SampleIndex> {
    if share <= 0.0 {
        return Vec::new();
    }
    let mut taken = match labels.task() {
        Task::SingleLabel => take_by_class(pool, labels, share, seed),
        Task::MultiLabel => take_iteratively(pool, labels, share, seed),
    };
    remove(pool, &mut taken);
    taken
}

/// Takes samples out of a pool, and sorts them.
pub(super) fn remove(pool: &mut Vec<SampleIndex>, taken: &mut [SampleIndex]) {
    taken.sort_unstable();
    pool.retain(|index| taken.binary_search(index).is_err());
}

fn take_by_class(pool: &[SampleIndex], labels: &Labels, share: f64, seed: Seed) -> Vec<SampleIndex> {
    let mut by_class: BTreeMap<usize, Vec<SampleIndex>> = BTreeMap::new();
    for &index in pool {
        for class in labels.classes(index as usize) {
            by_class.entry(class).or_default().push(index);
        }
    }
    let mut taken = Vec::new();
    for (class, mut members) in by_class {
        members.shuffle(&mut seed.nth(class as u64).rng());
        // A share of a small class may round to nothing; the samples are dealt by the rounded share.
        let count = (members.len() as f64 * share).round() as usize;
        members.truncate(count.min(members.len().saturating_sub(1)));
        taken.extend(members);
    }
    taken
}

/// Iterative stratification: the class with the fewest samples left is dealt out first, each sample to the side that
/// lacks most of that class (Sechidis, Tsoumakas, Vlahavas, "On the Stratification of Multi-Label Data", ECML PKDD
/// 2011, algorithm 1).
fn take_iteratively(pool: &[SampleIndex], labels: &Labels, share: f64, seed: Seed) -> Vec<SampleIndex> {
    let mut order = pool.to_vec();
    order.shuffle(&mut seed.rng());
    let of = |index: SampleIndex| labels.classes(index as usize);
    let mut left: BTreeMap<usize, Vec<SampleIndex>> = BTreeMap::new();
    for &index in &order {
        for class in of(index) {
            left.entry(class).or_default().push(index);
        }
    }
    let sides = [share, 1.0 - share];
    let mut lacks: BTreeMap<usize, [f64; 2]> = left
        .iter()
        .map(|(&class, members)| (class, sides.map(|side| side * members.len() as f64)))
        .collect();
    let mut lacks_samples = sides.map(|side| side * order.len() as f64);
    let mut kept_of: BTreeSet<usize> = BTreeSet::new();
    let mut dealt: BTreeSet<SampleIndex> = BTreeSet::new();
    let mut taken = Vec::new();
    let mut deal = |index, wanted: [f64; 2], lacks: &mut BTreeMap<usize, [f64; 2]>, last: bool| {
        let take = if wanted[0] == wanted[1] {
            lacks_samples[0] > lacks_samples[1]
        } else {
            wanted[0] > wanted[1]
        };
        let take = take && !last;
        let side = usize::from(!take);
        lacks_samples[side] -= 1.0;
        for class in of(index) {
            if let Some(lacks) = lacks.get_mut(&class) {
                lacks[side] -= 1.0;
            }
        }
        if take {
            taken.push(index);
        }
        take
    };
    loop {
        for members in left.values_mut() {
            members.retain(|index| !dealt.contains(index));
        }
        left.retain(|_, members| !members.is_empty());
        let Some((&class, _)) = left.iter().min_by_key(|(_, members)| members.len()) else {
            break;
        };
        let members = left.remove(&class).unwrap_or_default();
        let count = members.len();
        for (position, index) in members.into_iter().enumerate() {
            // The last chance to keep a sample of a class, of this one or of another that the sample has.
            let none_kept = |class: usize| {
                !kept_of.contains(&class)
                    && left.get(&class).is_none_or(|others| {
                        others
                            .iter()
                            .all(|other| *other == index || dealt.contains(other))
                    })
            };
            let last = of(index).any(|other| {
                if other == class {
                    position + 1 == count && !kept_of.contains(&class)
                } else {
                    none_kept(other)
                }
            });
            let wanted = lacks.get(&class).copied().unwrap_or_default();
            if !deal(index, wanted, &mut lacks, last) {
                kept_of.extend(of(index));
            }
            dealt.insert(index);
        }
    }
    // What has no class at all evens out the numbers.
    for index in order {
        if !dealt.contains(&index) {
            deal(index, [0.0; 2], &mut lacks, false);
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::Label;
    use proptest::prelude::*;

    /// Sets of classes 0 to 3, the rarer the higher.
    fn labels(bits: &[u16]) -> Labels {
        let has = |bits: u16, class: u32| (bits >> (4 * class)) % 16 < 8 >> class;
        let set = |&bits: &u16| {
            (0..4)
                .filter(|&class| has(bits, class))
                .map(|class| class as usize)
                .collect()
        };
        let sets: Vec<Label> = bits.iter().map(|bits| Label::Classes(set(bits))).collect();
        Labels::of(Task::MultiLabel, sets.iter()).unwrap()
    }

    fn count(labels: &Labels, samples: &[SampleIndex], class: usize) -> usize {
        let has = |index: &&SampleIndex| labels.classes(**index as usize).any(|other| other == class);
        samples.iter().filter(has).count()
    }

    proptest! {
        #[test]
        fn several_labels_keep_their_shares_and_every_class_a_sample(
            bits in proptest::collection::vec(any::<u16>(), 40..200), share in 0.1..0.6, seed: u64,
        ) {
            let labels = labels(&bits);
            let all: Vec<SampleIndex> = (0..bits.len() as SampleIndex).collect();
            let mut pool = all.clone();
            let taken = take_stratified(&mut pool, &labels, share, Seed::new(seed));
            let mut together = [pool.clone(), taken.clone()].concat();
            together.sort_unstable();
            prop_assert_eq!(&together, &all);
            for class in 0..4 {
                let members = count(&labels, &all, class);
                let found = count(&labels, &taken, class) as f64;
                // The rarest class is dealt exactly; others give way to it where samples have both.
                prop_assert!((found - share * members as f64).abs() <= 2.0 + 0.1 * members as f64, "{} of {}", found, members);
                prop_assert!(members == 0 || count(&labels, &pool, class) > 0);
            }
            prop_assert_eq!(take_stratified(&mut all.clone(), &labels, share, Seed::new(seed)), taken);
        }

        #[test]
        fn a_class_never_leaves_the_pool(
            bits in proptest::collection::vec(any::<u16>(), 1..12), share in 0.0..1.0, seed: u64,
        ) {
            let labels = labels(&bits);
            let mut pool: Vec<SampleIndex> = (0..bits.len() as SampleIndex).collect();
            let taken = take_stratified(&mut pool, &labels, share, Seed::new(seed));
            for class in 0..4 {
                prop_assert!(count(&labels, &taken, class) == 0 || count(&labels, &pool, class) > 0);
            }
        }
    }
}
