//! Gradient-Blending: weights from how heads overfit and generalize.

mod advice;
mod gradient_batches;
mod number_or_word;
mod policy;
mod probe_epochs;
mod smoothing;

use gblend_core::ogr::{Interval, Movements, ogr};
use gblend_core::{
    Advice, Blend, BlendReport, BlendStrategy, BlendWeights, Error, Estimate, EstimateRequest, Estimator,
    HeadReport, Heads, Result,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use gradient_batches::GradientBatches;
pub use policy::{Covariance, Decision, NoGain, Policy, PolicySettings, Rule};
pub use probe_epochs::ProbeEpochs;
pub use smoothing::Smoothing;

/// A weight above this is worth a word: one head takes all.
const COLLAPSED: f64 = 0.95;

/// Gradient-Blending: each loss weighed by how much its head generalizes for how much it overfits.
///
/// Wang et al., CVPR 2020, section 3, algorithms 1 to 3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ogr {
    /// How heads are measured.
    pub estimator: EstimatorKind,
    /// When they are.
    pub schedule: Timing,
    /// Online: epochs with the first weights.
    pub warmup: usize,
    /// Online: epochs from one estimate to the next after the warm-up. What is left at the end is a shorter
    /// one.
    pub super_epoch: usize,
    /// Share of the training samples that is set aside for estimates: class by class, or whole groups where the
    /// data has groups.
    pub held_out: f64,
    /// Offline: whether those samples are trained on once the estimate is made.
    pub release_held_out: bool,
    /// Epochs that a probe trains, or "auto": that of 2, 5, 10, 20 and 40, but not beyond the run's own, with the
    /// lowest held-out loss of the joint network. "each": for each head that with its own lowest held-out loss.
    pub probe_epochs: ProbeEpochs,
    /// Batches of training and of held-out samples that the gradient estimator looks at, or "auto": eight, of fewer
    /// samples than those of training where the estimate would take more than 15 % of an epoch, but of at least 32.
    pub gradient_batches: GradientBatches,
    /// Where the defaults of the settings below come from.
    pub policy: Policy,
    /// What is assumed of the heads' overfitting.
    pub covariance: Covariance,
    /// What to do if no head gains.
    pub no_gain: NoGain,
    /// Least |ΔO| of a head as a share of the largest; the variance of its measurement comes on top. Default: 0.25
    /// (paper: 0, and no variance).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<f64>,
    /// Least weight of the joint head. Default: 0.15 (paper: 0).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joint_floor: Option<f64>,
    /// Largest weight of any head. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<f64>,
    /// Share of equal weights in the blend, or "adaptive": as much as the error of the estimate calls for, by its resamples.
    /// Default: 0.5 (paper: 0). Where samples are of G < 10 groups and no share is set, 10/(10 + G) at least, unless the
    /// policy is the paper's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smoothing: Option<Smoothing>,
    /// How often an estimate is resampled for the intervals of its figures; 0 for none.
    pub resamples: usize,
}

/// How heads are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EstimatorKind {
    /// Every single-modality network and the joint one train alone for a while, on copies.
    #[default]
    Probe,
    /// Gradients on training and held-out batches; no training.
    Gradient,
}

/// When heads are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Timing {
    /// Once, before training.
    #[default]
    Offline,
    /// Before training, after the warm-up, and every super-epoch from there.
    Online,
}

impl Default for Ogr {
    fn default() -> Self {
        Self {
            estimator: EstimatorKind::default(),
            schedule: Timing::default(),
            warmup: 10,
            super_epoch: 5,
            held_out: 0.2,
            release_held_out: true,
            probe_epochs: ProbeEpochs::default(),
            gradient_batches: GradientBatches::default(),
            policy: Policy::default(),
            covariance: Covariance::default(),
            no_gain: NoGain::default(),
            floor: None,
            joint_floor: None,
            cap: None,
            smoothing: None,
            resamples: 200,
        }
    }
}

