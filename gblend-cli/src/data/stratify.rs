//! Taking a share of samples so that every stratum keeps its proportion.

use std::collections::{BTreeMap, BTreeSet};

use gblend_core::{Seed, Strata};
use rand::seq::SliceRandom;

use super::position::SampleIndex;

/// Takes `share` of every stratum out of `pool`, leaving at least one sample of it. `strata` are those of every sample
/// that `pool` may name.
pub(super) fn take_stratified(
    pool: &mut Vec<SampleIndex>,
    strata: &Strata,
    share: f64,
    seed: Seed,
) -> Vec<SampleIndex> {
    if share <= 0.0 {
        return Vec::new();
    }
    let mut taken = match strata {
        Strata::One(strata) => {
            let of = |index: SampleIndex| strata.get(index as usize).copied().flatten();
            take_by_stratum(pool, of, share, seed)
        }
        Strata::Several(strata) => {
            let of = |index: SampleIndex| strata.get(index as usize).map_or(&[][..], Vec::as_slice);
            take_iteratively(pool, of, share, seed)
        }
        _ => take_by_stratum(pool, |_| None, share, seed),
    };
    remove(pool, &mut taken);
    taken
}

/// Takes samples out of a pool, and sorts them.
pub(super) fn remove(pool: &mut Vec<SampleIndex>, taken: &mut [SampleIndex]) {
    taken.sort_unstable();
    pool.retain(|index| taken.binary_search(index).is_err());
}

fn take_by_stratum(
    pool: &[SampleIndex],
    of: impl Fn(SampleIndex) -> Option<u32>,
    share: f64,
    seed: Seed,
) -> Vec<SampleIndex> {
    let mut by_stratum: BTreeMap<Option<u32>, Vec<SampleIndex>> = BTreeMap::new();
    for &index in pool {
        by_stratum.entry(of(index)).or_default().push(index);
    }
    let mut taken = Vec::new();
    for (stratum, mut members) in by_stratum {
        let seed = match stratum {
            Some(stratum) => seed.nth(u64::from(stratum)),
            None => seed.derive("without a stratum"),
        };
        members.shuffle(&mut seed.rng());
        // A share of a small stratum may round to nothing; the samples are dealt by the rounded share.
        let count = (members.len() as f64 * share).round() as usize;
        members.truncate(count.min(members.len().saturating_sub(1)));
        taken.extend(members);
    }
    taken
}

/// Iterative stratification: the stratum with the fewest samples left is dealt out first, each sample to the side that
/// lacks most of that stratum (Sechidis, Tsoumakas, Vlahavas, "On the Stratification of Multi-Label Data", ECML PKDD
/// 2011, algorithm 1).
fn take_iteratively<'s>(
    pool: &[SampleIndex],
    of: impl Fn(SampleIndex) -> &'s [u32],
    share: f64,
    seed: Seed,
) -> Vec<SampleIndex> {
    let mut order = pool.to_vec();
    order.shuffle(&mut seed.rng());
    let of = |index: SampleIndex| of(index).iter().copied();
    let mut left: BTreeMap<u32, Vec<SampleIndex>> = BTreeMap::new();
    for &index in &order {
        for class in of(index) {
            left.entry(class).or_default().push(index);
        }
    }
    let sides = [share, 1.0 - share];
    let mut lacks: BTreeMap<u32, [f64; 2]> = left
        .iter()
        .map(|(&class, members)| (class, sides.map(|side| side * members.len() as f64)))
        .collect();
    let mut lacks_samples = sides.map(|side| side * order.len() as f64);
    let mut kept_of: BTreeSet<u32> = BTreeSet::new();
    let mut dealt: BTreeSet<SampleIndex> = BTreeSet::new();
    let mut taken = Vec::new();
    let mut deal = |index, wanted: [f64; 2], lacks: &mut BTreeMap<u32, [f64; 2]>, last: bool| {
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
            let none_kept = |class: u32| {
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
    use proptest::prelude::*;

    /// Sets of classes 0 to 3, the rarer the higher.
    fn strata(bits: &[u16]) -> Strata {
        let has = |bits: u16, class: u32| (bits >> (4 * class)) % 16 < 8 >> class;
        let set = |&bits: &u16| (0..4).filter(|&class| has(bits, class)).collect();
        Strata::Several(bits.iter().map(set).collect())
    }

    fn count(strata: &Strata, samples: &[SampleIndex], class: u32) -> usize {
        let Strata::Several(strata) = strata else { return 0 };
        let has = |index: &&SampleIndex| strata[**index as usize].contains(&class);
        samples.iter().filter(has).count()
    }

    proptest! {
        #[test]
        fn several_labels_keep_their_shares_and_every_class_a_sample(
            bits in proptest::collection::vec(any::<u16>(), 40..200), share in 0.1..0.6, seed: u64,
        ) {
            let strata = strata(&bits);
            let all: Vec<SampleIndex> = (0..bits.len() as SampleIndex).collect();
            let mut pool = all.clone();
            let taken = take_stratified(&mut pool, &strata, share, Seed::new(seed));
            let mut together = [pool.clone(), taken.clone()].concat();
            together.sort_unstable();
            prop_assert_eq!(&together, &all);
            for class in 0..4 {
                let members = count(&strata, &all, class);
                let found = count(&strata, &taken, class) as f64;
                // The rarest class is dealt exactly; others give way to it where samples have both.
                prop_assert!((found - share * members as f64).abs() <= 2.0 + 0.1 * members as f64, "{} of {}", found, members);
                prop_assert!(members == 0 || count(&strata, &pool, class) > 0);
            }
            prop_assert_eq!(take_stratified(&mut all.clone(), &strata, share, Seed::new(seed)), taken);
        }

        #[test]
        fn a_class_never_leaves_the_pool(
            bits in proptest::collection::vec(any::<u16>(), 1..12), share in 0.0..1.0, seed: u64,
        ) {
            let strata = strata(&bits);
            let mut pool: Vec<SampleIndex> = (0..bits.len() as SampleIndex).collect();
            let taken = take_stratified(&mut pool, &strata, share, Seed::new(seed));
            for class in 0..4 {
                prop_assert!(count(&strata, &taken, class) == 0 || count(&strata, &pool, class) > 0);
            }
        }
    }
}
