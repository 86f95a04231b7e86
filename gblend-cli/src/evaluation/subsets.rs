//! How the joint head does with some of the modalities alone.

use std::num::NonZeroUsize;

use gblend_core::{Array, AutoDevice, Pass, Targets};

use crate::data::{Evaluable, LoadedBatch, Loader, Plan};
use crate::error::Result;
use crate::network::{ActiveHeads, Fused, HeadCriterion, Inputs, Multimodal};
use crate::records::{Metrics, Score, SubsetScore};

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
    let mut tallies = vec![SubsetTally::default(); masks.len()];
    let mut all_targets = Targets::default();
    let plan = Plan::evaluation(split.samples(), batch_size);
    loader.for_each(&plan, |_, batch| -> Result<()> {
        let LoadedBatch {
            samples: seen,
            targets,
            inputs,
            ..
        } = batch;
        let inputs = Inputs::new(device, seen.len(), inputs)?;
        let mut features: Vec<gblend_core::Result<Array>> = Vec::new();
        let mut keep = |seen: Fused<'_>| features.push(seen.to_host());
        model.forward_seeing(&inputs, &Pass::evaluate(), &active, Some(&mut keep))?;
        let features = features.into_iter().collect::<gblend_core::Result<Vec<_>>>()?;
        for (mask, tally) in masks.iter().zip(&mut tallies) {
            let output = model.joint_from(&features, mask, &inputs)?;
            tally.add(model.criteria().joint(), output, &targets)?;
        }
        all_targets.append(targets);
        Ok(())
    })?;
    let joint = model.criteria().joint();
    let scores = masks.into_iter().zip(tallies).map(|(mask, tally)| {
        let metrics = tally.metrics(joint, &all_targets)?;
        let seen = names.iter().zip(mask).filter(|(_, present)| *present);
        Ok(SubsetScore {
            modalities: seen.map(|(name, _)| name.clone()).collect(),
            accuracy: metrics.accuracy,
            metrics: metrics.metrics,
            loss: metrics.loss,
        })
    });
    scores.collect()
}

/// What is kept of one subset: sums, where samples are right or wrong; every output, where the figures need them all.
#[derive(Clone, Debug, Default)]
struct SubsetTally {
    right: f64,
    loss: f64,
    samples: usize,
    outputs: Vec<f32>,
    width: usize,
}

impl SubsetTally {
    fn add(&mut self, head: &HeadCriterion, output: Array, targets: &Targets) -> Result<()> {
        if head.get().right(&output, targets)?.is_none() {
            self.width = output.shape().last().copied().unwrap_or(0);
            self.outputs.extend(output.into_values());
            return Ok(());
        }
        let losses = head.as_drawn(head.get().losses(&output, targets)?, targets);
        let score = Score::with_losses(head.get(), &losses, &output, targets)?;
        let samples = head.counted(targets);
        self.right += score.accuracy.unwrap_or(0.0) * samples as f64;
        self.loss += score.loss * samples as f64;
        self.samples += samples;
        Ok(())
    }

    fn metrics(self, head: &HeadCriterion, targets: &Targets) -> Result<Metrics> {
        let count = self.samples.max(1) as f64;
        if self.width == 0 {
            return Ok(Metrics::new(
                self.loss / count,
                [("accuracy", self.right / count)],
            ));
        }
        let output = Array::new([targets.len(), self.width], self.outputs)?;
        let losses = head.losses(&output, targets)?;
        let metrics = Metrics::of(head.get(), &head.get().scores(&output)?, &losses, targets)?;
        Ok(metrics.unwrap_or_default())
    }
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
