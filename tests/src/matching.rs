//! An objective that matches modalities: what the tests prove objectives can do that read several feature vectors at
//! once.
//!
//! Each modality's feature vector is projected, and the projections of one sample are to be found among those of a batch:
//! van den Oord, Li, Vinyals, "Representation Learning with Contrastive Predictive Coding", 2018,
//! <https://arxiv.org/abs/1807.03748>, equation 4, in both directions and with a temperature that is learned, as in Radford
//! et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, figure 3.

use std::num::NonZeroUsize;

use gblend_core::nn::{
    Linear, RowIndex, add, concatenate, cross_entropy, divide, exp, fork, inner_products, multiply, offset,
    repeat, scale, sqrt, square, sum_axis, take_rows, transpose,
};
use gblend_core::params::{Module, ParamPath, ParamVisitor};
use gblend_core::schemars::JsonSchema;
use gblend_core::serde::{Deserialize, Serialize};
use gblend_core::tensor::{Dims1, Features, Logits, Loss, Plain, Taped, reshape};
use gblend_core::{
    Answer, Array, Axes, Better, Criterion, Error, FusionContext, FusionInputs, FusionModule, MetricKind,
    Objective, ObjectiveContext, Pass, Result, Targets, typetag,
};

/// Added to the square of a projection's length, so that one of zeros has none.
const EPSILON: f32 = 1e-6;

/// The symmetric InfoNCE loss between every two modalities, for the joint head. It needs no label.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gblend_core::serde", deny_unknown_fields, default)]
#[schemars(crate = "gblend_core::schemars")]
pub struct InfoNce {
    /// Length of each projection.
    pub width: usize,
    /// What similarities are divided by at first.
    pub temperature: f64,
    /// Samples among which one has to be found in evaluation.
    pub block: NonZeroUsize,
}

impl Default for InfoNce {
    fn default() -> Self {
        Self {
            width: 6,
            temperature: 0.5,
            block: NonZeroUsize::MIN.saturating_add(7),
        }
    }
}

#[typetag::serde(name = "info-nce")]
impl Objective for InfoNce {
    fn start(&self, cx: &ObjectiveContext<'_>) -> Result<Box<dyn Criterion>> {
        if !cx.is_joint() {
            return Err(Error::setting(
                "kind",
                "\"info-nce\"",
                "one for a modality's own head",
            ));
        }
        if self.width == 0 {
            return Err(Error::setting("width", self.width, "at least 1"));
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return Err(Error::setting("temperature", self.temperature, "above 0"));
        }
        let sharpness = -self.temperature.ln() as f32;
        Ok(Box::new(Matching {
            width: self.width,
            block: self.block,
            sharpness: Plain::new(cx.device, (1,), vec![sharpness])?,
        }))
    }

    fn needs_label(&self) -> bool {
        false
    }
}

gblend_core::register!(Objective, "info-nce" => InfoNce);

/// The loss. Outputs are `[batch, modalities × width]`.
struct Matching {
    width: usize,
    block: NonZeroUsize,
    /// The logarithm of what similarities are multiplied by.
    sharpness: Plain<Dims1>,
}

impl Matching {
    /// The modalities whose projections stand side by side in rows of this length.
    fn modalities(&self, length: usize) -> Result<usize> {
        if length >= 2 * self.width && length.is_multiple_of(self.width) {
            return Ok(length / self.width);
        }
        let expected = format!("[batch, modalities × {}] of at least two modalities", self.width);
        Err(Error::shape("an output to match", expected, [length]))
    }

    /// How similar sample `i` of one modality is to sample `j` of another, of every two modalities `[i][j]`.
    fn similarities(&self, output: &Array) -> Result<Vec<Vec<Vec<f64>>>> {
        let &[batch, length] = output.shape() else {
            return Err(Error::shape(
                "an output to match",
                "[batch, width]",
                output.shape(),
            ));
        };
        let modalities = self.modalities(length)?;
        let sharpness = self.sharpness.to_vec().first().copied().unwrap_or_default();
        let sharpness = f64::from(sharpness).exp();
        let projections = output.values().chunks_exact(self.width);
        let projections: Vec<Vec<f64>> = projections.map(normalized).collect();
        let similarity = |a: usize, b: usize| {
            let products = projections[a].iter().zip(&projections[b]);
            sharpness * products.map(|(a, b)| a * b).sum::<f64>()
        };
        let pairs = (0..modalities).flat_map(|a| (0..modalities).map(move |b| (a, b)));
        let pairs = pairs.filter(|(a, b)| a != b).map(|(a, b)| {
            let row = |i: usize| (0..batch).map(move |j| similarity(i * modalities + a, j * modalities + b));
            (0..batch).map(|i| row(i).collect()).collect()
        });
        Ok(pairs.collect())
    }

