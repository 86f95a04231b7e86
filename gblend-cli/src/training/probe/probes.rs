//! The probes of an estimate: one for each head, side by side where they can be.

use gblend_core::device::map_networks;
use gblend_core::ogr::LossChanges;

use super::head_probe::probe;
use super::setup::ProbeSetup;
use crate::error::{Error, Result};
use crate::records::{ProbeLosses, SampleLosses};

/// Every head's changes of loss, and the length of the probes in epochs: the paper's GB_Estimate (Wang et al., CVPR 2020,
/// algorithm 1). Of several `lengths`, the probe of the joint head chooses.
pub(super) fn run(setup: &ProbeSetup<'_>, lengths: &[usize]) -> Result<(LossChanges, usize)> {
    let joint = setup.session.heads.joint();
    let (Some(&last), fixed) = (lengths.last(), lengths.len() == 1) else {
        return Err(Error::Internal("a probe of no length was asked for".into()));
    };
    setup.left((joint + 1).saturating_mul(last));
    let mut losses: Vec<ProbeLosses>;
    let length = if fixed {
        // Nothing to choose, so the joint probe runs beside the others, first because it takes longest.
        let mut order: Vec<usize> = (0..=joint).collect();
        order.rotate_right(1);
        losses = side_by_side(setup, &order, &[last])?;
        losses.rotate_left(1);
        last
    } else {
        let of_joint = probe(setup, joint, lengths)?;
        let best = of_joint
            .after
            .iter()
            .enumerate()
            .min_by(|(_, a), (_, b)| a.held_out_mean().total_cmp(&b.held_out_mean()));
        let best = best.map_or(0, |(position, _)| position);
        let length = lengths[best];
        setup.left(joint.saturating_mul(length));
        losses = side_by_side(setup, &(0..joint).collect::<Vec<_>>(), &[length])?;
        losses.push(ProbeLosses {
            before: of_joint.before,
            after: of_joint.after.into_iter().skip(best).take(1).collect(),
        });
        length
    };
    let changes = |of: fn(&SampleLosses) -> &Vec<Option<f64>>| -> Vec<Vec<Option<f64>>> {
        let heads = losses.iter().map(|ProbeLosses { before, after }| {
            let pairs = of(after.first().unwrap_or(before)).iter().zip(of(before));
            pairs
                .map(|(after, before)| Some((*after)? - (*before)?))
                .collect()
        });
        heads.collect()
    };
    let changes = LossChanges::with_gaps(changes(|at| &at.train), changes(|at| &at.held_out))?;
    Ok((changes, length))
}

/// The losses of these heads, in order.
fn side_by_side(setup: &ProbeSetup<'_>, heads: &[usize], lengths: &[usize]) -> Result<Vec<ProbeLosses>> {
    let losses = map_networks(heads, |&head| probe(setup, head, lengths));
    losses.into_iter().collect()
}
