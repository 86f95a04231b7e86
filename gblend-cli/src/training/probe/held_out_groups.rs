//! Whether an estimate knows how groups of samples differ.
//!
//! Held-out samples of one speaker or one patient are alike. With groups enough an error is one of groups; with few, nobody knows how the next
//! one differs, and it is said that the intervals are of samples.

use gblend_core::LEAST_GROUPS;
use gblend_core::ogr::LossChanges;

use crate::data::{Evaluable, SampleIndex, Splits, units};
use crate::error::Result;
use crate::training::session::Session;

/// The changes with errors over groups, where training and held-out samples each have enough of them.
pub(super) fn in_groups(
    changes: LossChanges,
    session: &Session<'_>,
    train: &[SampleIndex],
    held_out: &[SampleIndex],
) -> Result<LossChanges> {
    let of = |samples: &[SampleIndex]| {
        let units = units_of(session, samples);
        units.unwrap_or_else(|| (0..samples.len()).collect())
    };
    let [train, held_out] = [train, held_out].map(of);
    if count(&train).min(count(&held_out)) < LEAST_GROUPS {
        return Ok(changes);
    }
    Ok(changes.in_groups(&train, &held_out)?)
}

/// How many groups held-out samples are of, or those that are trained on, whichever are fewer; `None` if they are of none.
pub(super) fn fewest_groups(session: &Session<'_>, splits: &Splits) -> Option<usize> {
    let counts = measured(splits).map(|(_, samples)| Some(count(&units_of(session, samples)?)));
    counts.into_iter().flatten().min()
}

/// What there is to say where held-out samples, or those that are trained on, are of too few groups.
pub fn too_few_groups(session: &Session<'_>, splits: &Splits) -> Option<String> {
    let mut few = measured(splits).into_iter().filter_map(|(which, samples)| {
        let groups = count(&units_of(session, samples)?);
        (groups < LEAST_GROUPS)
            .then(|| format!("the {} {which} samples are of {groups} group(s)", samples.len()))
    });
    Some(format!(
        "{}: with fewer than {LEAST_GROUPS} nobody knows how groups differ, so intervals take samples for independent, and neither they nor the \
         weights need hold for other groups",
        few.next()?
    ))
}

/// The samples that an estimate measures on, and what they are.
fn measured(splits: &Splits) -> [(&'static str, &[SampleIndex]); 2] {
    [
        ("held-out", splits.held_out.samples()),
        ("training", splits.train.samples()),
    ]
}

fn units_of(session: &Session<'_>, samples: &[SampleIndex]) -> Option<Vec<usize>> {
    let positions = samples.iter().map(|&sample| sample as usize);
    units(session.source.as_ref(), positions)
}

/// How many units there are.
fn count(units: &[usize]) -> usize {
    units.iter().max().map_or(0, |last| last + 1)
}
