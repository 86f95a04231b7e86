//! Evaluation: every head on every sample of a split.

use std::num::NonZeroUsize;

use gblend_core::nn::{cross_entropy_of_each, softmax_of_each};
use gblend_core::{Array, AutoDevice, Batch, Pass};
use serde::{Deserialize, Serialize};

use crate::data::loader::{LoadedBatch, Loader, Plan};
use crate::data::split::Evaluable;
use crate::error::Result;
use crate::model::{ActiveHeads, Multimodal};

/// How good a head is on some samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Share of samples whose class has the highest score.
    pub accuracy: f64,
    /// Mean cross entropy.
    pub loss: f64,
}

/// The class scores of every active head for some samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Positions in the dataset.
    pub samples: Vec<usize>,
    /// One class per sample.
    pub labels: Vec<usize>,
    /// `[samples, classes]` per head; `None` where it was not asked for.
    pub logits: Vec<Option<Array>>,
}

impl Evaluation {
    /// Accuracy and loss of each head, as means over samples; `None` without samples.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`].
    pub fn scores(&self) -> Result<Vec<Option<Score>>> {
        let score = |logits: &Option<Array>| match logits {
            Some(logits) if !self.labels.is_empty() => score(logits, &self.labels).map(Some),
            _ => Ok(None),
        };
        self.logits.iter().map(score).collect()
    }

    /// Class probabilities of each sample by one head.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`].
    pub fn probabilities(&self, head: usize) -> Result<Vec<Vec<f64>>> {
        match &self.logits[head] {
            Some(logits) => Ok(softmax_of_each(logits)?),
            None => Ok(Vec::new()),
        }
    }
}

/// Accuracy and mean cross entropy of class scores `[samples, classes]`.
///
/// # Errors
/// If there is not one label for each row, or a label is out of range.
pub fn score(logits: &Array, labels: &[usize]) -> Result<Score> {
    let losses = cross_entropy_of_each(logits, labels)?;
    let classes = logits.shape()[1].max(1);
    let rows = logits.values().chunks_exact(classes).zip(labels);
    let right = rows.filter(|(row, label)| highest(row) == Some(**label)).count();
    let count = labels.len().max(1) as f64;
    Ok(Score {
        accuracy: right as f64 / count,
        loss: losses.iter().sum::<f64>() / count,
    })
}

/// The first position of the highest value; `None` if there is a NaN, which is no prediction.
pub fn highest<T: PartialOrd + Copy>(row: &[T]) -> Option<usize> {
    let mut best: Option<(usize, T)> = None;
    for (index, &value) in row.iter().enumerate() {
        #[allow(clippy::eq_op)] // A NaN is the one value that differs from itself.
        if value != value {
            return None;
        }
        if best.is_none_or(|(_, highest)| value > highest) {
            best = Some((index, value));
        }
    }
    best.map(|(index, _)| index)
}

/// Runs the active heads over a split in evaluation mode.
///
/// # Errors
/// The first sample that cannot be loaded, or a failure of the device.
pub fn evaluate(
    model: &mut Multimodal,
    loader: &Loader<'_>,
    split: &dyn Evaluable,
    batch_size: NonZeroUsize,
    device: &AutoDevice,
    active: &ActiveHeads,
) -> Result<Evaluation> {
    let plan = Plan::evaluation(split.samples(), batch_size);
    let mut evaluation = Evaluation {
        samples: Vec::new(),
        labels: Vec::new(),
        logits: Vec::new(),
    };
    let mut rows: Vec<Option<Vec<f32>>> = (0..model.heads())
        .map(|head| active.contains(head).then(Vec::new))
        .collect();
    loader.for_each(&plan, |_, batch| -> Result<()> {
        let LoadedBatch {
            samples,
            labels,
            inputs,
        } = batch;
        let inputs = to_device(device, inputs)?;
        let logits = model.forward(&inputs, &Pass::evaluate(), active)?;
        for (rows, logits) in rows.iter_mut().zip(logits) {
            if let (Some(rows), Some(logits)) = (rows, logits) {
                rows.extend(logits.as_vec());
            }
        }
        evaluation.samples.extend(samples);
        evaluation.labels.extend(labels);
        Ok(())
    })?;
    let count = evaluation.labels.len();
    let array = |rows: Vec<f32>| {
        let classes = rows.len() / count.max(1);
        Array::new([count, classes], rows)
    };
    evaluation.logits = rows
        .into_iter()
        .map(|rows| rows.map(array).transpose())
        .collect::<gblend_core::Result<_>>()?;
    Ok(evaluation)
}

/// Moves loaded inputs to the device.
///
/// # Errors
/// If the device has no memory for them.
pub fn to_device(
    device: &AutoDevice,
    inputs: Vec<Option<gblend_core::tensor::StackedSamples>>,
) -> gblend_core::Result<Vec<Option<Batch>>> {
    let move_one = |input: Option<_>| {
        input
            .map(|stacked| Batch::from_stacked(device, stacked))
            .transpose()
    };
    inputs.into_iter().map(move_one).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_score_is_the_share_of_right_samples_and_the_mean_loss() {
        let logits = Array::new([3, 2], vec![2.0, 0.0, 0.0, 2.0, 5.0, 0.0]).unwrap();
        let score = score(&logits, &[0, 1, 1]).unwrap();
        let small = (1.0 + (-2.0_f64).exp()).ln();
        let large = 5.0 + (1.0 + (-5.0_f64).exp()).ln();
        assert_eq!(score.accuracy, 2.0 / 3.0);
        assert!((score.loss - (2.0 * small + large) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_tie_goes_to_the_first_and_a_nan_to_nobody() {
        assert_eq!(highest(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(highest(&[f32::NAN, 1.0]), None);
        assert_eq!(highest::<f32>(&[]), None);
    }
}
