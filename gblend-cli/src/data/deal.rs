//! Samples dealt to folds: whole groups where there are any, else each stratum evenly.

use std::collections::BTreeMap;

use gblend_core::{Seed, Strata};
use rand::seq::SliceRandom;

use super::groups::Groups;
use super::position::SampleIndex;

/// The fold of each sample, counted from 0, of `count` or of as many as there are groups or samples: groups stay whole, and without
/// any each fold has every stratum in about the same proportion.
pub(super) fn deal(
    samples: &[SampleIndex],
    groups: &Groups,
    strata: &Strata,
    count: usize,
    seed: Seed,
) -> Vec<usize> {
    match groups.is_empty() {
        true => deal_strata(samples, strata, count, seed),
        false => deal_groups(samples, groups, count, seed),
    }
}

/// The strata that a sample is in.
pub(super) fn strata_of(strata: &Strata, index: SampleIndex) -> impl Iterator<Item = u32> + '_ {
    let (one, several) = match strata {
        Strata::One(strata) => (strata.get(index as usize).copied().flatten(), None),
        Strata::Several(strata) => (None, strata.get(index as usize)),
        _ => (None, None),
    };
    one.into_iter().chain(several.into_iter().flatten().copied())
}

/// The fold of each sample: those in the same strata are dealt in turn, and the next ones go on from there.
fn deal_strata(samples: &[SampleIndex], strata: &Strata, count: usize, seed: Seed) -> Vec<usize> {
    let mut alike: BTreeMap<Vec<u32>, Vec<usize>> = BTreeMap::new();
    for (position, &index) in samples.iter().enumerate() {
        let strata = strata_of(strata, index).collect();
        alike.entry(strata).or_default().push(position);
    }
    let mut rng = seed.rng();
    let mut folds = vec![0; samples.len()];
    let mut dealt = 0;
    for positions in alike.values_mut() {
        positions.shuffle(&mut rng);
        for &position in positions.iter() {
            folds[position] = dealt % count.max(1);
            dealt += 1;
        }
    }
    folds
}

/// The fold of each sample: whole groups, the largest first, each to the fold that has fewest samples. A sample without a group is
/// one of its own.
fn deal_groups(samples: &[SampleIndex], groups: &Groups, count: usize, seed: Seed) -> Vec<usize> {
    let mut by_group: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut alone: Vec<Vec<usize>> = Vec::new();
    for (position, &index) in samples.iter().enumerate() {
        match groups.number(index) {
            Some(_) => by_group.entry(groups.of(index)).or_default().push(position),
            None => alone.push(vec![position]),
        }
    }
    let mut order: Vec<Vec<usize>> = by_group.into_values().chain(alone).collect();
    order.shuffle(&mut seed.rng());
    order.sort_by_key(|members| std::cmp::Reverse(members.len()));
    let mut sizes = vec![0; count.min(order.len()).max(1)];
    let mut folds = vec![0; samples.len()];
    for members in order {
        let sizes_and_folds = sizes.iter().enumerate();
        let fold = sizes_and_folds
            .min_by_key(|&(_, &size)| size)
            .map_or(0, |(fold, _)| fold);
        sizes[fold] += members.len();
        members.into_iter().for_each(|position| folds[position] = fold);
    }
    folds
}
