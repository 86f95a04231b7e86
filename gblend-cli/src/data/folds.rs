//! Cross-fitting: the samples that a network may be fitted to, dealt to folds each of which one training does without.

use std::collections::BTreeSet;

use gblend_core::dataset::Source;
use gblend_core::{Error, Labels, Objective, Result, Seed};

use super::deal::{deal, strata_of};
use super::groups::Groups;
use super::position::SampleIndex;
use super::split::{Evaluable, Splits};

/// The samples that a fold's network is trained on: all but those of the fold. It cannot be evaluated on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldTraining(Vec<SampleIndex>);

/// The samples of a fold, which its network was not trained on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut(Vec<SampleIndex>);

impl FoldTraining {
    /// The samples to train on, as positions in the dataset.
    pub fn samples(&self) -> &[SampleIndex] {
        &self.0
    }
}

impl Evaluable for LeftOut {
    fn samples(&self) -> &[SampleIndex] {
        &self.0
    }
}

/// One of several divisions of the same samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// What its network is trained on.
    pub training: FoldTraining,
    /// What its network is asked about: those samples of the fold whose every stratum is trained on, since of a class that
    /// it has never seen a network can only be wrong.
    pub left_out: LeftOut,
}

/// Deals training, held-out and validation samples to `count` folds, or to fewer if there are not as many groups: groups
/// stay whole, and without any each fold has every stratum in about the same proportion. No test sample is in any.
///
/// # Errors
/// [`Error::Data`] if there are not two groups, or two samples.
pub fn folds(
    splits: &Splits,
    source: &dyn Source,
    labels: &Labels,
    objective: &dyn Objective,
    count: usize,
    seed: Seed,
) -> Result<Vec<Fold>> {
    let refit = splits.for_refit();
    let samples = refit.samples();
    let strata = objective.strata(&labels.only(samples.iter().map(|&index| index as usize)));
    let mut groups = Groups::default();
    for &index in samples {
        if let Some(group) = &source.sample(index as usize).group {
            groups.insert(index, group);
        }
    }
    let numbers = deal(samples, &groups, &strata, count, seed);
    let folds = numbers.iter().max().map_or(0, |&last| last + 1);
    if folds < 2 {
        let problem = match groups.is_empty() {
            true => format!("{} samples cannot be dealt to folds", samples.len()),
            false => "every sample that is not of the test is of one group, and groups stay whole: there are no folds to fit \
                      a pool in"
                .to_owned(),
        };
        return Err(Error::data("the dataset", problem));
    }
    let fold = |fold: usize| {
        let of = |is_left_out: bool| {
            let pairs = samples.iter().zip(&numbers);
            let found = pairs.filter(move |&(_, &number)| (number == fold) == is_left_out);
            found.map(|(&index, _)| index)
        };
        let trained: BTreeSet<u32> = of(false).flat_map(|index| strata_of(&strata, index)).collect();
        let is_known = |index: &SampleIndex| {
            let mut strata = strata_of(&strata, *index);
            strata.all(|stratum| trained.contains(&stratum))
        };
        Fold {
            left_out: LeftOut(of(true).filter(is_known).collect()),
            training: FoldTraining(of(false).collect()),
        }
    };
    Ok((0..folds).map(fold).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use gblend_core::dataset::{Partition, Sample};
    use gblend_core::{Label, LabelKind};
    use gblend_optim::objective::SingleLabel;
    use proptest::prelude::*;

    use super::*;
    use crate::data::known::Known;
    use crate::data::split::{Division, LabelUse, Shares};

    impl Known {
        fn of_each(of_each: &[(usize, Option<usize>)]) -> Self {
            let sample = |(position, (class, group)): (usize, &(usize, Option<usize>))| Sample {
                id: position.to_string(),
                label: Label::from(*class),
                group: group.map(|group| format!("group {group}")),
                partition: Partition::Train,
            };
            let mut samples: Vec<Sample> = of_each.iter().enumerate().map(sample).collect();
            samples.push(Sample {
                id: "test".into(),
                label: Label::from(0),
                group: of_each[0].1.map(|_| "group of the test".into()),
                partition: Partition::Test,
            });
            let classes = of_each.iter().map(|(class, _)| class + 1).max().unwrap_or(1);
            Self {
                samples,
                classes: (0..classes).map(|class| class.to_string()).collect(),
            }
        }

        fn folds(&self, count: usize) -> Result<Vec<Fold>> {
            let objective = SingleLabel { class_weights: None };
            let division = Division {
                test: None,
                shares: Shares {
                    validation: 0.0,
                    held_out: 0.0,
                },
                objective: &objective,
                labels: LabelUse::NoHead,
                tested: true,
            };
            let splits = Splits::new(self, division, Seed::new(1)).unwrap();
            let mut labels = Labels::with_capacity(LabelKind::Class, self.samples.len());
            for sample in &self.samples {
                labels.push(&sample.label).unwrap();
            }
            folds(&splits, self, &labels, &objective, count, Seed::new(7))
        }
    }

    proptest! {
        #[test]
        fn every_sample_but_those_of_the_test_is_left_out_once_and_trained_on_otherwise(
            classes in proptest::collection::vec(0_usize..4, 2..80), count in 2_usize..7,
        ) {
            let samples: Vec<_> = classes.iter().map(|&class| (class, None)).collect();
            let folds = Known::of_each(&samples).folds(count).unwrap();
            prop_assert_eq!(folds.len(), count.min(samples.len()));
            let mut left_out = vec![0; samples.len() + 1];
            for fold in &folds {
                let mut both = [fold.training.samples(), fold.left_out.samples()].concat();
                both.sort_unstable();
                both.dedup();
                prop_assert_eq!(both.len(), fold.training.samples().len() + fold.left_out.samples().len());
                fold.left_out.samples().iter().for_each(|&index| left_out[index as usize] += 1);
                prop_assert!(!both.contains(&(samples.len() as SampleIndex)), "a test sample is in a fold");
            }
            for (position, &class) in classes.iter().enumerate() {
                let others = classes.iter().filter(|&&other| other == class).count() - 1;
                // Of a class of one sample no network could know.
                prop_assert_eq!(left_out[position], usize::from(others > 0));
            }
            for class in 0..4 {
                let all = classes.iter().filter(|&&other| other == class).count();
                for fold in &folds {
                    let here = fold.left_out.samples().iter().filter(|&&index| classes[index as usize] == class).count();
                    let [least, most] = [all / folds.len(), all.div_ceil(folds.len())];
                    prop_assert!(all == 1 || (least..=most).contains(&here), "{here} of {all} in one of {}", folds.len());
                }
            }
        }

        #[test]
        fn groups_stay_whole(
            samples in proptest::collection::vec((0_usize..3, (0_usize..9).prop_map(Some)), 2..80), count in 2_usize..7,
        ) {
            let known = Known::of_each(&samples);
            let groups: BTreeSet<_> = samples.iter().map(|(_, group)| group).collect();
            let folds = known.folds(count);
            if groups.len() < 2 {
                let error = folds.unwrap_err().to_string();
                prop_assert!(error.contains("one group"), "{}", error);
                return Ok(());
            }
            let folds = folds.unwrap();
            prop_assert_eq!(folds.len(), count.min(groups.len()));
            let mut trained_without: BTreeMap<_, BTreeSet<usize>> = BTreeMap::new();
            for (number, fold) in folds.iter().enumerate() {
                let trained: BTreeSet<_> =
                    fold.training.samples().iter().map(|&index| samples[index as usize].1).collect();
                for &index in fold.left_out.samples() {
                    let group = samples[index as usize].1;
                    prop_assert!(!trained.contains(&group));
                    trained_without.entry(group).or_default().insert(number);
                }
            }
            prop_assert!(trained_without.values().all(|folds| folds.len() == 1));
        }
    }

    #[test]
    fn the_same_seed_deals_alike() {
        let samples: Vec<_> = (0..50).map(|position| (position % 3, None)).collect();
        let known = Known::of_each(&samples);
        assert_eq!(known.folds(5).unwrap(), known.folds(5).unwrap());
    }
}
