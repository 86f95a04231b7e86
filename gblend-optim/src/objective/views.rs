//! Two augmentations of a sample are to be found among those of other samples.

use std::num::NonZeroUsize;

use gblend_core::nn::{Mlp, Negatives, concatenate};
use gblend_core::params::{Module, ParamPath, ParamVisitor};
use gblend_core::tensor::{Features, Logits, Loss, reshape};
use gblend_core::{
    Answer, Array, Axes, Criterion, Error, FusionContext, FusionInputs, FusionModule, Look, MetricKind,
    Objective, ObjectiveContext, Pass, Result, Sameness, Targets,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::contrast::{
    BuiltTemperature, Contrast, Directions, Temperature, check_own, check_sizes, likelihoods, losses_of_rows,
    rows_of, scores_of, surprise, unit_rows,
};

/// What a modality knows without labels or other modalities: two augmentations of a sample are to be found among those of a
/// batch, NT-Xent for a modality's own head. It needs no label.
///
/// Chen, Kornblith, Norouzi, Hinton, "A Simple Framework for Contrastive Learning of Visual Representations" (SimCLR), ICML
/// 2020, equation 1. The modality has to augment: pictures by `augment`, texts by `augment.delete`. In training, the joint
/// head sees the first of the two augmentations. Told is the share of augmentations to which the other one of their sample is
/// the nearest of all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Views {
    /// Length of the projection that is compared.
    pub width: usize,
    /// Widths of the layers between feature vector and projection.
    pub hidden: Vec<usize>,
    /// What similarities are divided by.
    pub temperature: Temperature,
    /// What makes two samples the same, so that neither is a wrong answer for the other: `"sample"` (nothing), `"text"`,
    /// `"label"`, `{ column = "…" }`. For texts of which several are equal, `"text"`.
    pub same: Sameness,
    /// Samples among which a loss is measured in evaluation and in estimates by probes, since it depends on their number.
    pub block: NonZeroUsize,
}

impl Default for Views {
    fn default() -> Self {
        Self {
            width: 64,
            hidden: vec![128],
            temperature: Temperature {
                start: 0.2,
                learned: false,
                ..Temperature::default()
            },
            same: Sameness::Sample,
            block: NonZeroUsize::MIN.saturating_add(127),
        }
    }
}

#[typetag::serde(name = "views")]
impl Objective for Views {
    fn start(&self, cx: &ObjectiveContext<'_>) -> Result<Box<dyn Criterion>> {
        check_own(cx, "views")?;
        check_sizes(self.width, &self.hidden)?;
        if self.block.get() < 2 {
            return Err(Error::setting(
                "block",
                self.block,
                "at least 2: among one there is nothing else to find",
            ));
        }
        Ok(Box::new(TwoViews {
            width: self.width,
            hidden: self.hidden.clone(),
            block: self.block,
            same: self.same.clone(),
            temperature: self.temperature.build(cx.device)?,
        }))
    }

    fn needs_label(&self) -> bool {
        false
    }

    fn look(&self) -> Look {
        Look::TwoAugmentations
    }

    fn sameness(&self) -> Sameness {
        self.same.clone()
    }
}

gblend_core::register!(Objective, "views" => Views);

static METRICS: [MetricKind; 1] = [MetricKind::share("view_recall_at_1", "view recall@1")];

/// The loss. Outputs are the projections of both augmentations, `[batch, 2 × width]`; they are the scores, too.
struct TwoViews {
    width: usize,
    hidden: Vec<usize>,
    block: NonZeroUsize,
    same: Sameness,
    temperature: BuiltTemperature,
}

impl TwoViews {
    /// The number of samples of a batch, which has a row for each.
    fn samples(&self, shape: &[usize], targets: &Targets) -> Result<usize> {
        match *shape {
            [samples, width] if width == 2 * self.width && samples == targets.len() => Ok(samples),
            _ => {
                let expected = format!("[{}, {}]", targets.len(), 2 * self.width);
                Err(Error::shape("two augmentations of each sample", expected, shape))
            }
        }
    }

    /// Of both augmentations of each sample, one after the other.
    fn negatives(&self, targets: &Targets) -> Negatives {
        let identities = targets.identities(&self.same);
        Negatives::of_each_other(
            identities.map(|numbers| numbers.iter().flat_map(|&number| [number; 2]).collect()),
        )
    }

    /// Both augmentations of each sample, one after the other.
    fn directions(&self, output: &Array) -> Result<Directions> {
        let rows: Vec<usize> = (0..output.shape().first().map_or(0, |rows| 2 * rows)).collect();
        let output = Array::new([rows.len(), self.width], output.values().to_vec())?;
        Ok(Directions::of(&output, &rows, 0, self.width))
    }