    fn rows(scores: &[Vec<f64>]) -> Result<Array> {
        let length = scores.first().map_or(0, Vec::len);
        if let Some(odd) = scores.iter().find(|row| row.len() != length) {
            return Err(Error::shape("scores", format!("[{length}]"), [odd.len()]));
        }
        let values = scores.iter().flatten();
        Array::new(
            [scores.len(), length],
            values.map(|&score| score as f32).collect(),
        )
    }
}

/// A projection of length 1.
fn normalized(projection: &[f32]) -> Vec<f64> {
    let values: Vec<f64> = projection.iter().map(|&value| value.into()).collect();
    let squares: f64 = values.iter().map(|value| value * value).sum();
    let length = (squares + f64::from(EPSILON)).sqrt();
    values.into_iter().map(|value| value / length).collect()
}

/// A tensor that goes so many ways.
fn ways(tensor: Features, count: usize) -> Vec<Features> {
    let mut ways = Vec::with_capacity(count);
    let mut last = tensor;
    for _ in 1..count {
        let (way, rest) = fork(last);
        ways.push(way);
        last = rest;
    }
    ways.push(last);
    ways
}

impl Criterion for Matching {
    fn width(&self) -> usize {
        2 * self.width
    }

    fn joint_head(&self, cx: &FusionContext<'_>) -> Result<Option<Box<dyn FusionModule>>> {
        if cx.feature_dims.len() < 2 {
            let expected = "feature vectors of at least two modalities";
            return Err(Error::shape("modalities to match", expected, cx.feature_dims));
        }
        let layers = cx.feature_dims.iter().enumerate().map(|(modality, &length)| {
            Linear::without_bias(
                cx.device,
                length,
                self.width,
                cx.seed.derive("projection").nth(modality as u64),
            )
        });
        Ok(Some(Box::new(Projections {
            layers: layers.collect::<Result<_>>()?,
            width: self.width,
        })))
    }

    fn loss(&mut self, output: Logits, targets: &Targets) -> Result<Loss> {
        let &(batch, length) = output.shape();
        let modalities = self.modalities(length)?;
        if batch == 0 || targets.len() != batch {
            let expected = format!("one row for each of {} samples", targets.len());
            return Err(Error::shape("an output to match", expected, [batch, length]));
        }
        // Projections of length 1, times the root of what similarities are multiplied by.
        let device = output.device();
        let (numerator, denominator) = fork(reshape(output, (batch * modalities, self.width))?);
        let lengths = sqrt(offset(sum_axis(square(denominator)?, 1)?, EPSILON)?)?;
        let projections = divide(numerator, repeat(lengths, 1, self.width)?)?;
        let sharpness: Taped<()> = reshape(self.sharpness.parameter(), ())?;
        let sharpness = exp(scale(sharpness, 0.5)?)?;
        let sharpness = repeat(repeat(sharpness, 0, self.width)?, 0, batch * modalities)?;
        let projections = multiply(projections, sharpness)?;

        let mut of_modality = Vec::with_capacity(modalities);
        for (modality, projections) in ways(projections, modalities).into_iter().enumerate() {
            let rows = (0..batch).map(|sample| sample * modalities + modality);
            let index = RowIndex::new(&device, rows.collect())?;
            of_modality.push(ways(take_rows(projections, &index)?, modalities - 1));
        }
        let diagonal: Vec<usize> = (0..batch).collect();
        let mut sum: Option<Loss> = None;
        while let Some(mut first) = of_modality.pop() {
            for second in &mut of_modality {
                let (Some(first), Some(second)) = (first.pop(), second.pop()) else {
                    return Err(Error::shape("projections", "one for each pair", [modalities]));
                };
                let (there, back) = fork(inner_products(first, second)?);
                let both = add(
                    cross_entropy(there, &diagonal)?,
                    cross_entropy(transpose(back)?, &diagonal)?,
                )?;
                sum = Some(match sum {
                    None => both,
                    Some(sum) => add(sum, both)?,
                });
            }
        }
        let sum = sum.ok_or_else(|| Error::shape("an output to match", "two modalities", [modalities]))?;
        scale(sum, 1.0 / (modalities * (modalities - 1)) as f32)
    }

