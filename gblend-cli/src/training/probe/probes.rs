//! The probes of an estimate: one for each head, side by side where they can be.

use gblend_core::ProbeLength;
use gblend_core::device::map_networks;
use gblend_core::ogr::LossChanges;

use super::head_probe::probe;
use super::setup::ProbeSetup;
use crate::error::{Error, INTERRUPTED, Result};
use crate::records::{ProbeLosses, SampleLosses};
use crate::training::session::Session;

/// Every head's changes of loss, and the length of the longest probe in epochs: the paper's GB_Estimate (Wang et al., CVPR
/// 2020, algorithm 1). Of several `lengths`, the probe of the joint head chooses, or each for itself.
pub(super) fn run(
    setup: &ProbeSetup<'_>,
    lengths: &[usize],
    chosen: ProbeLength,
) -> Result<(LossChanges, usize)> {
    let joint = setup.session.heads.joint();
    let Some(&last) = lengths.last() else {
        return Err(Error::Internal("a probe of no length was asked for".into()));
    };
    let own: Vec<usize> = (0..joint)
        .filter(|&head| !setup.session.share_is_given(head))
        .collect();
    setup.left((own.len() + 1).saturating_mul(last));
    let mut losses: Vec<ProbeLosses>;
    let longest = if lengths.len() == 1 || chosen == ProbeLength::Each {
        // Nothing to wait for, so the joint probe runs beside the others, first because it takes longest.
        let order = [&[joint], &own[..]].concat();
        losses = side_by_side(setup, &order, lengths)?;
        losses.rotate_left(1);
        let best: Vec<usize> = losses.iter().map(best).collect();
        let longest = best.iter().max().map_or(last, |&best| lengths[best]);
        losses = losses
            .into_iter()
            .zip(best)
            .map(|(losses, best)| only(losses, best))
            .collect();
        longest
    } else {
        let mut of_joint = side_by_side(setup, &[joint], lengths)?;
        let Some(of_joint) = of_joint.pop() else {
            return Err(Error::Internal("a probe has shown nothing".into()));
        };
        let best = best(&of_joint);
        let length = lengths[best];
        setup.left(own.len().saturating_mul(length));
        losses = side_by_side(setup, &own, &[length])?;
        losses.push(only(of_joint, best));
        length
    };
    let losses = with_those_of_given_shares(losses, setup.session);
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
    Ok((changes, longest))
}

/// The same with heads that were not probed, as their shares are given: nothing is known to have moved them.
fn with_those_of_given_shares(probed: Vec<ProbeLosses>, session: &Session<'_>) -> Vec<ProbeLosses> {
    let still = probed.last().map(|losses| {
        let unmoved = |losses: &[Option<f64>]| vec![Some(0.0); losses.len()];
        let before = SampleLosses {
            train: unmoved(&losses.before.train),
            held_out: unmoved(&losses.before.held_out),
        };
        ProbeLosses {
            after: vec![before.clone()],
            before,
        }
    });
    let mut probed = probed.into_iter();
    let heads = 0..session.heads.len();
    heads
        .filter_map(|head| match session.share_is_given(head) {
            true => still.clone(),
            false => probed.next(),
        })
        .collect()
}

/// The position of the length with the lowest held-out loss, the shorter one of several.
fn best(losses: &ProbeLosses) -> usize {
    let after = losses.after.iter().enumerate();
    let best = after.min_by(|(_, a), (_, b)| a.held_out_mean().total_cmp(&b.held_out_mean()));
    best.map_or(0, |(position, _)| position)
}

/// What a probe of that length alone would have shown.
fn only(losses: ProbeLosses, length: usize) -> ProbeLosses {
    ProbeLosses {
        before: losses.before,
        after: losses.after.into_iter().skip(length).take(1).collect(),
    }
}

/// The losses of these heads, in order: on all ranks, each of which takes a head when it is free.
fn side_by_side(setup: &ProbeSetup<'_>, heads: &[usize], lengths: &[usize]) -> Result<Vec<ProbeLosses>> {
    let ranks = &setup.session.ranks;
    if ranks.is_many() {
        let internal = |error: serde_json::Error| Error::Internal(error.to_string());
        let losses = ranks.spread(heads.len(), |task| {
            let losses = probe(setup, heads[task], lengths)?;
            serde_json::to_vec(&losses).map_err(internal)
        });
        let losses = losses.map_err(|error| match error {
            Error::Rank {
                code: INTERRUPTED, ..
            } => Error::Interrupted {
                epoch: setup.live.epoch,
                folder: None,
            },
            other => other,
        })?;
        let losses = losses
            .iter()
            .map(|losses| serde_json::from_slice(losses).map_err(internal));
        return losses.collect();
    }
    let losses = map_networks(heads, |&head| probe(setup, head, lengths));
    losses.into_iter().collect()
}
