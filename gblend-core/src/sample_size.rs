//! How many samples something is fitted to, and of how many groups they are.
//!
//! Two thousand words of one speaker tell nearly as much about words as those of many, and next to nothing about how
//! speakers differ. So what is fitted counts samples where it is about samples, and groups where it is about whom to
//! believe.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The fewest groups that are counted as independent in place of their samples: with fewer, what is found says as much about
/// which groups there happened to be as about anything else.
pub const LEAST_GROUPS: usize = 10;

/// How many groups of equal size are worth as much as those that there are.
///
/// `(Σ n)² / Σ n²` with n samples in each: L. Kish, "Survey Sampling", 1965. It is their number where they are of equal size, and
/// little more than one where one has nearly all samples.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectiveGroups(f64);

impl EffectiveGroups {
    /// Of samples of which each has the number of its group.
    pub fn of(numbers: &[usize]) -> Self {
        let mut sizes: BTreeMap<usize, f64> = BTreeMap::new();
        for &number in numbers {
            *sizes.entry(number).or_default() += 1.0;
        }
        let squares: f64 = sizes.values().map(|size| size * size).sum();
        let samples = numbers.len() as f64;
        Self(if squares > 0.0 {
            samples * samples / squares
        } else {
            0.0
        })
    }

    /// So many groups of equal size.
    pub fn equal(groups: usize) -> Self {
        Self(groups as f64)
    }

    /// How many.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Whether they are fewer than [`LEAST_GROUPS`].
    pub fn are_few(self) -> bool {
        self.0 < LEAST_GROUPS as f64
    }
}

impl fmt::Display for EffectiveGroups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.0;
        if groups.fract() == 0.0 {
            write!(f, "{groups} group(s)")
        } else {
            write!(f, "groups of unlike sizes that count as {groups:.1}")
        }
    }
}

/// The size of a set of samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleSize {
    samples: usize,
    groups: f64,
}

impl SampleSize {
    /// Samples that are independent of each other.
    pub fn independent(samples: usize) -> Self {
        Self::in_groups(samples, EffectiveGroups::equal(samples))
    }

    /// Samples of groups, those of one being alike: of one speaker, one patient.
    pub fn in_groups(samples: usize, groups: EffectiveGroups) -> Self {
        Self {
            samples,
            // Some groups have no sample, then.
            groups: groups.get().min(samples as f64),
        }
    }

    /// How many samples there are.
    pub fn samples(self) -> usize {
        self.samples
    }

    /// How many of them are independent: the effective number of their groups.
    pub fn groups(self) -> f64 {
        self.groups
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn there_are_as_many_as_groups_if_they_are_equal_and_fewer_if_not(
            sizes in proptest::collection::vec(1_usize..50, 1..20),
        ) {
            let numbers = |sizes: &[usize]| -> Vec<usize> {
                let sizes = sizes.iter().enumerate();
                sizes.flat_map(|(group, &size)| vec![group; size]).collect()
            };
            let found = EffectiveGroups::of(&numbers(&sizes)).get();
            let equal = EffectiveGroups::of(&numbers(&vec![sizes[0]; sizes.len()]));
            prop_assert_eq!(equal, EffectiveGroups::equal(sizes.len()));
            prop_assert!((1.0 - 1e-12..=equal.get() + 1e-12).contains(&found), "{found}");
            if sizes.iter().any(|&size| size != sizes[0]) {
                prop_assert!(found < equal.get());
            }
        }
    }

    #[test]
    fn one_large_group_beside_nine_samples_counts_as_little_more_than_one() {
        let numbers: Vec<usize> = (0..209_usize).map(|sample| sample.saturating_sub(199)).collect();
        let groups = EffectiveGroups::of(&numbers);
        // 209² / (200² + 9).
        assert!((groups.get() - 1.0918).abs() < 1e-4 && groups.are_few());
        assert!(groups.to_string().contains("count as 1.1"), "{groups}");
        assert_eq!(EffectiveGroups::equal(3).to_string(), "3 group(s)");
        assert!(!EffectiveGroups::equal(LEAST_GROUPS).are_few());
        assert!(EffectiveGroups::of(&[]).get() == 0.0);
    }
}
