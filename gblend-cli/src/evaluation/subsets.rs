//! How the joint head does with some of the modalities alone.

use std::num::NonZeroUsize;

use gblend_core::{Array, AutoDevice, Pass};

use crate::data::{Evaluable, LoadedBatch, Loader, Plan};
use crate::error::Result;
use crate::network::{ActiveHeads, Fused, Inputs, Multimodal};
use crate::records::{Score, SubsetScore};

/// More modalities have too many subsets to run through.
pub const MOST_MODALITIES: usize = 8;

/// Scores the joint head with every subset of the modalities but the empty one, from one to all. Every encoder runs
/// once.
///
/// # Errors
/// The first sample that cannot be loaded, or a failure of the device.
pub fn score_subsets(
    model: &mut Multimodal,
    loader: &Loader<'_>,
    split: &dyn Evaluable,
    batch_size: NonZeroUsize,
    device: &AutoDevice,
    names: &[String],
) -> Result<Vec<SubsetScore>> {
    let modalities = model.heads() - 1;
    let masks = masks(modalities);
    let active = ActiveHeads::unimodal(model.heads());
    let mut sums = vec![(0.0, 0.0); masks.len()];
    let mut samples = 0;
    let plan = Plan::evaluation(split.samples(), batch_size);
    loader.for_each(&plan, |_, batch| -> Result<()> {
        let LoadedBatch {
            samples: seen,
            targets,
            inputs,
        } = batch;
        let inputs = Inputs::new(device, seen.len(), inputs)?;
        let mut features: Vec<gblend_core::Result<Array>> = Vec::new();
        let mut keep = |seen: Fused<'_>| features.push(seen.to_host());
        model.forward_seeing(&inputs, &Pass::evaluate(), &active, Some(&mut keep))?;
        let features = features.into_iter().collect::<gblend_core::Result<Vec<_>>>()?;
        for (mask, (right, loss)) in masks.iter().zip(&mut sums) {
            let score = Score::of(&model.joint_from(&features, mask, &inputs)?, &targets)?;
            *right += score.accuracy * seen.len() as f64;
            *loss += score.loss * seen.len() as f64;
        }
        samples += seen.len();
        Ok(())
    })?;
    let count = samples.max(1) as f64;
    let scores = masks
        .into_iter()
        .zip(sums)
        .map(|(mask, (right, loss))| SubsetScore {
            modalities: names
                .iter()
                .zip(mask)
                .filter(|(_, present)| *present)
                .map(|(name, _)| name.clone())
                .collect(),
            accuracy: right / count,
            loss: loss / count,
        });
    Ok(scores.collect())
}

/// Every subset but the empty one, smaller ones first.
fn masks(modalities: usize) -> Vec<Vec<bool>> {
    let mut subsets: Vec<usize> = (1..1_usize << modalities).collect();
    subsets.sort_by_key(|subset| (subset.count_ones(), *subset));
    let mask = |subset: usize| (0..modalities).map(|k| subset >> k & 1 == 1).collect();
    subsets.into_iter().map(mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subset_comes_once_and_smaller_ones_first() {
        let masks = masks(3);
        assert_eq!(masks.len(), 7);
        assert_eq!(masks[0], [true, false, false]);
        assert_eq!(masks[3], [true, true, false]);
        assert_eq!(masks[6], [true, true, true]);
    }
}
