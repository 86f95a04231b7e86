//! Estimates of how heads overfit and generalize: what a strategy asks for, and what it gets.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ogr::{Interval, Movements};
use crate::sample_size::EffectiveGroups;

/// An estimate that a strategy wants before the next epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EstimateRequest {
    /// How to make it.
    pub estimator: Estimator,
    /// How many times to resample it, for intervals.
    pub resamples: usize,
}

/// How the movement of heads is measured. Both work on copies: the live network, its optimizer and its
/// random streams are the same to the bit afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Estimator {
    /// The paper's GB_Estimate: each single-modality network, and the naive joint one, starts from the live
    /// parameters and trains alone; losses before and after are taken in evaluation mode.
    Probe {
        /// Lengths to try, in epochs, in ascending order.
        epochs: Vec<usize>,
        /// Which of them counts.
        length: ProbeLength,
    },
    /// Proposition 1 evaluated at the live parameters: gradients of each head on training and held-out
    /// batches. No training.
    Gradient {
        /// Batches of each, of as many samples as a training step has; `None` for as many samples as cost little beside
        /// an epoch.
        batches: Option<usize>,
    },
}

/// Which of several lengths of probes counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProbeLength {
    /// The one with the lowest held-out loss of the joint network, for all heads.
    #[default]
    Joint,
    /// For each head the one with its own lowest held-out loss: a probe goes on until that turns, so that a head that
    /// learns slowly is not judged before it has learned.
    Each,
}

impl Estimator {
    /// What its estimates are.
    pub fn measurement(&self) -> Measurement {
        match self {
            Self::Probe { .. } => Measurement::Probe,
            Self::Gradient { .. } => Measurement::Gradient,
        }
    }
}

/// What the movements of an estimate were taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measurement {
    /// Losses before and after a probe.
    Probe,
    /// Inner products of gradients.
    Gradient,
    /// Losses at two points of curves that were logged elsewhere.
    Curves,
}

impl Measurement {
    /// `probe`, `gradient` or `curves`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Gradient => "gradient",
            Self::Curves => "curves",
        }
    }

    /// Whether movements are inner products, of a step that nobody takes. Their covariance is that of steps, and
    /// belongs to `σ² = E[o²]` of the paper's Proposition 1; that of losses is the error of the measurement.
    pub fn is_of_inner_products(self) -> bool {
        self == Self::Gradient
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the heads moved, or would.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// What it was taken from.
    pub estimator: Measurement,
    /// The length of the probes in epochs.
    pub probe_epochs: Option<usize>,
    /// What the gradient estimator looked at.
    pub gradients: Option<GradientSamples>,
    /// The movement of each head.
    pub movements: Movements,
    /// The same from resampled samples or batches; may be empty.
    pub resampled: Vec<Movements>,
    /// How many groups the samples are of that it measures on, those of training or the held-out ones, whichever are fewer: all
    /// samples of one speaker tell little about another. Absent where samples are of no groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<EffectiveGroups>,
}

/// What gradients were taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientSamples {
    /// Batches of training samples.
    pub batches: usize,
    /// Training samples in all of them.
    pub train: usize,
    /// Held-out samples.
    pub held_out: usize,
}

/// What a strategy made of an estimate: one entry of `blends` in a run's summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlendReport {
    /// Epochs trained before the estimate.
    pub epoch: usize,
    /// What the estimate was taken from.
    pub estimator: Measurement,
    /// The length of the probes in epochs, the longest of them where each head has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_epochs: Option<usize>,
    /// What the gradient estimator looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradients: Option<GradientSamples>,
    /// Each head, the joint one last.
    pub heads: Vec<HeadReport>,
    /// The predicted OGR of the blend; absent if no head gains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ogr_blend: Option<f64>,
    /// Where it lies with 95 % of the resamples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ogr_blend_interval: Option<Interval>,
    /// What the user should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One head of a [`BlendReport`]. Intervals are absent where nothing was resampled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadReport {
    /// Its name.
    pub name: String,
    /// `ΔO`: how much more it overfits.
    pub delta_o: f64,
    /// `ΔG`: how much better it generalizes.
    pub delta_g: f64,
    /// `|ΔO / ΔG|`; absent where it is not finite.
    pub ogr: Option<f64>,
    /// The weight that it gets.
    pub weight: f64,
    /// Where `ΔO` lies with 95 % of the resamples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_o_interval: Option<Interval>,
    /// Where `ΔG` lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_g_interval: Option<Interval>,
    /// Where the ratio lies; absent where an end is not finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ogr_interval: Option<Interval>,
    /// The low end of the weight's interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_low: Option<f64>,
    /// The high end of the weight's interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_high: Option<f64>,
}
