//! Typed splits: train, held-out, validation, test.
//!
//! Each split is a type of its own, so that no function can be handed the wrong one. The test split is
//! sealed: it is reached by giving up the others, which only the final evaluation does.

use std::collections::{BTreeMap, BTreeSet};

use gblend_core::dataset::{Partition, Source};
use gblend_core::{Error, Label, LabelKind, Labels, Objective, Result, Seed};
use rand::seq::SliceRandom;

use super::groups::Groups;
use super::one_of_folds::OneOfFolds;
use super::position::{SampleIndex, sample_count};
use super::stratify::{remove, take_stratified};

/// Samples that the parameters are fitted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainSplit(Vec<SampleIndex>);

/// Samples taken from train that decide blend weights, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldOutSplit(Vec<SampleIndex>);

/// Samples for model selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationSplit(Vec<SampleIndex>);

/// Samples for the final evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestSplit(Vec<SampleIndex>);

/// Training, held-out and validation samples together, for a network whose length of training is known. It cannot be
/// evaluated on: nothing that would be found there holds for other samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefitSplit(Vec<SampleIndex>);

impl RefitSplit {
    /// The samples to train on, as positions in the dataset.
    pub fn samples(&self) -> &[SampleIndex] {
        &self.0
    }
}

/// A fixed part of the training samples, on which the training loss is measured in evaluation mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainSubset(Vec<SampleIndex>);

impl TrainSplit {
    /// At most `count` of the samples, drawn by `seed`.
    pub fn subset(&self, count: usize, seed: Seed) -> TrainSubset {
        let mut samples = self.0.clone();
        samples.shuffle(&mut seed.rng());
        samples.truncate(count);
        samples.sort_unstable();
        TrainSubset(samples)
    }
}

/// Samples that a network may be evaluated on.
pub trait Evaluable {
    /// The samples, as positions in the dataset.
    fn samples(&self) -> &[SampleIndex];
}

macro_rules! evaluable {
    ($($split:ident),*) => {
        $(impl Evaluable for $split {
            fn samples(&self) -> &[SampleIndex] {
                &self.0
            }
        })*
    };
}
evaluable!(TrainSplit, TrainSubset, HeldOutSplit, ValidationSplit, TestSplit);

/// Shares of the training samples that are set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares {
    /// For validation, where the dataset brings no validation samples.
    pub validation: f64,
    /// For blend weights.
    pub held_out: f64,
}

/// How a dataset is divided.
#[derive(Clone, Copy, Debug)]
pub struct Division<'a> {
    /// What is tested in place of what the dataset calls its test samples.
    pub test: Option<OneOfFolds>,
    /// What is set aside.
    pub shares: Shares,
    /// The objective that says which samples belong together, that of the joint head.
    pub objective: &'a dyn Objective,
    /// Who learns from labels.
    pub labels: LabelUse,
    /// Whether there has to be a test sample.
    pub tested: bool,
}

/// Which heads learn from labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelUse {
    /// None.
    NoHead,
    /// Some of them.
    SomeHeads,
    /// Every one, so that a sample without a label is of no use.
    EveryHead,
}

/// The splits of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splits {
    /// Samples that the parameters are fitted to.
    pub train: TrainSplit,
    /// Samples that decide blend weights; empty if no strategy asks for them.
    pub held_out: HeldOutSplit,
    /// Samples for model selection; may be empty.
    pub validation: ValidationSplit,
    test: TestSplit,
    /// Samples that are in none for want of a label.
    unlabeled: usize,
}

impl Splits {
    /// Divides a dataset: stratum by stratum as the objective says, so that every split has every class in the same
    /// proportion, or group by group where samples have groups. The same seed gives the same splits.
    ///
    /// # Errors
    /// [`Error::Data`] if a label is out of range or of another kind, a head needs labels and no sample has one, a class that heads
    /// learn has no sample to train on, there is no test sample where there has to be one, or there are more samples than positions have bits for.
    pub fn new(source: &dyn Source, division: Division<'_>, seed: Seed) -> Result<Self> {
        Self::without(source, &BTreeSet::new(), division, seed)
    }

