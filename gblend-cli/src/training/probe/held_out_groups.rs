//! Whether an estimate knows how groups of samples differ.
//!
//! Held-out samples of one speaker or one patient are alike. With groups enough an error is one of groups; with few, nobody knows how the next
//! one differs, and it is said that the intervals are of samples.

use gblend_core::ogr::LossChanges;
use gblend_core::{EffectiveGroups, Estimate, LEAST_GROUPS};

use crate::data::{SampleIndex, units};
use crate::error::Result;
use crate::training::session::Session;

/// How many groups held-out samples are of, or those that were trained on, whichever are fewer; `None` if they are of none.
pub(super) fn fewest_groups(
    session: &Session<'_>,
    train: &[SampleIndex],
    held_out: &[SampleIndex],
) -> Option<EffectiveGroups> {
    let of_each = [train, held_out].map(|samples| Some(EffectiveGroups::of(&units_of(session, samples)?)));
    let counted = of_each.into_iter().flatten();
    counted.min_by(|a, b| a.get().total_cmp(&b.get()))
}

/// The changes with errors over groups, where training and held-out samples each have enough of them.
pub(super) fn in_groups(
    changes: LossChanges,
    session: &Session<'_>,
    train: &[SampleIndex],
    held_out: &[SampleIndex],
) -> Result<LossChanges> {
    match fewest_groups(session, train, held_out) {
        Some(groups) if !groups.are_few() => {
            let [train, held_out] = [train, held_out].map(|samples| {
                let units = units_of(session, samples);
                units.unwrap_or_else(|| (0..samples.len()).collect())
            });
            Ok(changes.in_groups(&train, &held_out)?)
        }
        _ => Ok(changes),
    }
}

/// What there is to say where an estimate was made on samples of too few groups.
pub fn too_few_groups(estimate: &Estimate) -> Option<String> {
    let groups = estimate.groups.filter(|groups| groups.are_few())?;
    Some(format!(
        "the samples that it was measured on, those of training or the held-out ones, are of {groups}: with fewer than {LEAST_GROUPS} nobody knows \
         how groups differ, so intervals take samples for independent, and neither they nor the weights need hold for other groups"
    ))
}

fn units_of(session: &Session<'_>, samples: &[SampleIndex]) -> Option<Vec<usize>> {
    let positions = samples.iter().map(|&sample| sample as usize);
    units(session.source.as_ref(), positions)
}
