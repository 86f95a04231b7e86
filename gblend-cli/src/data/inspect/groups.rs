//! Groups: how many there are, and those that are divided.

use std::collections::{BTreeMap, BTreeSet};

use gblend_core::Source;

use super::Finding;
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
        let division = Division {
            test: None,
            shares: Shares::default(),
            objective: &SingleLabel::default(),
            labels: LabelUse::EveryHead,
            tested: true,
        };
        let splits = Splits::new(&source, division, Seed::new(0)).unwrap();
        divided(&source, &splits)
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
