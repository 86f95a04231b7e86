//! Estimates: how each head overfits and generalizes from where the live network stands.
//!
//! Both estimators work on copies that are built anew and loaded with the live parameters and running statistics,
//! with optimizers and random streams of their own. The live network is only read.

mod gradient;
mod head_probe;
mod held_out_groups;
mod probes;
mod progress_file;
mod setup;
mod starting_point;

use gblend_core::ogr::Movements;
use gblend_core::params::State;
use gblend_core::{Estimate, EstimateRequest, Estimator, SampleRng};

use crate::data::{Evaluable, Splits};
use crate::error::Result;
use crate::progress::Reporter;
use crate::run_folder::checkpoint::ProbeStore;
use crate::training::session::Session;
use setup::ProbeSetup;

use held_out_groups::MeasuredGroups;
pub use starting_point::StartingPoint;

/// An estimate, and what the user should know of the samples that it was made on.
#[derive(Clone, Debug, PartialEq)]
pub struct MadeEstimate {
    /// The estimate.
    pub estimate: Estimate,
    /// That they are of few groups, if they are.
    pub warning: Option<String>,
}

/// Makes an estimate from the live parameters and running statistics in `state`. Probes keep how far they are in
/// `keeping`, and go on from there if they were stopped.
///
/// # Errors
/// [`Error::Diverged`](crate::Error::Diverged) if a probe's loss stops being a number,
/// [`Error::Interrupted`](crate::Error::Interrupted), [`Error::Write`](crate::Error::Write), what a sample or the device
/// complains about.
pub fn estimate(
    session: &Session<'_>,
    splits: &Splits,
    state: &State,
    request: &EstimateRequest,
    live: StartingPoint,
    keeping: Option<&ProbeStore>,
    reporter: &Reporter,
) -> Result<MadeEstimate> {
    let seed = live.seed(session);
    let mut rng = seed.derive("resample").rng();
    match &request.estimator {
        Estimator::Probe { epochs, length } => {
            let measured = (0..session.heads.len()).filter(|&head| !session.share_is_given(head));
            let heads = measured.count();
            reporter.line(&format!("epoch {}: probing {heads} heads", live.epoch));
            let setup = ProbeSetup::new(session, splits, state, live, keeping, reporter)?;
            let ran = probes::run(&setup, epochs, *length);
            reporter.aside_is_over();
            let (changes, longest) = ran?;
            let [train, held_out] = [setup.subset.samples(), splits.held_out.samples()];
            let groups = MeasuredGroups::new(session, train, held_out);
            let (fewest, warning) = (groups.fewest(), groups.warning());
            let changes = groups.in_groups(changes)?;
            let resample = |rng: &mut SampleRng| changes.resampled(rng);
            let estimate = Estimate {
                estimator: request.estimator.measurement(),
                probe_epochs: Some(longest),
                gradients: None,
                movements: changes.movements(),
                resampled: resampled(request.resamples, &mut rng, resample),
                groups: fewest,
            };
            Ok(MadeEstimate { estimate, warning })
        }
        Estimator::Gradient { batches } => {
            let gradient::Measured { products, of, groups } =
                gradient::inner_products(session, splits, state, *batches, live)?;
            let (fewest, warning) = (groups.fewest(), groups.warning());
            let resample = |rng: &mut SampleRng| products.resampled(rng);
            let estimate = Estimate {
                estimator: request.estimator.measurement(),
                probe_epochs: None,
                gradients: Some(of),
                movements: products.movements(),
                resampled: resampled(request.resamples, &mut rng, resample),
                groups: fewest,
            };
            Ok(MadeEstimate { estimate, warning })
        }
    }
}

fn resampled(
    count: usize,
    rng: &mut SampleRng,
    resample: impl Fn(&mut SampleRng) -> Movements,
) -> Vec<Movements> {
    (0..count).map(|_| resample(rng)).collect()
}