    /// Divides what `dropped` leaves of a dataset, as [`new`](Self::new) does.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn without(
        source: &dyn Source,
        dropped: &BTreeSet<usize>,
        division: Division<'_>,
        seed: Seed,
    ) -> Result<Self> {
        let shares = division.shares;
        let samples = sample_count(source.len())?;
        // What grows leaves holes in memory, and room that is not used takes none.
        let mut pool: Vec<SampleIndex> = Vec::with_capacity(source.len());
        let mut validation = Vec::new();
        let mut test = Vec::new();
        let classes = source.classes().len();
        let mut labels = Labels::with_capacity(source.label_kind(), source.len());
        let mut unlabeled = 0;
        let mut groups = Groups::default();
        let in_test_fold = division.test.map(|fold| fold.members(source)).transpose()?;
        for index in 0..samples {
            let sample = source.sample(index as usize);
            if let Some(class) = sample.label.classes().iter().find(|&&class| class >= classes) {
                let problem = format!("label {class}, expected 0 to below {classes}");
                return Err(Error::data(sample.id, problem));
            }
            let pushed = labels.push(&sample.label);
            pushed.map_err(|error| Error::data(&sample.id, error))?;
            if dropped.contains(&(index as usize)) {
                continue;
            }
            if division.labels == LabelUse::EveryHead && sample.label.is_missing() {
                unlabeled += 1;
                continue;
            }
            if let Some(group) = &sample.group {
                groups.insert(index, group);
            }
            let partition = match &in_test_fold {
                None => sample.partition,
                Some(members) if members[index as usize] => Partition::Test,
                Some(_) => Partition::Train,
            };
            match partition {
                Partition::Train => pool.push(index),
                Partition::Validation => validation.push(index),
                Partition::Test => test.push(index),
            }
        }
        let has_labels = source.label_kind() == LabelKind::Number || !source.classes().is_empty();
        if division.labels != LabelUse::NoHead && !has_labels && samples > 0 {
            let problem = "no sample has a label, and a head has an objective that asks for one: `data.label` names the column that \
                           says it, which must not be empty everywhere; `match`, `views`, `anchor` and `none` ask for none";
            return Err(Error::data("the dataset", problem));
        }
        if test.is_empty() && division.tested {
            let problem = match unlabeled {
                0 if groups.count(&pool) == Some(1) => {
                    "no test sample, expected at least one: all samples are of one group, and groups stay whole".to_owned()
                }
                0 => "no test sample, expected at least one".to_owned(),
                count => {
                    format!("no test sample with a label, expected at least one; {count} samples have none")
                }
            };
            let without = "run.test = false trains without a test";
            return Err(Error::data("the dataset", format!("{problem}; {without}")));
        }
        // Of what is divided alone: the labels of the test decide nothing.
        let strata = division
            .objective
            .strata(&labels.only(pool.iter().map(|&index| index as usize)));
        let mut take = |share: f64, label: &str| {
            let seed = seed.derive(label);
            if groups.is_empty() {
                take_stratified(&mut pool, &strata, share, seed)
            } else {
                take_groups(&mut pool, &groups, share, seed)
            }
        };
        if validation.is_empty() {
            validation = take(shares.validation, "validation");
        }
        let held_out = take(shares.held_out, "held-out");
        if shares.held_out > 0.0 && held_out.is_empty() {
            let whole = match groups.is_empty() {
                true => "",
                false => "; groups stay whole, and one must be left to train on",
            };
            let problem = format!(
                "no sample could be held out for estimates: a share of {} of {} samples{whole}",
                shares.held_out,
                pool.len()
            );
            return Err(Error::data("the dataset", problem));
        }
        let learned = match division.labels {
            LabelUse::NoHead => &[],
            LabelUse::SomeHeads | LabelUse::EveryHead => source.classes(),
        };
        for (class, name) in learned.iter().enumerate() {
            let has = |&index: &SampleIndex| labels.classes(index as usize).any(|other| other == class);
            if !pool.iter().any(has) {
                let otherwise = match division.test {
                    None => "",
                    Some(_) => {
                        "; all of its samples are in the fold that is tested, or set aside: fewer folds, or another \
                                run.fold_seed, deal them otherwise"
                    }
                };
                let problem =
                    format!("class `{name}` has no training sample, expected at least one{otherwise}");
                return Err(Error::data("the dataset", problem));
            }
        }
        for split in [&mut pool, &mut validation, &mut test] {
            split.shrink_to_fit();
        }
        Ok(Self {
            train: TrainSplit(pool),
            held_out: HeldOutSplit(held_out),
            validation: ValidationSplit(validation),
            test: TestSplit(test),
            unlabeled,
        })
    }

    /// Training, held-out, validation and test samples of a run before, and how many are in none for want of a label.
    pub(super) fn of([train, held_out, validation, test]: [Vec<SampleIndex>; 4], unlabeled: usize) -> Self {
        Self {
            train: TrainSplit(train),
            held_out: HeldOutSplit(held_out),
            validation: ValidationSplit(validation),
            test: TestSplit(test),
            unlabeled,
        }
    }

    /// Samples that were left out because they have no label and every head needs one.
    pub fn unlabeled(&self) -> usize {
        self.unlabeled
    }

    /// The test split, at the price of all others: nothing can be fitted or selected once it is known.
    pub fn into_test(self) -> TestSplit {
        self.test
    }

    /// A hash of which samples are in which split: another one after the dataset was changed.
    pub fn fingerprint(&self, source: &dyn Source) -> String {
        let mut hasher = blake3::Hasher::new();
        for split in [&self.train.0, &self.held_out.0, &self.validation.0, &self.test.0] {
            hasher.update(&(split.len() as u64).to_le_bytes());
            for &index in split {
                let sample = source.sample(index as usize);
                hasher.update(&(sample.id.len() as u64).to_le_bytes());
                hasher.update(sample.id.as_bytes());
                hash_label(&sample.label, &mut hasher);
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Training and held-out samples together, for when no further estimate will come.
    pub fn train_and_held_out(&self) -> TrainSplit {
        let mut samples = [&self.train.0[..], &self.held_out.0[..]].concat();
        samples.sort_unstable();
        TrainSplit(samples)
    }

    /// Training, held-out and validation samples together, for when nothing more will be estimated, selected or fitted.
    pub fn for_refit(&self) -> RefitSplit {
        let mut samples = [&self.train.0[..], &self.held_out.0[..], &self.validation.0[..]].concat();
        samples.sort_unstable();
        RefitSplit(samples)
    }

    /// Every sample of every split in ascending order, for preparation.
    pub fn all(&self) -> Vec<SampleIndex> {
        let parts = [&self.train.0, &self.held_out.0, &self.validation.0, &self.test.0];
        let mut all: Vec<SampleIndex> = parts.map(Vec::as_slice).concat();
        all.sort_unstable();
        all
    }

    /// The test samples, for those who ask whether another run has seen them and learn nothing from them.
    pub(super) fn test_samples(&self) -> &[SampleIndex] {
        &self.test.0
    }

    /// Every split with its name, for those who look at samples and learn nothing from them.
    pub(super) fn parts(&self) -> [(&'static str, &[SampleIndex]); 4] {
        [
            ("training", &self.train.0),
            ("held-out", &self.held_out.0),
            ("validation", &self.validation.0),
            ("test", &self.test.0),
        ]
    }

    /// The number of samples in train, held-out, validation and test.
    pub fn sizes(&self) -> [usize; 4] {
        [
            self.train.0.len(),
            self.held_out.0.len(),
            self.validation.0.len(),
            self.test.0.len(),
        ]
    }
}

/// Classes as their number and indices; what has none as a number that no list of classes is long.
pub(super) fn hash_label(label: &Label, hasher: &mut blake3::Hasher) {
    match label {
        Label::Missing => {
            hasher.update(&u64::MAX.to_le_bytes());
        }
        Label::Number(number) => {
            hasher.update(&(u64::MAX - 1).to_le_bytes());
            hasher.update(&number.to_bits().to_le_bytes());
        }
        label => {
            let classes = label.classes();
            hasher.update(&(classes.len() as u64).to_le_bytes());
            for &class in classes {
                hasher.update(&(class as u64).to_le_bytes());
            }
        }
    }
}

/// Takes whole groups out of `pool` until `share` of the samples is reached, leaving at least one group.
pub(super) fn take_groups(
    pool: &mut Vec<SampleIndex>,
    groups: &Groups,
    share: f64,
    seed: Seed,
) -> Vec<SampleIndex> {
    if share <= 0.0 {
        return Vec::new();
    }
    let mut by_group: BTreeMap<&str, Vec<SampleIndex>> = BTreeMap::new();
    for &index in pool.iter() {
        by_group.entry(groups.of(index)).or_default().push(index);
    }
    let wanted = (pool.len() as f64 * share).round() as usize;
    let mut order: Vec<&str> = by_group.keys().copied().collect();
    order.shuffle(&mut seed.rng());
    order.pop();
    let mut taken = Vec::new();
    for group in order {
        let members = &by_group[group];
        // A group is taken only if that brings the size nearer to the share, but where a share was asked
        // for there is at least one.
        if wanted > 0 && taken.is_empty() || 2 * taken.len() + members.len() <= 2 * wanted {
            taken.extend_from_slice(members);
        }
    }
    remove(pool, &mut taken);
    taken
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::data::known::Known;
    use gblend_core::dataset::Sample;
    use gblend_optim::objective::SingleLabel;
    use proptest::prelude::*;

    static OBJECTIVE: SingleLabel = SingleLabel { class_weights: None };

    fn division(shares: Shares) -> Division<'static> {
        Division {
            test: None,
            shares,
            objective: &OBJECTIVE,
            labels: LabelUse::EveryHead,
            tested: true,
        }
    }

    impl Known {
        /// `per_class` training samples and one test sample of each class.
        fn new(classes: usize, per_class: usize, groups: usize) -> Self {
            let sample = |index: usize, partition| Sample {
                id: index.to_string(),
                label: (index % classes).into(),
                group: (groups > 0).then(|| format!("g{}", index % groups)),
                partition,
            };
            let trained = (0..classes * per_class).map(|index| sample(index, Partition::Train));
            let tested = (0..classes).map(|index| sample(index, Partition::Test));
            Self {
                classes: (0..classes).map(|class| class.to_string()).collect(),
                samples: trained.chain(tested).collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn every_sample_is_in_one_split_so_that_none_for_the_test_is_held_out(
            classes in 1_usize..6, per_class in 2_usize..20, groups in prop_oneof![Just(0_usize), 2..7_usize],
            validation in 0.0..0.5, held_out in 0.0..0.4, seed: u64,
        ) {
            let source = Known::new(classes, per_class, groups);
            let shares = Shares { validation, held_out };
            if let Ok(splits) = Splits::new(&source, division(shares), Seed::new(seed)) {
                prop_assert_eq!(splits.all(), (0..source.len() as SampleIndex).collect::<Vec<_>>());
                prop_assert_eq!(splits.sizes().iter().sum::<usize>(), source.len());
            }
        }

        #[test]
        fn without_groups_every_class_keeps_its_share(
            classes in 1_usize..6, per_class in 10_usize..30, share in 0.1..0.5, seed: u64,
        ) {
            let source = Known::new(classes, per_class, 0);
            let shares = Shares { validation: share, held_out: 0.0 };
            let splits = Splits::new(&source, division(shares), Seed::new(seed)).unwrap();
            let expected = (per_class as f64 * share).round() as usize;
            for class in 0..classes {
                let found = splits.validation.samples().iter().filter(|&&i| i as usize % classes == class).count();
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn validation_and_test_are_the_same_whatever_is_held_out(
            classes in 1_usize..6, per_class in 10_usize..30, groups in prop_oneof![Just(0_usize), 5..9_usize],
            held_out in 0.0..0.3, seed: u64,
        ) {
            // Methods that estimate and methods that do not are compared on them.
            let source = Known::new(classes, per_class, groups);
            let splits = |held_out| {
                Splits::new(&source, division(Shares { validation: 0.2, held_out }), Seed::new(seed))
            };
            // Some classes and groups are too small to be divided so.
            let (Ok(without), Ok(with)) = (splits(0.0), splits(held_out)) else { return Ok(()) };
            prop_assert_eq!(without.validation, with.validation.clone());
            prop_assert_eq!(&without.test, &with.test);
            prop_assert_eq!(without.train, with.train_and_held_out());
        }

        #[test]
        fn no_group_is_divided(groups in 4_usize..9, share in 0.1..0.45, seed: u64) {
            let source = Known::new(1, 40, groups);
            let shares = Shares { validation: share, held_out: 0.2 };
            let splits = Splits::new(&source, division(shares), Seed::new(seed)).unwrap();
            let groups_of = |samples: &[SampleIndex]| -> BTreeSet<_> {
                samples.iter().map(|&i| source.samples[i as usize].group.clone()).collect()
            };
            let train = groups_of(splits.train.samples());
            let validation = groups_of(splits.validation.samples());
            let held_out = groups_of(splits.held_out.samples());
            prop_assert!(train.is_disjoint(&validation) && train.is_disjoint(&held_out));
            prop_assert!(validation.is_disjoint(&held_out));
        }
    }

    #[test]
    fn groups_too_few_to_hold_one_out_are_an_error_that_says_so() {
        // One of two is for validation, and the other must be left to train on.
        let source = Known::new(1, 40, 2);
        let shares = Shares {
            validation: 0.1,
            held_out: 0.2,
        };
        let error = Splits::new(&source, division(shares), Seed::new(0))
            .unwrap_err()
            .to_string();
        assert!(error.contains("groups stay whole"), "{error}");
        // Where there are none, nothing is said of them.
        let shares = Shares {
            validation: 0.0,
            held_out: 0.01,
        };
        let error = Splits::new(&Known::new(1, 3, 0), division(shares), Seed::new(0))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("0.01 of 3 samples") && !error.contains("groups"),
            "{error}"
        );
    }

    #[test]
    fn the_held_out_samples_are_not_the_first_ones() {
        let source = Known::new(2, 100, 0);
        let shares = Shares {
            validation: 0.0,
            held_out: 0.1,
        };
        let splits = Splits::new(&source, division(shares), Seed::new(0)).unwrap();
        assert!(splits.held_out.samples().iter().any(|&index| index > 100));
    }

    #[test]
    fn a_dropped_sample_is_in_no_split() {
        let source = Known::new(2, 20, 0);
        let dropped = [0, 7, 30].into();
        let splits = Splits::without(&source, &dropped, division(Shares::default()), Seed::new(0)).unwrap();
        let left: Vec<SampleIndex> = (0..source.len() as SampleIndex)
            .filter(|&index| !dropped.contains(&(index as usize)))
            .collect();
        assert_eq!(splits.all(), left);
    }

    #[test]
    fn another_seed_gives_other_splits_and_the_same_seed_the_same() {
        let source = Known::new(2, 50, 0);
        let shares = Shares {
            validation: 0.2,
            held_out: 0.2,
        };
        let splits = |seed| Splits::new(&source, division(shares), Seed::new(seed)).unwrap();
        assert_eq!(splits(1), splits(1));
        assert_ne!(splits(1), splits(2));
    }

    #[test]
    fn a_class_without_training_samples_is_named() {
        let mut source = Known::new(3, 5, 0);
        source
            .samples
            .retain(|sample| sample.label != 1.into() || sample.partition == Partition::Test);
        let error = Splits::new(&source, division(Shares::default()), Seed::new(0))
            .unwrap_err()
            .to_string();
        assert!(error.contains("class `1`"), "{error}");
    }

    #[test]
    fn a_label_out_of_range_names_the_sample() {
        let mut source = Known::new(3, 5, 0);
        source.samples[4].label = 3.into();
        let error = Splits::new(&source, division(Shares::default()), Seed::new(0))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("4: label 3"), "{error}");
    }

    #[test]
    fn samples_without_a_label_are_left_out_where_every_head_needs_one() {
        let mut source = Known::new(2, 20, 0);
        for sample in source.samples.iter_mut().step_by(3) {
            sample.label = Label::Missing;
        }
        let shares = Shares {
            validation: 0.2,
            held_out: 0.1,
        };
        let missing = |samples: &[SampleIndex]| {
            let missing = samples
                .iter()
                .filter(|&&index| source.samples[index as usize].label.is_missing());
            missing.count()
        };
        let splits = Splits::new(&source, division(shares), Seed::new(0)).unwrap();
        assert_eq!((splits.unlabeled(), missing(&splits.all())), (14, 0));
        let some = Division {
            labels: LabelUse::SomeHeads,
            ..division(shares)
        };
        let splits = Splits::new(&source, some, Seed::new(0)).unwrap();
        assert_eq!((splits.unlabeled(), missing(&splits.all())), (0, 14));
        // They are a stratum of their own.
        assert!(missing(splits.validation.samples()) > 0 && missing(splits.train.samples()) > 0);
    }

    #[test]
    fn a_test_without_any_label_is_refused() {
        let mut source = Known::new(2, 20, 0);
        for sample in &mut source.samples {
            if sample.partition == Partition::Test {
                sample.label = Label::Missing;
            }
        }
        let error = Splits::new(&source, division(Shares::default()), Seed::new(0)).unwrap_err();
        assert!(error.to_string().contains("2 samples have none"), "{error}");
    }
}
