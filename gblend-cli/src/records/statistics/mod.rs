//! Means over seeds and test samples, their confidence intervals, and differences seed by seed.

mod parts;
mod samples;
mod settles;
mod students_t;
mod tested_on;
mod weights;

#[cfg(test)]
mod coverage;
#[cfg(test)]
mod tests;

use gblend_core::{MetricFormat, MetricKind};
use serde::{Deserialize, Serialize};

pub use parts::VarianceParts;
use parts::quantile;
pub use samples::SampleFigures;
pub use settles::{Settles, most_seeds};
pub use tested_on::TestedOn;
use weights::Weights;

/// The fewest seeds that a difference is marked with. Two give an interval that says next to nothing: its width is 12.7 times
/// the deviation of the mean, and a deviation of two values is often near 0 by chance.
pub const LEAST_SEEDS: usize = 3;

/// Differences of shares below this, 0.2 points, are next to none; of other figures, below this part of them.
const LEAST_DIFFERENCE: f64 = 0.002;

/// The main figure of a run, and what it is the mean of where that is known.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The figure.
    pub figure: f64,
    /// How much it counts beside those of other seeds: of folds, the samples that were tested, so that each sample counts alike;
    /// else 1.
    pub weight: f64,
    /// Sample by sample.
    pub samples: Option<&'a SampleFigures>,
}

impl<'a> Measured<'a> {
    /// The figure that is the mean of those of samples.
    pub fn of(samples: &'a SampleFigures) -> Self {
        Self {
            figure: samples.mean(),
            weight: 1.0,
            samples: Some(samples),
        }
    }
}

impl From<f64> for Measured<'_> {
    fn from(figure: f64) -> Self {
        Self {
            figure,
            weight: 1.0,
            samples: None,
        }
    }
}

/// A mean over seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Half the width of its 95 % confidence interval.
    pub ci95: Option<f64>,
    /// What the interval is made of; `None` where it is over seeds alone.
    pub parts: Option<VarianceParts>,
}

/// A difference of the main figure between two rows over the seeds that both have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The row that was subtracted.
    pub to: String,
    /// The mean.
    pub mean: f64,
    /// Half the width of its 95 % confidence interval by Student's t; absent with one seed where nothing is known of samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci95: Option<f64>,
    /// Whether the interval leaves out 0, with three seeds at least.
    pub significant: bool,
    /// What the interval is made of; absent where it is over seeds alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<VarianceParts>,
    /// What would settle it, if it is not significant; absent with one seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settles: Option<Settles>,
    /// The two-sided p-value of no difference, at least 1e-6, not corrected for the number of differences; absent as `ci95` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
}

/// The mean, and half the width of its 95 % confidence interval by Student's t, which two values have at least.
///
/// Values over seeds are few and their deviation is estimated from them, so a normal interval would be too narrow: with
/// five seeds by a factor of 1.4. What other test samples would have found is not in it.
pub fn mean_and_ci95(values: &[f64]) -> (f64, Option<f64>) {
    let parts = Weights::equal(values.len());
    let mean = parts.mean(values);
    let half = parts
        .variance_of_mean(values)
        .and_then(|variance| Some(quantile(parts.freedom())? * variance.sqrt()));
    (mean, half)
}

