//! Test samples that another run was trained with.

use gblend_core::Source;

use super::inspect::content_of;
use super::prepared::Prepared;
use super::remembered::Found;
use super::split::Splits;
use crate::records::{Membership, SplitName};

/// The test samples that another run had in a split from which it learned or chose: those of the same id which, as far as both know, are
/// made of the same.
pub fn seen_before(
    source: &dyn Source,
    prepared: &Prepared<'_>,
    splits: &Splits,
    other: &Membership,
) -> Found {
    let mut found = Found::default();
    for &index in splits.test_samples() {
        let sample = source.sample(index as usize);
        let Some(member) = other
            .get(&sample.id)
            .filter(|member| member.split != SplitName::Test)
        else {
            continue;
        };
        let content = content_of(prepared, index, &sample.label);
        let differs = content
            .zip(member.content)
            .is_some_and(|(here, there)| here != there);
        if !differs {
            found.add(&sample.id);
        }
    }
    found
}
