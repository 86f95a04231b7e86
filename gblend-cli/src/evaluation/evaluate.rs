//! Evaluation: every head on every sample of a split.

use std::num::NonZeroUsize;

use gblend_core::{Array, AutoDevice, Pass, Targets};

use crate::data::{Evaluable, LoadedBatch, Loader, Plan};
use crate::error::Result;
use crate::network::{ActiveHeads, Criteria, Inputs, Multimodal};
use crate::records::Metrics;

/// The outputs of every active head for some samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Positions in the dataset.
    pub samples: Vec<usize>,
    /// What the heads should say.
    pub targets: Targets,
    /// One entry per head; `None` where it was not asked for.
    pub heads: Vec<Option<HeadOutput>>,
}

/// The outputs of one head.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadOutput {
    /// Positions in the evaluation of the samples that the head sees.
    pub rows: Vec<usize>,
    /// `[rows, width]`. Of several views of a sample, an output with the mean of their scores.
    pub output: Array,
}

impl Evaluation {
    /// How good each head is on the samples that it sees; `None` where it was not asked for, or sees none that counts.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`] and the criteria of its network.
    pub fn metrics(&self, criteria: &Criteria) -> Result<Vec<Option<Metrics>>> {
        let heads = self.heads.iter().enumerate();
        let metrics = heads.map(|(head, of_head)| {
            let Some(HeadOutput { rows, output }) = of_head else {
                return Ok(None);
            };
            let head = criteria.of(head);
            let targets = self.targets.select(rows);
            let losses = head.losses(output, &targets)?;
            Metrics::of(head.get(), &head.get().scores(output)?, &losses, &targets)
        });
        metrics.collect()
    }

    /// The loss of each sample by one head, whose mean is what training makes small; `None` for samples that it does not see or that have no label for it.
    ///
    /// # Errors
    /// As [`metrics`](Self::metrics).
    pub fn losses(&self, criteria: &Criteria, head: usize) -> Result<Vec<Option<f64>>> {
        let mut losses = vec![None; self.samples.len()];
        if let Some(HeadOutput { rows, output }) = &self.heads[head] {
            let each = criteria.of(head).losses(output, &self.targets.select(rows))?;
            for (&row, loss) in rows.iter().zip(each) {
                losses[row] = loss;
            }
        }
        Ok(losses)
    }

    /// The scores of each sample by one head; `None` for samples that it does not see.
    ///
    /// # Errors
    /// As [`metrics`](Self::metrics).
    pub fn scores(&self, criteria: &Criteria, head: usize) -> Result<Vec<Option<Vec<f64>>>> {
        let mut scores = vec![None; self.samples.len()];
        if let Some(HeadOutput { rows, output }) = &self.heads[head] {
            for (&row, of_sample) in rows.iter().zip(criteria.of(head).get().scores(output)?) {
                scores[row] = Some(of_sample);
            }
        }
        Ok(scores)
    }

    /// Some of the samples, in their order.
    #[must_use]
    pub fn part(&self, has: impl Fn(usize) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.samples.len()).filter(|&row| has(row)).collect();
        let of_head = |head: &HeadOutput| {
            let width = head.output.shape().last().copied().unwrap_or(0);
            let seen = head.rows.iter().zip(head.output.values().chunks(width.max(1)));
            let (mut rows, mut values) = (Vec::new(), Vec::new());
            for (row, of_row) in seen {
                if let Ok(place) = kept.binary_search(row) {
                    rows.push(place);
                    values.extend_from_slice(of_row);
                }
            }
            let output = Array::new([rows.len(), width], values).ok()?;
            Some(HeadOutput { rows, output })
        };
        Self {
            samples: kept.iter().map(|&row| self.samples[row]).collect(),
            targets: self.targets.select(&kept),
            heads: self.heads.iter().map(|head| of_head(head.as_ref()?)).collect(),
        }
    }

    /// Adds what the heads of a network like this one say of further samples.
    ///
    /// # Errors
    /// [`Error::Shape`](gblend_core::Error::Shape) if it is of other heads.
    pub fn append(&mut self, further: Self) -> Result<()> {
        let first = self.samples.len();
        for (head, further) in self.heads.iter_mut().zip(further.heads) {
            let (Some(head), Some(further)) = (head.as_mut(), further) else {
                continue;
            };
            head.rows.extend(further.rows.iter().map(|row| first + row));
            let width =
                [&further.output, &head.output].map(|output| output.shape().last().copied().unwrap_or(0));
            let mut values = std::mem::replace(&mut head.output, Array::zeros([0, width[1]])).into_values();
            values.extend(further.output.into_values());
            head.output = Array::new([head.rows.len(), width[0]], values)?;
        }
        self.samples.extend(further.samples);
        self.targets.append(further.targets);
        Ok(())
    }

    /// Samples that have a loss by one head.
    pub fn counted(&self, criteria: &Criteria, head: usize) -> usize {
        let rows = self.heads[head].as_ref().map(|head| &head.rows);
        rows.map_or(0, |rows| criteria.of(head).counted(&self.targets.select(rows)))
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
    let mut sums = scores(model.criteria(), &evaluation)?;
    for view in 1..views {
        let further = evaluate_view(model, loader, &plan.clone().of_view(view), device, active)?;
        let further = scores(model.criteria(), &further)?;
        let pairs = sums
            .iter_mut()
            .flatten()
            .flatten()
            .zip(further.iter().flatten().flatten());
        for (sum, further) in pairs {
            sum.iter_mut().zip(further).for_each(|(sum, score)| *sum += score);
        }
    }
    for (head, (of_head, sums)) in evaluation.heads.iter_mut().zip(sums).enumerate() {
        if let (Some(of_head), Some(mut means)) = (of_head, sums) {
            means.iter_mut().flatten().for_each(|sum| *sum /= views as f64);
            of_head.output = model.criteria().of(head).get().output_of(&means)?;
        }
    }
    Ok(evaluation)
}

/// The scores of each head.
fn scores(criteria: &Criteria, evaluation: &Evaluation) -> Result<Vec<Option<Vec<Vec<f64>>>>> {
    let heads = evaluation.heads.iter().enumerate().map(|(head, of_head)| {
        let scores = of_head.as_ref();
        let scores = scores.map(|of_head| criteria.of(head).get().scores(&of_head.output));
        Ok(scores.transpose()?)
    });
    heads.collect()
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
    let mut targets = Targets::default();
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
        targets.append(batch.targets);
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
            let width = match rows.len() {
                0 => model.criteria().of(head).get().width(),
                rows => values.len() / rows,
            };
            let output = Array::new([rows.len(), width], values)?;
            Ok(Some(HeadOutput { rows, output }))
        });
    Ok(Evaluation {
        heads: scores.collect::<Result<_>>()?,
        samples,
        targets,
    })
}