impl Ogr {
    /// The settings of the rule from movements to weights.
    pub fn policy_settings(&self) -> PolicySettings {
        PolicySettings {
            policy: self.policy,
            covariance: self.covariance,
            no_gain: self.no_gain,
            floor: self.floor,
            joint_floor: self.joint_floor,
            cap: self.cap,
            smoothing: self.smoothing,
        }
    }

    fn check(&self) -> Result<()> {
        let at_least_one = |key: &str, value: usize| match value {
            0 => Err(Error::setting(key, 0, "at least 1")),
            _ => Ok(()),
        };
        at_least_one("warmup", self.warmup)?;
        at_least_one("super_epoch", self.super_epoch)?;
        let at_most = |key: &str, value: usize, most: usize| {
            if value <= most {
                return Ok(());
            }
            Err(Error::setting(key, value, format!("at most {most}")))
        };
        at_most("resamples", self.resamples, 100_000)?;
        if self.smoothing == Some(Smoothing::Adaptive) && self.resamples < 2 {
            let expected = "at least 2, or smoothing = a share: adaptive smoothing looks at them";
            return Err(Error::setting("resamples", self.resamples, expected));
        }
        if let ProbeEpochs::Fixed(length) = self.probe_epochs {
            at_most("probe_epochs", length, 100_000)?;
        }
        if let GradientBatches::Fixed(number) = self.gradient_batches {
            at_most("gradient_batches", number, 1_000_000)?;
        }
        if let GradientBatches::Fixed(number @ ..GradientBatches::LEAST) = self.gradient_batches {
            let expected = "at least 2, or \"auto\": from one batch nothing can be said about the others";
            return Err(Error::setting("gradient_batches", number, expected));
        }
        if self.held_out > 0.0 && self.held_out < 1.0 {
            Ok(())
        } else {
            let expected = "a share above 0 and below 1: estimates need samples that are not trained on";
            Err(Error::setting("held_out", self.held_out, expected))
        }
    }
}

#[typetag::serde(name = "ogr")]
impl BlendStrategy for Ogr {
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        self.check()?;
        Ok(Box::new(GradientBlending {
            settings: self.clone(),
            heads: heads.clone(),
            rule: self.policy_settings().rule(heads.len())?,
            weights: BlendWeights::equal(heads.len())?,
            estimated: None,
        }))
    }

    fn held_out(&self) -> f64 {
        self.held_out
    }
}

gblend_core::register!(Blend, "ogr" => Ogr);

#[derive(Debug)]
struct GradientBlending {
    settings: Ogr,
    heads: Heads,
    rule: Rule,
    weights: BlendWeights,
    /// The epoch of the last estimate.
    estimated: Option<usize>,
}

/// What a checkpoint keeps.
#[derive(Serialize, Deserialize)]
struct LastEstimate {
    weights: BlendWeights,
    estimated: Option<usize>,
}

impl Blend for GradientBlending {
    fn weights(&self) -> &BlendWeights {
        &self.weights
    }

    fn estimate_due(&self, epoch: usize, epochs: usize) -> Option<EstimateRequest> {
        let settings = &self.settings;
        let due = match settings.schedule {
            Timing::Offline => self.estimated.is_none(),
            Timing::Online => {
                self.estimated != Some(epoch)
                    && (epoch == 0
                        || epoch >= settings.warmup
                            && (epoch - settings.warmup).is_multiple_of(settings.super_epoch))
            }
        };
        (due && epoch < epochs).then(|| EstimateRequest {
            estimator: match settings.estimator {
                EstimatorKind::Probe => Estimator::Probe {
                    epochs: settings.probe_epochs.candidates(epochs),
                    length: settings.probe_epochs.length(),
                },
                EstimatorKind::Gradient => Estimator::Gradient {
                    batches: settings.gradient_batches.number(),
                },
            },
            resamples: settings.resamples,
        })
    }

    fn take_estimate(&mut self, epoch: usize, estimate: &Estimate) -> Result<BlendReport> {
        let (decision, report) = report(&self.rule, &self.heads, estimate, epoch, &self.weights)?;
        self.weights = decision.weights;
        self.estimated = Some(epoch);
        Ok(report)
    }

