//! Evaluation: every head on every sample of a split.

use std::num::NonZeroUsize;

use gblend_core::{Array, AutoDevice, Pass, Targets, Task};

use crate::data::{Evaluable, LoadedBatch, Loader, Plan};
use crate::error::Result;
use crate::network::{ActiveHeads, Inputs, Multimodal};
use crate::records::Metrics;

/// The class scores of every active head for some samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Positions in the dataset.
    pub samples: Vec<usize>,
    /// What the heads should say.
    pub targets: Targets,
    /// One entry per head; `None` where it was not asked for.
    pub heads: Vec<Option<HeadScores>>,
}

/// The class scores of one head.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadScores {
    /// Positions in the evaluation of the samples that the head sees.
    pub rows: Vec<usize>,
    /// `[rows, classes]`. Of several views of a sample, the logits of the mean of their probabilities.
    pub logits: Array,
}

impl Evaluation {
    /// How good each head is on the samples that it sees; `None` where it was not asked for, or sees none.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`].
    pub fn metrics(&self) -> Result<Vec<Option<Metrics>>> {
        let metrics = |head: &Option<HeadScores>| -> Result<Option<Metrics>> {
            let Some(HeadScores { rows, logits }) = head else {
                return Ok(None);
            };
            let targets = self.targets.select(rows);
            let probabilities = targets.task().probabilities(logits)?;
            Ok(Metrics::of(
                &probabilities,
                &targets.loss_of_each(logits)?,
                &targets,
            ))
        };
        self.heads.iter().map(metrics).collect()
    }

    /// The loss of each sample by one head; `None` for samples that it does not see.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`].
    pub fn losses(&self, head: usize) -> Result<Vec<Option<f64>>> {
        let mut losses = vec![None; self.samples.len()];
        if let Some(HeadScores { rows, logits }) = &self.heads[head] {
            let each = self.targets.select(rows).loss_of_each(logits)?;
            for (&row, loss) in rows.iter().zip(each) {
                losses[row] = Some(loss);
            }
        }
        Ok(losses)
    }

    /// Class probabilities of each sample by one head; `None` for samples that it does not see.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`].
    pub fn probabilities(&self, head: usize) -> Result<Vec<Option<Vec<f64>>>> {
        let mut probabilities = vec![None; self.samples.len()];
        if let Some(HeadScores { rows, logits }) = &self.heads[head] {
            for (&row, of_each) in rows.iter().zip(self.targets.task().probabilities(logits)?) {
                probabilities[row] = Some(of_each);
            }
        }
        Ok(probabilities)
    }
}

/// Runs the active heads over a split in evaluation mode, over every view of its samples.
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
    let views = loader.views();
    let mut evaluation = evaluate_view(model, loader, &plan.clone().of_view(0), device, active)?;
    if views == 1 {
        return Ok(evaluation);
    }
    let task = evaluation.targets.task();
    let mut sums = probabilities(task, &evaluation)?;
    for view in 1..views {
        let further = evaluate_view(model, loader, &plan.clone().of_view(view), device, active)?;
        for (sum, further) in sums
            .iter_mut()
            .flatten()
            .zip(probabilities(task, &further)?.iter().flatten())
        {
            sum.iter_mut().zip(further).for_each(|(sum, p)| *sum += p);
        }
    }
    for (head, sum) in evaluation.heads.iter_mut().zip(sums) {
        if let (Some(head), Some(sum)) = (head, sum) {
            let mean = sum.into_iter().map(|sum| logit(task, sum / views as f64));
            head.logits = Array::new(head.logits.shape().to_vec(), mean.collect())?;
        }
    }
    Ok(evaluation)
}

/// The probabilities of each head, one row after another.
fn probabilities(task: Task, evaluation: &Evaluation) -> Result<Vec<Option<Vec<f64>>>> {
    let heads = evaluation.heads.iter().map(|head| {
        let rows = head
            .as_ref()
            .map(|head| task.probabilities(&head.logits))
            .transpose()?;
        Ok(rows.map(|rows| rows.concat()))
    });
    heads.collect()
}

/// A class score that has this probability.
fn logit(task: Task, probability: f64) -> f32 {
    let ln = |p: f64| p.max(f64::MIN_POSITIVE).ln();
    match task {
        Task::SingleLabel => ln(probability) as f32,
        Task::MultiLabel => (ln(probability) - ln(1.0 - probability)) as f32,
    }
}

fn evaluate_view(
    model: &mut Multimodal,
    loader: &Loader<'_>,
    plan: &Plan<'_>,
    device: &AutoDevice,
    active: &ActiveHeads,
) -> Result<Evaluation> {
    let heads = model.heads();
    let mut samples = Vec::new();
    let mut targets: Option<Targets> = None;
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); heads];
    let mut values: Vec<Vec<f32>> = vec![Vec::new(); heads];
    loader.for_each(plan, |_, batch: LoadedBatch| -> Result<()> {
        let first = samples.len();
        let inputs = Inputs::new(device, batch.samples.len(), batch.inputs)?;
        let logits = model.forward(&inputs, &Pass::evaluate(), active)?;
        for (head, logits) in logits.into_iter().enumerate() {
            let Some(logits) = logits else { continue };
            values[head].extend(logits.to_vec());
            match inputs.rows(head) {
                None => rows[head].extend(first..first + inputs.samples()),
                Some(seen) => rows[head].extend(seen.iter().map(|row| first + row)),
            }
        }
        samples.extend(batch.samples);
        match &mut targets {
            None => targets = Some(batch.targets),
            Some(targets) => targets.append(batch.targets)?,
        }
        Ok(())
    })?;
    let scores = rows
        .into_iter()
        .zip(values)
        .enumerate()
        .map(|(head, (rows, values))| {
            if !active.contains(head) {
                return Ok(None);
            }
            let classes = values.len() / rows.len().max(1);
            let logits = Array::new([rows.len(), classes], values)?;
            Ok(Some(HeadScores { rows, logits }))
        });
    Ok(Evaluation {
        heads: scores.collect::<Result<_>>()?,
        samples,
        targets: targets.unwrap_or_else(|| Targets::none(Task::default())),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_logit_has_the_probability_that_it_was_made_from(p in 1e-6_f64..1.0, rest in 1e-6_f64..1.0) {
            let shares = [p / (p + rest), rest / (p + rest)];
            let logits = shares.map(|p| logit(Task::SingleLabel, p)).to_vec();
            let softmax = Task::SingleLabel.probabilities(&Array::new([1, 2], logits).unwrap()).unwrap();
            prop_assert!((softmax[0][0] - shares[0]).abs() < 1e-6);
            let logits = vec![logit(Task::MultiLabel, shares[0])];
            let sigmoid = Task::MultiLabel.probabilities(&Array::new([1, 1], logits).unwrap()).unwrap();
            prop_assert!((sigmoid[0][0] - shares[0]).abs() < 1e-6);
        }
    }

    #[test]
    fn certainty_stays_finite() {
        for task in [Task::SingleLabel, Task::MultiLabel] {
            assert!(logit(task, 0.0).is_finite() && logit(task, 1.0).is_finite());
        }
    }
}
