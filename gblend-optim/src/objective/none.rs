//! A modality that is asked nothing of its own.

use gblend_core::nn::{scale, sum};
use gblend_core::tensor::{Logits, Loss};
use gblend_core::{
    Answer, Array, Axes, Better, Criterion, Error, MetricKind, Objective, ObjectiveContext, Result, Targets,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::contrast::{check_own, rows_of};

/// Nothing is asked of the modality by itself: its encoder learns from the joint head alone, and its own head is never trained.
/// It needs no label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Nothing {}

#[typetag::serde(name = "none")]
impl Objective for Nothing {
    fn start(&self, cx: &ObjectiveContext<'_>) -> Result<Box<dyn Criterion>> {
        check_own(cx, "none")?;
        Ok(Box::new(Unasked))
    }

    fn needs_label(&self) -> bool {
        false
    }

    fn share(&self) -> Option<f64> {
        Some(0.0)
    }
}

gblend_core::register!(Objective, "none" => Nothing);

static METRICS: [MetricKind; 1] = [MetricKind::number("nothing", "nothing", Better::Higher)];

/// A loss of 0, whatever the output is.
struct Unasked;

impl Unasked {
    fn check(shape: &[usize], samples: usize) -> Result<()> {
        match *shape {
            [rows, 1] if rows == samples => Ok(()),
            _ => Err(Error::shape(
                "the output of a head that is asked nothing",
                format!("[{samples}, 1]"),
                shape,
            )),
        }
    }
}

impl Criterion for Unasked {
    fn width(&self) -> usize {
        1
    }

    fn loss(&mut self, output: Logits, targets: &Targets) -> Result<Loss> {
        let &(rows, width) = output.shape();
        Self::check(&[rows, width], targets.len())?;
        scale(sum(output)?, 0.0)
    }

    fn losses(&self, output: &Array, targets: &Targets) -> Result<Vec<Option<f64>>> {
        Self::check(output.shape(), targets.len())?;
        Ok(vec![Some(0.0); targets.len()])
    }

    fn scores(&self, output: &Array) -> Result<Vec<Vec<f64>>> {
        Self::check(output.shape(), output.shape().first().copied().unwrap_or(0))?;
        Ok(output.values().iter().map(|&value| vec![value.into()]).collect())
    }

    fn output_of(&self, scores: &[Vec<f64>]) -> Result<Array> {
        rows_of(scores)
    }

    fn losses_of_scores(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        match scores.len() == targets.len() {
            true => Ok(vec![Some(0.0); targets.len()]),
            false => Err(Error::shape(
                "scores",
                format!("{}", targets.len()),
                [scores.len()],
            )),
        }
    }

    fn confidence(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        self.losses_of_scores(scores, targets)
    }

    fn pool(&self, _: &[(f64, Option<&[f64]>)]) -> Option<Vec<f64>> {
        None
    }

    fn answer(&self, _: &[f64]) -> Answer {
        Answer::Nothing
    }

    fn metric_kinds(&self) -> &[MetricKind] {
        &METRICS
    }

    fn metrics(&self, _: &[Vec<f64>], _: &[Option<f64>], _: &Targets) -> Result<Vec<Option<f64>>> {
        Ok(vec![None])
    }

    fn axes(&self) -> Axes {
        Axes::new("nothing", "nothing")
    }
}