    fn releases_held_out(&self) -> bool {
        let settings = &self.settings;
        settings.schedule == Timing::Offline && settings.release_held_out && self.estimated.is_some()
    }

    fn advice(&self) -> Advice {
        advice::of(&self.settings, &self.rule)
    }

    fn state(&self) -> serde_json::Value {
        serde_json::json!({ "weights": self.weights, "estimated": self.estimated })
    }

    fn restore(&mut self, state: &serde_json::Value) -> Result<()> {
        let kept: LastEstimate = serde_json::from_value(state.clone())
            .map_err(|error| Error::Strategy(format!("the stored state of `ogr`: {error}")))?;
        if kept.weights.len() != self.heads.len() {
            let (found, expected) = (kept.weights.len(), self.heads.len());
            let problem = format!("the stored state of `ogr` has {found} weights, expected {expected}");
            return Err(Error::Strategy(problem));
        }
        self.weights = kept.weights;
        self.estimated = kept.estimated;
        Ok(())
    }
}

/// Decides on weights, and says how: one entry of a summary's `blends`.
///
/// # Errors
/// As [`Rule::decide`].
pub fn report(
    rule: &Rule,
    heads: &Heads,
    estimate: &Estimate,
    epoch: usize,
    previous: &BlendWeights,
) -> Result<(Decision, BlendReport)> {
    named_report(
        rule,
        heads.names(),
        Some(heads.joint()),
        estimate,
        epoch,
        previous,
    )
}

/// As [`report`], for heads of any names; `joint` is the position of the joint one, if there is one.
///
/// # Errors
/// As [`Rule::decide`].
pub fn named_report(
    rule: &Rule,
    names: &[String],
    joint: Option<usize>,
    estimate: &Estimate,
    epoch: usize,
    previous: &BlendWeights,
) -> Result<(Decision, BlendReport)> {
    let inner_products = estimate.estimator.is_of_inner_products();
    let moved = &estimate.movements;
    if moved.len() != names.len() {
        let expected = format!("movements of {} heads", names.len());
        return Err(Error::shape("an estimate", expected, [moved.len()]));
    }
    let rule = &rule.adapted(estimate, joint, previous);
    let decision = rule.decide(moved, joint, previous, inner_products)?;
    // A resample in which no head gains says that the weights might have stayed.
    let resampled: Vec<(&Movements, Decision)> = estimate
        .resampled
        .iter()
        .filter_map(|moved| Some((moved, rule.decide(moved, joint, previous, inner_products).ok()?)))
        .collect();
    let interval = |figure: &dyn Fn(&Movements, &Decision) -> f64| {
        Interval::of(resampled.iter().map(|(moved, decision)| figure(moved, decision)))
    };
    let finite = |interval: Option<Interval>| interval.filter(|i| i.low.is_finite() && i.high.is_finite());
    let reports = names.iter().enumerate().map(|(k, name)| {
        let ratio = ogr(moved.delta_o[k], moved.delta_g[k]);
        let weight = interval(&|_, decision| decision.weights.as_slice()[k]);
        HeadReport {
            name: name.clone(),
            delta_o: moved.delta_o[k],
            delta_g: moved.delta_g[k],
            ogr: ratio.is_finite().then_some(ratio),
            weight: decision.weights.as_slice()[k],
            delta_o_interval: interval(&|moved, _| moved.delta_o[k]),
            delta_g_interval: interval(&|moved, _| moved.delta_g[k]),
            ogr_interval: finite(interval(&|moved, _| ogr(moved.delta_o[k], moved.delta_g[k]))),
            weight_low: weight.map(|interval| interval.low),
            weight_high: weight.map(|interval| interval.high),
        }
    });
    let report = BlendReport {
        epoch,
        estimator: estimate.estimator,
        probe_epochs: estimate.probe_epochs,
        gradients: estimate.gradients,
        heads: reports.collect(),
        ogr_blend: decision.ogr,
        ogr_blend_interval: finite(Interval::of(
            resampled.iter().filter_map(|(_, decision)| decision.ogr),
        )),
        warnings: warnings(names, &decision, rule, estimate),
    };
    Ok((decision, report))
}

