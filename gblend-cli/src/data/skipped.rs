//! Samples that are skipped are the few: a result on what is left of the many says nothing about them.

use std::collections::{BTreeMap, BTreeSet};

use gblend_core::dataset::Source;
use gblend_core::{Error, Partition};

/// What is wrong where more than half of the samples are skipped, of a split that the dataset makes or of all: `dropped` are
/// positions in the dataset, beside what it leaves out itself, and `first` is what is wrong with one of them.
pub fn too_many_skipped(source: &dyn Source, dropped: &BTreeSet<usize>, first: &Error) -> Option<Error> {
    let mut splits: BTreeMap<Partition, (usize, usize)> = BTreeMap::new();
    for index in 0..source.len() {
        let (skipped, all) = splits.entry(source.sample(index).partition).or_default();
        *skipped += usize::from(dropped.contains(&index));
        *all += 1;
    }
    // Nobody knows in which split a sample would be that is none.
    let left_out = source.left_out().len();
    let whole = (dropped.len() + left_out, source.len() + left_out);
    let named = splits.into_iter().map(|(split, counts)| (name(split), counts));
    let (split, (skipped, all)) = named
        .chain([("the dataset", whole)])
        .find(|(_, (skipped, all))| 2 * skipped > *all)?;
    let problem = format!(
        "{skipped} of {all} samples cannot be used, more than half, such as {first}; `data.on_bad_sample = \"skip\"` is for \
         the few"
    );
    Some(Error::data(split, problem))
}

fn name(split: Partition) -> &'static str {
    match split {
        Partition::Train => "the training split",
        Partition::Validation => "the validation split",
        Partition::Test => "the test split",
    }
}
