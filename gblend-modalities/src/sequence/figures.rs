//! What is fitted to the sequences of the training samples.

use gblend_core::{Array, Error, FitContext, Result};
use serde::{Deserialize, Serialize};

use super::Sequence;
use crate::frontend::moments::{self, MISSING, Moments, Scale};

/// What has to be known of each feature.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Figures {
    features: Vec<Scale>,
    /// Steps that were looked at.
    steps: u64,
    /// Cells of them that are missing.
    missing: u64,
}

impl Figures {
    pub(super) fn fit(cx: &FitContext<'_>) -> Result<Self> {
        let mut all: Vec<Moments> = Vec::new();
        let mut steps = 0;
        for sample in cx.samples() {
            let sample = sample?;
            let (series, mask) = parts(&sample)?;
            all.resize(series.len(), Moments::default());
            for (moments, series) in all.iter_mut().zip(series) {
                let present = series.iter().zip(mask).filter(|&(_, &there)| there > 0.0);
                present.for_each(|(&value, _)| moments.push(value));
            }
            steps += mask.iter().filter(|&&there| there > 0.0).count() as u64;
        }
        Ok(Self {
            features: all.iter().map(Moments::scale).collect(),
            steps,
            missing: all.iter().map(Moments::missing).sum(),
        })
    }

    /// What `gblend check` shows.
    pub(super) fn summary(&self, settings: &Sequence) -> Vec<String> {
        let mut lines = Vec::new();
        if settings.standardize {
            lines.push(moments::summary(&self.features, "features"));
        }
        lines.push(format!("{} steps in the training samples", self.steps));
        if self.missing > 0 {
            lines.push(format!("{} cells missing", self.missing));
        }
        lines
    }

    pub(super) fn apply(&self, settings: &Sequence, mut sample: Array) -> Result<Array> {
        let &[rows, length] = sample.shape() else {
            return Err(wrong_shape(&sample));
        };
        if rows != self.features.len() + 1 {
            let expected = format!("[{}, steps], as the training samples", self.features.len() + 1);
            return Err(Error::shape("a sequence", expected, sample.shape()));
        }
        let (values, mask) = sample.values_mut().split_at_mut((rows - 1) * length);
        if let Some(odd) = mask.iter().find(|&&there| there != 0.0 && there != 1.0) {
            let problem = format!("found {odd} in the mask of steps, expected 0 or 1");
            return Err(Error::data("a sequence", problem));
        }
        for (scale, series) in self.features.iter().zip(values.chunks_exact_mut(length.max(1))) {
            for (value, &there) in series.iter_mut().zip(&*mask) {
                *value = match settings.standardize {
                    _ if there == 0.0 => 0.0,
                    true => scale.of(*value, settings.clip),
                    false if *value == MISSING => 0.0,
                    false => *value,
                };
            }
        }
        Ok(sample)
    }
}

/// The series of each feature of a prepared sample, and its mask.
fn parts(sample: &Array) -> Result<(Vec<&[f32]>, &[f32])> {
    let &[_, length] = sample.shape() else {
        return Err(wrong_shape(sample));
    };
    let mut series: Vec<&[f32]> = sample.values().chunks_exact(length.max(1)).collect();
    let mask = series.pop().ok_or_else(|| wrong_shape(sample))?;
    Ok((series, mask))
}

fn wrong_shape(sample: &Array) -> Error {
    Error::shape("a sequence", "[features + 1, steps]", sample.shape())
}