fn warnings(names: &[String], decision: &Decision, rule: &Rule, estimate: &Estimate) -> Vec<String> {
    let mut warnings = Vec::new();
    if let (Some(least), Some(groups)) = (rule.least_smoothing(estimate), estimate.groups)
        && decision.gains
        && rule.smoothing.share() <= least
    {
        warnings.push(format!(
            "samples of {groups} say little about the next one: the blend is {:.0} % equal weights; blend.smoothing sets another share",
            100.0 * least
        ));
    }
    if !decision.gains {
        warnings.push(
            "no head gains on the held-out samples, so the weights are what no_gain says; shorter probes may help"
                .to_owned(),
        );
    }
    for &head in &rule.undecided {
        warnings.push(format!(
            "`{}` has neither gained nor overfitted beyond the error of its measurement: it has nothing to learn, or has not begun \
             to; it keeps an equal share, and longer probes (probe_epochs = \"each\") would tell",
            names[head]
        ));
    }
    let keeps = match rule.policy {
        Policy::Paper => "policy = \"robust\", or floor, cap and joint_floor, keep them going",
        Policy::Robust => "floor, cap, smoothing and joint_floor keep them going",
    };
    for (name, &weight) in names.iter().zip(decision.weights.as_slice()) {
        if weight > COLLAPSED {
            warnings.push(format!(
                "`{name}` takes {:.1} % of the weight and the other heads are hardly trained; {keeps}",
                100.0 * weight
            ));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::Measurement;
    use gblend_core::ogr::Symmetric;

    fn heads() -> Heads {
        Heads::new(["a".to_owned(), "b".to_owned()]).unwrap()
    }

    fn estimate(delta_o: [f64; 3], delta_g: [f64; 3]) -> Estimate {
        Estimate {
            estimator: Measurement::Probe,
            probe_epochs: Some(2),
            gradients: None,
            movements: Movements {
                delta_o: delta_o.to_vec(),
                delta_g: delta_g.to_vec(),
                covariance: Symmetric::zeros(3),
            },
            resampled: Vec::new(),
            groups: None,
        }
    }

    #[test]
    fn weights_survive_a_checkpoint() {
        let mut blend = Ogr::default().start(&heads()).unwrap();
        blend
            .take_estimate(0, &estimate([0.5, 0.1, 0.3], [0.1, 0.4, 0.5]))
            .unwrap();
        let mut resumed = Ogr::default().start(&heads()).unwrap();
        assert_ne!(resumed.weights(), blend.weights());
        resumed.restore(&blend.state()).unwrap();
        assert_eq!(resumed.weights(), blend.weights());
        // Nor is the estimate made again.
        assert!(resumed.estimate_due(0, 20).is_none());
    }

    #[test]
    fn estimates_are_due_before_training_after_the_warm_up_and_every_super_epoch() {
        let due = |settings: Ogr| -> Vec<usize> {
            let blend = settings.start(&heads()).unwrap();
            (0..45)
                .filter(|&epoch| blend.estimate_due(epoch, 45).is_some())
                .collect()
        };
        let online = Ogr {
            schedule: Timing::Online,
            ..Ogr::default()
        };
        // The paper's 45 epochs: 10 with the first weights, then every 5.
        assert_eq!(due(online), [0, 10, 15, 20, 25, 30, 35, 40]);
    }

    #[test]
    fn a_head_that_takes_nearly_all_the_weight_is_worth_a_warning() {
        let settings = Ogr {
            policy: Policy::Paper,
            ..Ogr::default()
        };
        let mut blend = settings.start(&heads()).unwrap();
        let report = blend
            .take_estimate(0, &estimate([0.001, 0.5, 0.5], [0.4, 0.4, 0.5]))
            .unwrap();
        assert!(
            report
                .warnings
                .iter()
                .any(|warning| warning.contains("`a` takes")),
            "{report:?}"
        );
        let report = blend
            .take_estimate(0, &estimate([0.5, 0.5, 0.5], [0.4, 0.4, 0.5]))
            .unwrap();
        assert!(report.warnings.is_empty());
    }
}
