//! The splits that a run had, found again in its dataset.
//!
//! Splits that are drawn depend on which rows a table has, and in which order: drawn again after somebody sorted it, they put
//! training samples into the test, and the model looks better than it is. So a run keeps where each sample was, by its id and
//! what it is made of, and whoever looks at its model later finds them there.

use std::collections::{BTreeMap, BTreeSet};

use gblend_core::{Result, Source};

use super::inspect::content_of;
use super::position::{SampleIndex, sample_count};
use super::prepared::Prepared;
use super::split::{LabelUse, Splits};
use crate::records::{Membership, SplitName};

/// Samples of one kind: how many, and the first by its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many.
    pub count: usize,
    /// One of them.
    pub example: Option<String>,
}

impl Found {
    pub(super) fn add(&mut self, id: &str) {
        self.count += 1;
        self.example.get_or_insert_with(|| id.to_owned());
    }
}

/// What is not as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Samples that were in no split, and are in none now.
    pub new: Found,
    /// Samples of each split that are gone, or cannot be used any more.
    pub gone: BTreeMap<SplitName, Found>,
    /// Samples of each split with another label, or made of something else.
    pub changed: BTreeMap<SplitName, Found>,
}

impl Differences {
    /// What is not as it was in one split, in words.
    pub fn of(&self, split: SplitName) -> Option<String> {
        let told = |found: Option<&Found>, what: &str| {
            let found = found?;
            let example = found.example.as_deref()?;
            Some(format!("{} {what}, such as `{example}`", found.count))
        };
        let parts = [
            told(self.gone.get(&split), "are gone or cannot be used"),
            told(self.changed.get(&split), "have another label or other contents"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty())
            .then(|| format!("of the {} samples of the run {}", split.text(), parts.join(", ")))
    }

    /// All that is not as it was, in words.
    pub fn told(&self) -> Option<String> {
        let mut parts: Vec<String> = SplitName::ALL
            .into_iter()
            .filter_map(|split| self.of(split))
            .collect();
        if let Some(example) = &self.new.example {
            parts.push(format!(
                "{} samples were not there, such as `{example}`",
                self.new.count
            ));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// Puts every sample where the run had it, in the order in which the run had them. One without a label was in no split if every head learns
/// from labels, and is no new one.
///
/// # Errors
/// If there are more samples than positions have bits for.
pub fn remembered(
    source: &dyn Source,
    prepared: &Prepared<'_>,
    dropped: &BTreeSet<usize>,
    membership: &Membership,
    labels: LabelUse,
) -> Result<(Splits, Differences)> {
    let mut differences = Differences::default();
    let mut found: BTreeMap<SplitName, Vec<(usize, SampleIndex)>> = BTreeMap::new();
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let mut unlabeled = 0;
    for index in 0..sample_count(source.len())? {
        if dropped.contains(&(index as usize)) {
            continue;
        }
        let sample = source.sample(index as usize);
        let Some(member) = membership.get(&sample.id) else {
            match labels == LabelUse::EveryHead && sample.label.is_missing() {
                true => unlabeled += 1,
                false => differences.new.add(&sample.id),
            }
            continue;
        };
        seen.insert(member.place);
        let content = content_of(prepared, index, &sample.label);
        if content.is_some() && member.content.is_some() && content != member.content {
            differences
                .changed
                .entry(member.split)
                .or_default()
                .add(&sample.id);
        }
        found.entry(member.split).or_default().push((member.place, index));
    }
    for (id, member) in membership.iter() {
        if !seen.contains(&member.place) {
            differences.gone.entry(member.split).or_default().add(id);
        }
    }
    let mut of = |split: SplitName| {
        let mut samples = found.remove(&split).unwrap_or_default();
        samples.sort_unstable();
        samples.into_iter().map(|(_, index)| index).collect()
    };
    let parts = SplitName::ALL.map(&mut of);
    Ok((Splits::of(parts, unlabeled), differences))
}

/// Where each sample of a run is, as it is kept.
///
/// # Errors
/// What the file complains about.
pub fn write_membership(
    file: impl std::io::Write,
    source: &dyn Source,
    prepared: &Prepared<'_>,
    splits: &Splits,
) -> std::result::Result<(), csv::Error> {
    let parts = SplitName::ALL.into_iter().zip(splits.parts());
    let members = parts.flat_map(|(split, (_, samples))| {
        samples.iter().map(move |&index| {
            let sample = source.sample(index as usize);
            let content = content_of(prepared, index, &sample.label);
            (sample.id, split, content)
        })
    });
    Membership::write(file, members)
}
