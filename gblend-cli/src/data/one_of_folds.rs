//! One of several folds of all samples, to test in place of the dataset's own test samples.
//!
//! A test of a few hundred samples, or of a few people, leaves wide intervals, and what is left out of it is never tested. Where every
//! fold is tested once, by a network that was trained on the others, every sample is. Folds are of the dataset alone: neither an
//! objective nor samples that turn out to be damaged or without a label move any other sample to another fold, so that the runs of a
//! comparison are tested on the same ones.

use gblend_core::dataset::Source;
use gblend_core::label_objective::default_objective;
use gblend_core::{Error, Labels, Result, Seed};

use super::deal::deal;
use super::groups::Groups;
use super::position::{SampleIndex, sample_count};

/// One of the folds that all samples of a dataset are dealt to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneOfFolds {
    /// Which one, counted from 0.
    pub index: usize,
    /// How many there are.
    pub of: usize,
    /// Deals the samples.
    pub seed: Seed,
}

impl OneOfFolds {
    /// Whether each sample is in this fold: every class in about the same proportion in all of them, as the objective for such
    /// labels has it, or whole groups where samples have groups. A sample without a group is one of its own.
    ///
    /// # Errors
    /// [`Error::Data`] if there are fewer samples or groups than folds, or more samples than positions have bits for.
    pub(super) fn members(self, source: &dyn Source) -> Result<Vec<bool>> {
        let samples: Vec<SampleIndex> = (0..sample_count(source.len())?).collect();
        let mut labels = Labels::with_capacity(source.label_kind(), source.len());
        let mut groups = Groups::default();
        for &index in &samples {
            let sample = source.sample(index as usize);
            labels
                .push(&sample.label)
                .map_err(|error| Error::data(&sample.id, error))?;
            if let Some(group) = &sample.group {
                groups.insert(index, group);
            }
        }
        let strata = default_objective(labels.kind())?.strata(&labels);
        let units = groups.count(&samples).unwrap_or(samples.len());
        if units < self.of {
            let what = match groups.is_empty() {
                true => "samples",
                false => "groups, which stay whole,",
            };
            let problem = format!(
                "{units} {what} cannot be dealt to {} folds; run.fold, or --folds of a comparison, says how many there are",
                self.of
            );
            return Err(Error::data("the dataset", problem));
        }
        let folds = deal(&samples, &groups, &strata, self.of, self.seed);
        Ok(folds.into_iter().map(|fold| fold == self.index).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::{BTreeMap, BTreeSet};

    use gblend_core::Label;
    use gblend_core::dataset::{Partition, Sample};
    use gblend_optim::objective::SingleLabel;
    use proptest::prelude::*;

    use super::*;
    use crate::data::known::Known;
    use crate::data::split::{Division, LabelUse, Shares, Splits};

    static OBJECTIVE: SingleLabel = SingleLabel { class_weights: None };

    /// Samples of these classes and groups, which the dataset has in splits of its own.
    fn known(samples: &[(usize, Option<usize>)]) -> Known {
        let partitions = [Partition::Train, Partition::Test, Partition::Validation];
        let of = samples
            .iter()
            .enumerate()
            .map(|(position, &(class, group))| Sample {
                id: position.to_string(),
                label: Label::from(class),
                group: group.map(|group| format!("group {group}")),
                partition: partitions[position % 3],
            });
        let classes = samples.iter().map(|(class, _)| class + 1).max().unwrap_or(1);
        Known {
            samples: of.collect(),
            classes: (0..classes).map(|class| class.to_string()).collect(),
        }
    }

    fn fold(index: usize, of: usize, seed: u64) -> OneOfFolds {
        OneOfFolds {
            index,
            of,
            seed: Seed::new(seed),
        }
    }

    fn split(known: &Known, fold: OneOfFolds, dropped: &[usize], run: u64) -> Result<[Vec<SampleIndex>; 4]> {
        let division = Division {
            test: Some(fold),
            shares: Shares {
                validation: 0.2,
                held_out: 0.2,
            },
            objective: &OBJECTIVE,
            labels: LabelUse::NoHead,
            tested: true,
        };
        let dropped: BTreeSet<usize> = dropped.iter().copied().collect();
        let splits = Splits::without(known, &dropped, division, Seed::new(run))?;
        Ok(splits.parts().map(|(_, samples)| samples.to_vec()))
    }

    proptest! {
        #[test]
        fn every_sample_is_tested_in_one_fold_and_trained_with_in_the_others(
            classes in proptest::collection::vec(0_usize..3, 40..120), of in 2_usize..8, seed in 0_u64..9,
        ) {
            let samples: Vec<_> = classes.iter().map(|&class| (class, None)).collect();
            let known = known(&samples);
            let mut tested = vec![0; samples.len()];
            for index in 0..of {
                // Each with another seed of the run, as a comparison has it.
                let [train, held_out, validation, test] = split(&known, fold(index, of, seed), &[], index as u64).unwrap();
                let mut all = [train, held_out, validation, test.clone()].concat();
                all.sort_unstable();
                prop_assert_eq!(all, (0..samples.len() as SampleIndex).collect::<Vec<_>>());
                test.iter().for_each(|&sample| tested[sample as usize] += 1);
                for class in 0..3 {
                    let all = classes.iter().filter(|&&other| other == class).count();
                    let here = test.iter().filter(|&&sample| classes[sample as usize] == class).count();
                    prop_assert!((all / of..=all.div_ceil(of)).contains(&here), "{here} of {all} in one of {of}");
                }
            }
            prop_assert!(tested.iter().all(|&times| times == 1));
        }

        #[test]
        fn groups_stay_whole_and_samples_without_one_are_dealt_one_by_one(
            samples in proptest::collection::vec((0_usize..3, proptest::option::of(0_usize..9)), 60..120), of in 2_usize..5,
        ) {
            let known = known(&samples);
            let mut folds_of: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
            let mut sizes = Vec::new();
            for index in 0..of {
                let members = fold(index, of, 3).members(&known).unwrap();
                sizes.push(members.iter().filter(|&&is_member| is_member).count());
                for (position, (_, group)) in samples.iter().enumerate() {
                    if let (true, Some(group)) = (members[position], group) {
                        folds_of.entry(*group).or_default().insert(index);
                    }
                }
            }
            prop_assert!(folds_of.values().all(|folds| folds.len() == 1), "{:?}", folds_of);
            let alone = samples.iter().filter(|(_, group)| group.is_none()).count();
            let largest = (0..9).map(|group| samples.iter().filter(|(_, of)| *of == Some(group)).count()).max().unwrap();
            let spread = sizes.iter().max().unwrap() - sizes.iter().min().unwrap();
            prop_assert!(spread <= largest.max(1), "{:?} with {} alone", sizes, alone);
        }

        #[test]
        fn samples_that_are_left_out_move_no_other_to_another_fold(
            dropped in proptest::collection::btree_set(0_usize..60, 0..10), run in 0_u64..9,
        ) {
            let samples: Vec<_> = (0..60).map(|position| (position % 3, None)).collect();
            let known = known(&samples);
            let all = split(&known, fold(1, 4, 0), &[], 0).unwrap();
            let dropped: Vec<usize> = dropped.into_iter().collect();
            let some = split(&known, fold(1, 4, 0), &dropped, run).unwrap();
            let left = all[3].iter().filter(|&&sample| !dropped.contains(&(sample as usize)));
            prop_assert_eq!(left.copied().collect::<Vec<_>>(), some[3].clone());
        }
    }

    #[test]
    fn another_seed_deals_otherwise() {
        let samples: Vec<_> = (0..60).map(|position| (position % 3, None)).collect();
        let known = known(&samples);
        let members = |seed| fold(0, 5, seed).members(&known).unwrap();
        assert_eq!(members(0), members(0));
        assert_ne!(members(0), members(1));
    }

    #[test]
    fn more_folds_than_groups_are_refused_with_both_numbers() {
        let samples: Vec<_> = (0..60).map(|position| (0, Some(position % 4))).collect();
        let error = fold(0, 5, 0).members(&known(&samples)).unwrap_err().to_string();
        assert!(error.contains("4 groups") && error.contains("5 folds"), "{error}");
        let samples: Vec<_> = (0..3).map(|_| (0, None)).collect();
        let error = fold(0, 5, 0).members(&known(&samples)).unwrap_err().to_string();
        assert!(
            error.contains("3 samples") && error.contains("5 folds"),
            "{error}"
        );
    }
}