/// The mean of a figure over seeds with its interval, for other seeds and other test samples.
pub fn estimate(runs: &[Measured<'_>], kind: &MetricKind) -> Estimate {
    let seeds = runs.iter().map(|run| (run.figure, run.weight, [(1.0, *run)]));
    of_seeds(seeds, kind)
}

/// The difference of figures that belong together pair by pair, such as accuracies with the same seed. It is significant
/// with three pairs at least.
pub fn difference<'a, M: Into<Measured<'a>>>(
    to: &str,
    pairs: impl IntoIterator<Item = (M, M)>,
    kind: &MetricKind,
    tested_on: TestedOn,
) -> Option<Difference> {
    let pairs: Vec<(Measured<'_>, Measured<'_>)> = pairs
        .into_iter()
        .map(|(run, other)| (run.into(), other.into()))
        .collect();
    if pairs.is_empty() {
        return None;
    }
    let Estimate { mean, ci95, parts } = of_pairs(&pairs, kind);
    let significant = pairs.len() >= LEAST_SEEDS && ci95.is_some_and(|ci95| mean.abs() > ci95);
    let least = match kind.format {
        MetricFormat::Percent => LEAST_DIFFERENCE,
        _ => {
            let size: f64 = pairs.iter().map(|(_, other)| other.figure.abs()).sum();
            LEAST_DIFFERENCE * size / pairs.len() as f64
        }
    };
    let half_width = |parts: &VarianceParts| bounded(parts.half_width(), kind);
    let alone = || seeds_alone(&pairs);
    let p = ci95
        .and(parts.clone().or_else(alone))
        .and_then(|parts| parts.p_value(mean));
    let open = parts.clone().or_else(alone).filter(|_| !significant);
    let settles = open.and_then(|parts| settles::settles(mean, least, &parts, tested_on, half_width));
    Some(Difference {
        to: to.to_owned(),
        mean,
        ci95,
        significant,
        parts,
        settles,
        p,
    })
}

fn of_pairs(pairs: &[(Measured<'_>, Measured<'_>)], kind: &MetricKind) -> Estimate {
    let seeds = pairs.iter().map(|(run, other)| {
        let weight = f64::midpoint(run.weight, other.weight);
        (run.figure - other.figure, weight, [(1.0, *run), (-1.0, *other)])
    });
    of_seeds(seeds, kind)
}

/// The parts of a difference where nothing is known of samples.
fn seeds_alone(pairs: &[(Measured<'_>, Measured<'_>)]) -> Option<VarianceParts> {
    let figures: Vec<f64> = pairs
        .iter()
        .map(|(run, other)| run.figure - other.figure)
        .collect();
    let weights = Weights::of(
        pairs
            .iter()
            .map(|(run, other)| f64::midpoint(run.weight, other.weight)),
    );
    let of_seeds = weights.variance_of_mean(&figures);
    Some(VarianceParts {
        seed_freedom: weights.unequal_freedom(),
        seeds: figures.len(),
        samples: 0,
        groups: None,
        few_groups: None,
        of_seeds: Some(of_seeds?),
        of_samples: 0.0,
        of_these_seeds: 0.0,
        sample_freedom: 1.0,
    })
}

/// The mean of what seeds found, each as a sum of runs with their signs.
fn of_seeds<'a, const RUNS: usize>(
    seeds: impl Iterator<Item = (f64, f64, [(f64, Measured<'a>); RUNS])> + Clone,
    kind: &MetricKind,
) -> Estimate {
    let figures: Vec<f64> = seeds.clone().map(|(figure, ..)| figure).collect();
    let weights = Weights::of(seeds.clone().map(|(_, weight, _)| weight));
    let mean = weights.mean(&figures);
    let over_seeds = weights
        .variance_of_mean(&figures)
        .and_then(|variance| Some(quantile(weights.freedom())? * variance.sqrt()));
    let known = seeds.map(|(figure, _, runs)| {
        let runs = runs.into_iter().map(|(sign, run)| Some((sign, run.samples?)));
        Some((figure, runs.collect::<Option<Vec<_>>>()?))
    });
    let parts = known
        .collect::<Option<Vec<_>>>()
        .and_then(|seeds| samples::parts(&seeds, &weights));
    let ci95 = match &parts {
        Some(parts) => bounded(parts.half_width(), kind),
        None => over_seeds,
    };
    Estimate {
        mean,
        parts: parts.filter(|_| ci95.is_some()),
        ci95,
    }
}

/// Of shares an interval says nothing more beyond 100 points.
fn bounded(half: Option<f64>, kind: &MetricKind) -> Option<f64> {
    half.map(|half| match kind.format {
        MetricFormat::Percent => half.min(1.0),
        _ => half,
    })
}
