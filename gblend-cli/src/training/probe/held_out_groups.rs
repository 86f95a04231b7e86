//! Whether an estimate knows how groups of samples differ.
//!
//! Held-out samples of one speaker or one patient are alike. With groups enough an error is one of groups; with few, nobody knows how the next
//! one differs, and it is said that the intervals are of samples.

use gblend_core::ogr::LossChanges;
use gblend_core::{EffectiveGroups, LEAST_GROUPS};

use crate::data::{SampleIndex, units};
use crate::error::Result;
use crate::training::session::Session;

/// The groups of the samples that an estimate measures on.
pub(super) struct MeasuredGroups([Units; 2]);

/// Samples, and the unit of each if they are of groups.
struct Units {
    which: &'static str,
    samples: usize,
    units: Option<Vec<usize>>,
}

impl Units {
    fn groups(&self) -> Option<EffectiveGroups> {
        self.units.as_deref().map(EffectiveGroups::of)
    }

    /// The unit of each sample, itself where samples are of no groups.
    fn of_each(self) -> Vec<usize> {
        self.units.unwrap_or_else(|| (0..self.samples).collect())
    }
}

impl MeasuredGroups {
    pub(super) fn new(session: &Session<'_>, train: &[SampleIndex], held_out: &[SampleIndex]) -> Self {
        let measured = [("held-out", held_out), ("training", train)];
        Self(measured.map(|(which, samples)| {
            let positions = samples.iter().map(|&sample| sample as usize);
            Units {
                which,
                samples: samples.len(),
                units: units(session.source.as_ref(), positions),
            }
        }))
    }

    /// How many there are of those samples that are of fewer; `None` if they are of none.
    pub(super) fn fewest(&self) -> Option<EffectiveGroups> {
        let counted = self.0.iter().filter_map(Units::groups);
        counted.min_by(|a, b| a.get().total_cmp(&b.get()))
    }

    /// What there is to say where they are too few.
    pub(super) fn warning(&self) -> Option<String> {
        let mut few = self.0.iter().filter_map(|measured| {
            let groups = measured.groups().filter(|groups| groups.are_few())?;
            let Units { which, samples, .. } = measured;
            Some(format!("the {samples} {which} samples are of {groups}"))
        });
        Some(format!(
            "{}: with fewer than {LEAST_GROUPS} nobody knows how groups differ, so intervals take samples for independent, and neither they nor the \
             weights need hold for other groups",
            few.next()?
        ))
    }

    /// The changes with errors over groups, where training and held-out samples each have enough of them.
    pub(super) fn in_groups(self, changes: LossChanges) -> Result<LossChanges> {
        if self.fewest().is_none_or(EffectiveGroups::are_few) {
            return Ok(changes);
        }
        let [held_out, train] = self.0.map(Units::of_each);
        Ok(changes.in_groups(&train, &held_out)?)
    }
}