    fn block(&self) -> Option<NonZeroUsize> {
        Some(self.block)
    }

    fn losses(&self, output: &Array, targets: &Targets) -> Result<Vec<Option<f64>>> {
        let similarities = self.similarities(output)?;
        let batch = output.shape()[0];
        if targets.len() != batch {
            let expected = format!("one row for each of {} samples", targets.len());
            return Err(Error::shape("an output to match", expected, output.shape()));
        }
        let surprise = |row: &[f64], right: usize| {
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|value| (value - largest).exp()).sum();
            largest + sum.ln() - row[right]
        };
        let pairs = similarities.len() as f64;
        let losses = (0..batch).map(|sample| {
            let losses = similarities.iter().map(|rows| surprise(&rows[sample], sample));
            Some(losses.sum::<f64>() / pairs)
        });
        Ok(losses.collect())
    }

    fn scores(&self, output: &Array) -> Result<Vec<Vec<f64>>> {
        let &[_, length] = output.shape() else {
            return Err(Error::shape(
                "an output to match",
                "[batch, width]",
                output.shape(),
            ));
        };
        self.modalities(length)?;
        let rows = output.values().chunks_exact(length);
        Ok(rows
            .map(|row| row.iter().map(|&value| value.into()).collect())
            .collect())
    }

    fn output_of(&self, scores: &[Vec<f64>]) -> Result<Array> {
        Self::rows(scores)
    }

    fn losses_of_scores(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        self.losses(&Self::rows(scores)?, targets)
    }

    fn confidence(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        let losses = self.losses_of_scores(scores, targets)?.into_iter();
        Ok(losses.map(|loss| loss.map(|loss| (-loss).exp())).collect())
    }

    /// Projections of several heads are of different spaces.
    fn pool(&self, _: &[(f64, Option<&[f64]>)]) -> Option<Vec<f64>> {
        None
    }

    fn answer(&self, _: &[f64]) -> Answer {
        Answer::Nothing
    }

    fn metric_kinds(&self) -> &[MetricKind] {
        static KINDS: [MetricKind; 2] = [
            MetricKind::share("recall_at_1", "recall@1"),
            MetricKind::number("info_nce", "InfoNCE", Better::Lower),
        ];
        &KINDS
    }

    fn selection(&self) -> &[usize] {
        &[1]
    }

    /// The share of samples that are the most similar ones of all to themselves in another modality, and the mean loss.
    fn metrics(&self, scores: &[Vec<f64>], losses: &[Option<f64>], _: &Targets) -> Result<Vec<Option<f64>>> {
        if scores.is_empty() {
            return Ok(vec![None, None]);
        }
        let similarities = self.similarities(&Self::rows(scores)?)?;
        let rows = similarities.iter().flat_map(|rows| rows.iter().enumerate());
        let found = rows.clone().filter(|(sample, row)| {
            let others = row.iter().enumerate().filter(|(other, _)| other != sample);
            others.into_iter().all(|(_, &other)| other < row[*sample])
        });
        let recall = found.count() as f64 / rows.count() as f64;
        Ok(vec![Some(recall), gblend_core::objective::mean_of(losses)])
    }

    fn axes(&self) -> Axes {
        Axes::new("sample", "match")
    }

    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        visitor.param(&path.join("sharpness"), (&mut self.sharpness).into())
    }
}

/// Each modality's projection, side by side.
struct Projections {
    layers: Vec<Linear>,
    width: usize,
}

impl FusionModule for Projections {
    fn fused_dim(&self) -> usize {
        self.layers.len() * self.width
    }

    fn fuse(&mut self, inputs: FusionInputs, _: &Pass) -> Result<Features> {
        if inputs.features.len() != self.layers.len() {
            let expected = format!("those of {} modalities", self.layers.len());
            return Err(Error::shape("features", expected, [inputs.features.len()]));
        }
        let parts = self.layers.iter().zip(inputs.features);
        concatenate(
            parts
                .map(|(layer, features)| layer.forward(features))
                .collect::<Result<_>>()?,
        )
    }
}

impl Module for Projections {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        let mut layers = self.layers.iter_mut().enumerate();
        layers.try_for_each(|(modality, layer)| layer.visit_params(&path.join(modality), visitor))
    }
}