    /// Whether the other augmentation of a sample is the nearest, in the mean of both.
    fn found(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<f64>> {
        let output = rows_of(scores)?;
        if scores.is_empty() {
            return Ok(Vec::new());
        }
        self.samples(output.shape(), targets)?;
        let directions = self.directions(&output)?;
        let negatives = self.negatives(targets);
        let found = directions.compared(&directions, |one, cosines| {
            let right = one ^ 1;
            let mut others = cosines.iter().enumerate();
            let nearest = others.all(|(other, &cosine)| {
                other == right || negatives.leave_out(one, right, other) || cosine < cosines[right]
            });
            f64::from(u8::from(nearest))
        });
        Ok(found
            .chunks_exact(2)
            .map(|both| (both[0] + both[1]) / 2.0)
            .collect())
    }
}

/// The loss of a guess among both augmentations of all samples but the one that is looked at.
fn guess(samples: usize) -> f64 {
    ((2 * samples.max(1) - 1) as f64).ln()
}

impl Criterion for TwoViews {
    fn width(&self) -> usize {
        2 * self.width
    }

    fn own_head(&self, cx: &FusionContext<'_>) -> Result<Option<Box<dyn FusionModule>>> {
        let &[length, other] = cx.feature_dims else {
            return Err(Error::shape(
                "feature vectors of augmentations",
                "two of one length",
                cx.feature_dims,
            ));
        };
        if length != other {
            return Err(Error::shape(
                "feature vectors of augmentations",
                "two of one length",
                cx.feature_dims,
            ));
        }
        let sizes = [&[length], &self.hidden[..], &[self.width]].concat();
        Ok(Some(Box::new(Projection {
            layers: Mlp::new(cx.device, &sizes, 0.0, cx.seed.derive("projection"))?,
            length,
            width: self.width,
        })))
    }

    fn loss(&mut self, output: Logits, targets: &Targets) -> Result<Loss> {
        let &(batch, width) = output.shape();
        let samples = self.samples(&[batch, width], targets)?;
        if samples < 2 {
            let problem = format!(
                "{samples} sample whose augmentations are to be told from those of others, expected at least 2: run.batch_size \
                 has to be above 1"
            );
            return Err(Error::data("a batch", problem));
        }
        let rights: Vec<usize> = (0..2 * samples).map(|one| one ^ 1).collect();
        let weights = vec![(0.5 / samples as f64) as f32; 2 * samples];
        let contrast = Contrast {
            rights: &rights,
            negatives: &self.negatives(targets),
            weights: &weights,
        };
        let rows = unit_rows(reshape(output, (2 * samples, self.width))?)?;
        let (rows, others) = gblend_core::nn::fork(rows);
        contrast.loss(self.temperature.divide(rows)?, others)
    }

    fn block(&self) -> Option<NonZeroUsize> {
        Some(self.block)
    }

    fn chance(&self, samples: usize) -> f64 {
        guess(samples.max(2))
    }

    fn losses(&self, output: &Array, targets: &Targets) -> Result<Vec<Option<f64>>> {
        self.samples(output.shape(), targets)?;
        let temperature = self.temperature.value();
        let directions = self.directions(output)?;
        let negatives = self.negatives(targets);
        let each = directions.compared(&directions, |one, cosines| {
            surprise(cosines, temperature, one, one ^ 1, &negatives)
        });
        Ok(each
            .chunks_exact(2)
            .map(|both| Some((both[0] + both[1]) / 2.0))
            .collect())
    }

    fn scores(&self, output: &Array) -> Result<Vec<Vec<f64>>> {
        let &[samples, width] = output.shape() else {
            return Err(Error::shape(
                "two augmentations of each sample",
                "[batch, width]",
                output.shape(),
            ));
        };
        if width != 2 * self.width {
            let expected = format!("[batch, {}]", 2 * self.width);
            return Err(Error::shape(
                "two augmentations of each sample",
                expected,
                [samples, width],
            ));
        }
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

    /// Projections of several heads are of different spaces.
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
        let found = self.found(scores, targets)?;
        let mean = found.iter().sum::<f64>() / found.len().max(1) as f64;
        Ok(vec![(!found.is_empty()).then_some(mean)])
    }

    fn main_figure_of_each(
        &self,
        scores: &[Vec<f64>],
        _: &[Option<f64>],
        targets: &Targets,
    ) -> Result<Option<Vec<Option<f64>>>> {
        Ok(Some(self.found(scores, targets)?.into_iter().map(Some).collect()))
    }

    fn axes(&self) -> Axes {
        Axes::new("augmentation", "nearest")
    }

    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.temperature.visit_params(path, visitor)
    }
}

/// One projection of both augmentations, side by side.
struct Projection {
    layers: Mlp,
    length: usize,
    width: usize,
}

impl FusionModule for Projection {
    fn fused_dim(&self) -> usize {
        2 * self.width
    }

    fn fuse(&mut self, inputs: FusionInputs, pass: &Pass) -> Result<Features> {
        let features = inputs.features_of("a projection of augmentations", &[self.length; 2])?;
        let projections = features
            .into_iter()
            .map(|features| self.layers.forward(features, pass));
        concatenate(projections.collect::<Result<_>>()?)
    }
}

impl Module for Projection {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.layers.visit_params(path, visitor)
    }
}
