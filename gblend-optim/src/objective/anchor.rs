//! An encoder is to stay near another, frozen one.

use std::path::PathBuf;

use gblend_core::nn::{RowIndex, concatenate, fork, mean, multiply, offset, scale, sum_axis, take_rows};
use gblend_core::params::{Module, ParamPath, ParamVisitor};
use gblend_core::tensor::{Features, Logits, Loss, reshape};
use gblend_core::{
    Answer, Array, Axes, Better, Criterion, Error, FusionContext, FusionInputs, FusionModule, Look,
    MetricKind, Objective, ObjectiveContext, Pass, Reference, Result, Targets,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::contrast::{Directions, check_own, likelihoods, losses_of_rows, rows_of, scores_of, unit_rows};

/// What an encoder knew is to stay: its feature vector of a sample keeps the direction that a frozen encoder gives it, for a
/// modality's own head. It needs no label.
///
/// The loss is 1 less the cosine between the two. It begins at 0 where the frozen encoder is the one that training begins
/// with, so that no strategy can measure what it gains: its head has a fixed share of the blend. Told is the mean cosine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Anchor {
    /// The share of the blend that the head has, above 0 and below 1.
    pub share: f64,
    /// The frozen encoder: `"initial"`, the one that training begins with, pre-trained or not; or `{ run = "…" }`, that of the
    /// modality of the same name in the folder of another run, relative to the configuration's.
    pub to: AnchoredTo,
}

/// The frozen encoder that another is to stay near.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnchoredTo {
    /// The one that training begins with.
    #[default]
    Initial,
    /// That of the same modality in this run.
    Run(PathBuf),
}

impl Default for Anchor {
    fn default() -> Self {
        Self {
            share: 0.1,
            to: AnchoredTo::default(),
        }
    }
}

#[typetag::serde(name = "anchor")]
impl Objective for Anchor {
    fn start(&self, cx: &ObjectiveContext<'_>) -> Result<Box<dyn Criterion>> {
        check_own(cx, "anchor")?;
        if !(self.share > 0.0 && self.share < 1.0) {
            return Err(Error::setting("share", self.share, "a share above 0 and below 1"));
        }
        Ok(Box::new(Nearness))
    }

    fn needs_label(&self) -> bool {
        false
    }

    fn look(&self) -> Look {
        Look::BesideReference(match &self.to {
            AnchoredTo::Initial => Reference::Initial,
            AnchoredTo::Run(folder) => Reference::Run(folder.clone()),
        })
    }

    fn share(&self) -> Option<f64> {
        Some(self.share)
    }
}

gblend_core::register!(Objective, "anchor" => Anchor);

static METRICS: [MetricKind; 1] = [MetricKind::number(
    "anchor_cosine",
    "cosine to the anchor",
    Better::Higher,
)];

/// What stands for the length of an output that is not known: a head of its own decides it.
const ANY: usize = 8;

/// The loss. Outputs are both feature vectors, `[batch, 2 × feature_dim]`; they are the scores, too.
struct Nearness;

impl Nearness {
    /// Half of the width of outputs, which have a row for each sample.
    fn half(shape: &[usize], samples: usize) -> Result<usize> {
        match *shape {
            [rows, width] if rows == samples && width > 0 && width.is_multiple_of(2) => Ok(width / 2),
            _ => {
                let expected = format!("[{samples}, 2 × features]");
                Err(Error::shape(
                    "features beside those of a frozen encoder",
                    expected,
                    shape,
                ))
            }
        }
    }

    fn cosines(output: &Array, samples: usize) -> Result<Vec<f64>> {
        let half = Self::half(output.shape(), samples)?;
        let rows: Vec<usize> = (0..samples).collect();
        let [features, frozen] = [0, half].map(|from| Directions::of(output, &rows, from, half));
        Ok(features.with_each(&frozen))
    }
}

impl Criterion for Nearness {
    fn width(&self) -> usize {
        ANY
    }

    fn own_head(&self, cx: &FusionContext<'_>) -> Result<Option<Box<dyn FusionModule>>> {
        Ok(Some(Box::new(SideBySide {
            lengths: cx.feature_dims.to_vec(),
        })))
    }

    fn loss(&mut self, output: Logits, targets: &Targets) -> Result<Loss> {
        let &(samples, width) = output.shape();
        let half = Self::half(&[samples, width], targets.len())?;
        let device = output.device();
        let rows = unit_rows(reshape(output, (2 * samples, half))?)?;
        let (rows, others) = fork(rows);
        let every_second =
            |first: usize| RowIndex::new(&device, (0..samples).map(|row| 2 * row + first).collect());
        let features = take_rows(rows, &every_second(0)?)?;
        let frozen = take_rows(others, &every_second(1)?)?;
        let cosines = sum_axis(multiply(features, frozen)?, 1)?;
        offset(scale(mean(cosines)?, -1.0)?, 1.0)
    }

    fn losses(&self, output: &Array, targets: &Targets) -> Result<Vec<Option<f64>>> {
        let cosines = Self::cosines(output, targets.len())?;
        Ok(cosines.into_iter().map(|cosine| Some(1.0 - cosine)).collect())
    }

    fn scores(&self, output: &Array) -> Result<Vec<Vec<f64>>> {
        let samples = output.shape().first().copied().unwrap_or(0);
        Self::half(output.shape(), samples)?;
        Ok(scores_of(output))
    }

    fn output_of(&self, scores: &[Vec<f64>]) -> Result<Array> {
        rows_of(scores)
    }

    fn losses_of_scores(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        losses_of_rows(self, scores, targets)
    }

    fn confidence(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        Ok(likelihoods(self.losses_of_scores(scores, targets)?))
    }

    /// Features of several modalities are of different spaces.
    fn pool(&self, _: &[(f64, Option<&[f64]>)]) -> Option<Vec<f64>> {
        None
    }

    fn answer(&self, _: &[f64]) -> Answer {
        Answer::Nothing
    }

    fn metric_kinds(&self) -> &[MetricKind] {
        &METRICS
    }

    fn metrics(&self, scores: &[Vec<f64>], _: &[Option<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        let losses: Vec<f64> = self
            .losses_of_scores(scores, targets)?
            .into_iter()
            .flatten()
            .collect();
        let mean = losses.iter().sum::<f64>() / losses.len().max(1) as f64;
        Ok(vec![(!losses.is_empty()).then_some(1.0 - mean)])
    }

    fn axes(&self) -> Axes {
        Axes::new("frozen features", "features")
    }
}

/// Both feature vectors as they are.
struct SideBySide {
    lengths: Vec<usize>,
}

impl FusionModule for SideBySide {
    fn fused_dim(&self) -> usize {
        self.lengths.iter().sum()
    }

    fn fuse(&mut self, inputs: FusionInputs, _: &Pass) -> Result<Features> {
        concatenate(inputs.features_of("features beside those of a frozen encoder", &self.lengths)?)
    }
}

impl Module for SideBySide {
    fn visit_params(&mut self, _: &ParamPath, _: &mut dyn ParamVisitor) -> Result<()> {
        Ok(())
    }
}
