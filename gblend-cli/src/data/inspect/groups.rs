//! Groups: how many there are, those that are divided, and names that are as good as the same.

use std::collections::{BTreeMap, BTreeSet};

use gblend_core::Source;

use super::Finding;
use super::classes::{alike, means_missing};
use crate::data::position::SampleIndex;
use crate::data::split::Splits;

/// How many groups each split has, if samples have groups, in the order of [`Splits::sizes`].
pub fn group_counts(source: &dyn Source, splits: &Splits) -> Option<[usize; 4]> {
    let counts = splits.parts().map(|(_, samples)| {
        let groups = samples
            .iter()
            .filter_map(|&sample| source.sample(sample as usize).group);
        groups.collect::<BTreeSet<String>>().len()
    });
    (counts.iter().sum::<usize>() > 0).then_some(counts)
}

/// Groups with samples in more than one split. Those that are drawn here keep groups whole; a dataset that says the split
/// itself may not.
pub(super) fn divided(source: &dyn Source, splits: &Splits) -> Option<Finding> {
    let parts = splits.parts();
    let mut first: BTreeMap<String, (usize, SampleIndex)> = BTreeMap::new();
    let mut found: BTreeMap<String, [(&str, SampleIndex); 2]> = BTreeMap::new();
    for (part, (split, samples)) in parts.iter().enumerate() {
        for &sample in *samples {
            let Some(group) = source.sample(sample as usize).group else {
                continue;
            };
            match first.get(&group) {
                None => drop(first.insert(group, (part, sample))),
                Some(&(other, _)) if other == part => {}
                Some(&(other, earlier)) => {
                    let pair = [(*split, sample), (parts[other].0, earlier)];
                    found.entry(group).or_insert(pair);
                }
            }
        }
    }
    let count = found.len();
    let (group, pair) = found.into_iter().next()?;
    let [one, other] = pair.map(|(split, sample)| (source.sample(sample as usize).id, split));
    Some(Finding::DividedGroups {
        count,
        group,
        example: [one, other],
    })
}

/// What is odd about the names of groups.
pub(super) fn names(source: &dyn Source, splits: &Splits) -> Vec<Finding> {
    let samples = splits.parts().into_iter().flat_map(|(_, samples)| samples);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for group in samples.filter_map(|&sample| source.sample(sample as usize).group) {
        *counts.entry(group).or_default() += 1;
    }
    let names: Vec<String> = counts.keys().cloned().collect();
    let mut findings = Vec::new();
    let groups = alike(&names);
    if let Some(example) = groups.first() {
        findings.push(Finding::AlikeGroups {
            groups: groups.len(),
            example: example.clone(),
        });
    }
    if let Some((name, samples)) = counts.into_iter().find(|(name, _)| means_missing(name)) {
        findings.push(Finding::MissingAsGroup { name, samples });
    }
    findings
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use gblend_core::{Error, Media, Partition, Result, Sample, Seed, Stream};
    use gblend_optim::objective::SingleLabel;

    use super::*;
    use crate::data::split::{Division, LabelUse, Shares};

    /// Samples of one class, with a group and a split each.
    struct Known(Vec<(Option<&'static str>, Partition)>, [String; 1]);

    impl Source for Known {
        fn classes(&self) -> &[String] {
            &self.1
        }
        fn streams(&self) -> &[Stream] {
            &[]
        }
        fn len(&self) -> usize {
            self.0.len()
        }
        fn sample(&self, index: usize) -> Sample {
            let (group, partition) = self.0[index];
            Sample {
                id: format!("s{index}"),
                label: 0.into(),
                group: group.map(str::to_owned),
                partition,
            }
        }
        fn read(&self, _: usize, _: usize) -> Result<Media> {
            Err(Error::data("groups", "no media"))
        }
        fn fingerprint(&self, _: usize, _: usize) -> Result<String> {
            Ok(String::new())
        }
    }

    fn found(samples: &[(Option<&'static str>, Partition)]) -> Option<Finding> {
        let source = Known(samples.to_vec(), ["a".to_owned()]);
        divided(&source, &splits(&source))
    }

    fn splits(source: &Known) -> Splits {
        let division = Division {
            test: None,
            shares: Shares::default(),
            objective: &SingleLabel::default(),
            labels: LabelUse::EveryHead,
            tested: true,
        };
        Splits::new(source, division, Seed::new(0)).unwrap()
    }

    #[test]
    fn groups_whose_names_are_alike_or_mean_that_there_is_none_are_told() {
        use Partition::{Test, Train};
        let told = |samples: &[(Option<&'static str>, Partition)]| -> Vec<String> {
            let source = Known(samples.to_vec(), ["a".to_owned()]);
            let findings = names(&source, &splits(&source));
            findings.iter().map(ToString::to_string).collect()
        };
        let plain = [(Some("p1"), Train), (None, Train), (Some("p2"), Test)];
        assert_eq!(told(&plain), [""; 0]);
        let odd = [
            &plain[..],
            &[
                (Some("P1"), Test),
                (Some("N/A"), Train),
                (Some("N/A"), Train),
                (Some("p 2"), Test),
            ],
        ]
        .concat();
        let told = told(&odd);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains("as good as the same: 1, such as `P1` and `p1`"),
            "{told:?}"
        );
        assert!(
            told[1].contains("`N/A`") && told[1].contains("2 samples"),
            "{told:?}"
        );
    }

    #[test]
    fn groups_in_two_splits_are_counted_and_one_is_named() {
        use Partition::{Test, Train, Validation};
        let whole = [
            (Some("a"), Train),
            (Some("a"), Train),
            (None, Train),
            (None, Test),
            (Some("b"), Test),
            (Some("c"), Validation),
        ];
        assert_eq!(found(&whole), None);
        let divided = [
            &whole[..],
            &[(Some("c"), Test), (Some("a"), Test), (Some("a"), Validation)],
        ]
        .concat();
        let finding = found(&divided).unwrap();
        let text = finding.to_string();
        assert!(
            text.contains(
                "more than one split: 2, such as `a`, with s8 in the validation and s0 in the training split"
            ),
            "{text}"
        );
    }
}
