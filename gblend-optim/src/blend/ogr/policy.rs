//! From measured movements to weights.
//!
//! The raw estimate, `w_k ∝ ΔG_k / ΔO_k²`, is the paper's. It is noisy where heads move little: a ratio of small
//! differences, squared. [`Policy::Robust`] steadies it in five ways, each a setting of its own: a floor under `ΔO`
//! and its sampling variance, a little of the equal weights, a cap, and a floor under the joint head's weight,
//! without which the head that predicts is not trained. Of the equal weights there are more where samples are of few
//! groups: what a probe finds on one held-out speaker may be that speaker's.

use gblend_core::ogr::{BlendError, Interval, Movements, Symmetric, blend_non_negative, ogr_of_blend};
use gblend_core::{BlendWeights, Error, Estimate, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::smoothing::Smoothing;

/// Which defaults the settings of the estimate have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// The paper's raw estimate: no floor, no cap, no smoothing.
    Paper,
    /// Steadied where the raw estimate is noise.
    #[default]
    Robust,
}

/// What is assumed of the heads' overfitting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Covariance {
    /// Uncorrelated, as in the paper's Proposition 1.
    #[default]
    Diagonal,
    /// Correlated, as measured.
    Full,
}

/// What to do if no head gains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoGain {
    /// Keep the weights there were; at first those are equal.
    #[default]
    Keep,
    /// The same weight for every head.
    Equal,
    /// Stop.
    Error,
}

/// The settings of a rule; what is not set is as the policy has it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PolicySettings {
    /// Where the defaults come from.
    pub policy: Policy,
    /// What is assumed of the heads' overfitting.
    pub covariance: Covariance,
    /// What to do if no head gains.
    pub no_gain: NoGain,
    /// Least `|ΔO|` of a head, as a share of the largest.
    pub floor: Option<f64>,
    /// Least weight of the joint head.
    pub joint_floor: Option<f64>,
    /// Largest weight of any head.
    pub cap: Option<f64>,
    /// How much of the equal weights is in the blend.
    pub smoothing: Option<Smoothing>,
}

/// How movements become weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The policy that it is of.
    pub policy: Policy,
    covariance: Covariance,
    pub(super) no_gain: NoGain,
    pub(super) floor: f64,
    pub(super) joint_floor: f64,
    pub(super) cap: f64,
    pub(super) smoothing: Smoothing,
    /// Whether it smooths more where samples are of few groups: not if a share was asked for.
    smooths_by_groups: bool,
    /// Heads of which an estimate does not tell whether they have nothing to learn, or have not begun to: in ascending
    /// order.
    pub(super) undecided: Vec<usize>,
}

/// Weights, and the problem that they solve.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The weights.
    pub weights: BlendWeights,
    /// The predicted OGR of the blend; `None` if no head gains.
    pub ogr: Option<f64>,
    /// Whether some head gains. If none does, the weights are the fallback.
    pub gains: bool,
}

impl PolicySettings {
    /// Checks the settings for heads of which position `joint` is the joint one, if there is one.
    ///
    /// # Errors
    /// [`Error::Setting`] for a value out of its range, or two that contradict each other.
    pub fn rule(&self, heads: usize) -> Result<Rule> {
        let (floor, joint_floor, smoothing) = match self.policy {
            Policy::Paper => (0.0, 0.0, 0.0),
            Policy::Robust => (0.25, 0.15, Smoothing::DEFAULT),
        };
        let share = |key: &str, value: Option<f64>, default: f64| {
            let value = value.unwrap_or(default);
            if (0.0..=1.0).contains(&value) {
                Ok(value)
            } else {
                Err(Error::setting(key, value, "a share from 0 to 1"))
            }
        };
        let rule = Rule {
            policy: self.policy,
            covariance: self.covariance,
            no_gain: self.no_gain,
            floor: share("floor", self.floor, floor)?,
            joint_floor: share("joint_floor", self.joint_floor, joint_floor)?,
            cap: share("cap", self.cap, 1.0)?,
            smoothing: match self.smoothing {
                Some(Smoothing::Adaptive) => Smoothing::Adaptive,
                Some(Smoothing::Share(value)) => {
                    Smoothing::Share(share("smoothing", Some(value), smoothing)?)
                }
                None => Smoothing::Share(smoothing),
            },
            smooths_by_groups: self.policy == Policy::Robust
                && !matches!(self.smoothing, Some(Smoothing::Share(_))),
            undecided: Vec::new(),
        };
        let least = (1.0 / heads.max(1) as f64).max(rule.joint_floor);
        if rule.cap < least {
            let expected = format!("at least {least:.4}, or the weights of {heads} heads cannot add up to 1");
            return Err(Error::setting("cap", rule.cap, expected));
        }
        Ok(rule)
    }
}

impl Rule {
    /// The weights of heads that moved so far. `joint` is the position of the joint head, if there is one;
    /// `previous` are the weights so far. `inner_products` says that the movements are of steps, whose covariance
    /// belongs to `σ² = E[o²]`, and not of losses, where it is the error of the measurement.
    ///
    /// # Errors
    /// [`Error::Blend`] if the movements are no numbers, or no head gains and that is to be an error.
    pub fn decide(
        &self,
        movements: &Movements,
        joint: Option<usize>,
        previous: &BlendWeights,
        inner_products: bool,
    ) -> Result<Decision> {
        let with_covariance = inner_products || self.policy == Policy::Robust;
        let mut moments = movements.second_moments(self.floor, with_covariance);
        if self.covariance == Covariance::Diagonal {
            let squares = moments.diagonal();
            moments = Symmetric::from_fn(squares.len(), |j, k| if j == k { squares[j] } else { 0.0 });
        }
        let raw = match blend_non_negative(&movements.delta_g, &moments) {
            Ok(raw) => raw,
            Err(error @ BlendError::NoGain { .. }) => {
                let weights = match self.no_gain {
                    NoGain::Error => return Err(error.into()),
                    NoGain::Keep => previous.clone(),
                    NoGain::Equal => BlendWeights::equal(movements.len())?,
                };
                return Ok(Decision {
                    weights,
                    ogr: None,
                    gains: false,
                });
            }
            Err(error) => return Err(error.into()),
        };
        let mut weights = self.smooth(raw);
        cap(&mut weights, self.cap);
        level(&mut weights, &self.undecided);
        if let Some(joint) = joint {
            lift(&mut weights, joint, self.joint_floor);
        }
        let ogr = ogr_of_blend(&weights, &movements.delta_g, &moments)?;
        Ok(Decision {
            weights: BlendWeights::normalized(weights)?,
            ogr: ogr.is_finite().then_some(ogr),
            gains: true,
        })
    }

    /// The rule for an estimate that says how far it is to be trusted: with as much smoothing as its resamples call for, if
    /// that is how it smooths, with more of it where samples are of few groups and no share was asked for, and with an equal
    /// share at least for heads that the resamples leave undecided.
    #[must_use]
    pub fn adapted(&self, estimate: &Estimate, joint: Option<usize>, previous: &BlendWeights) -> Self {
        let smoothing = self.adapted_smoothing(estimate, previous);
        Self {
            smoothing: match self.least_smoothing(estimate) {
                Some(least) => Smoothing::Share(smoothing.share().max(least)),
                None => smoothing,
            },
            undecided: self.undecided(estimate, joint),
            ..self.clone()
        }
    }

    /// The heads, but for the joint one, whose movements are within their error, both of them: trained alone they have
    /// neither gained nor overfitted. A head with nothing to learn overfits in the end.
    fn undecided(&self, estimate: &Estimate, joint: Option<usize>) -> Vec<usize> {
        if self.policy == Policy::Paper || estimate.resampled.is_empty() {
            return Vec::new();
        }
        let is_open = |figure: &dyn Fn(&Movements) -> f64| {
            let interval = Interval::of(estimate.resampled.iter().map(figure));
            interval.is_some_and(|interval| interval.low <= 0.0 && interval.high >= 0.0)
        };
        (0..estimate.movements.len())
            .filter(|&head| Some(head) != joint)
            .filter(|&head| is_open(&|moved| moved.delta_g[head]) && is_open(&|moved| moved.delta_o[head]))
            .collect()
    }

    /// The share of equal weights that the groups of an estimate call for, if they do.
    pub(super) fn least_smoothing(&self, estimate: &Estimate) -> Option<f64> {
        let groups = estimate.groups.filter(|_| self.smooths_by_groups)?;
        Smoothing::least_of(groups)
    }

    fn adapted_smoothing(&self, estimate: &Estimate, previous: &BlendWeights) -> Smoothing {
        if self.smoothing != Smoothing::Adaptive {
            return self.smoothing;
        }
        let raw = Self {
            smoothing: Smoothing::Share(0.0),
            cap: 1.0,
            ..self.clone()
        };
        let inner_products = estimate.estimator.is_of_inner_products();
        let weights = |moved: &Movements| {
            let decision = raw.decide(moved, None, previous, inner_products).ok()?;
            decision.gains.then(|| decision.weights.as_slice().to_vec())
        };
        let Some(of_all) = weights(&estimate.movements) else {
            return self.smoothing;
        };
        let resampled: Vec<Vec<f64>> = estimate.resampled.iter().filter_map(weights).collect();
        self.smoothing.of(&of_all, &resampled)
    }

    fn smooth(&self, weights: Vec<f64>) -> Vec<f64> {
        let share = self.smoothing.share();
        let equal = share / weights.len().max(1) as f64;
        weights
            .into_iter()
            .map(|weight| (1.0 - share) * weight + equal)
            .collect()
    }
}

/// Takes what is above `cap` and gives it to the others in proportion to their weights, or alike if they have
/// none.
fn cap(weights: &mut [f64], cap: f64) {
    // Each round brings at least one more weight to the cap.
    for _ in 0..weights.len() {
        let capped = |weight: f64| weight >= cap;
        let excess: f64 = weights.iter().map(|weight| (weight - cap).max(0.0)).sum();
        if excess <= 0.0 {
            return;
        }
        let free = weights.iter().filter(|weight| !capped(**weight));
        let (count, sum) = free.fold((0_usize, 0.0), |(count, sum), weight| (count + 1, sum + weight));
        for weight in weights.iter_mut() {
            *weight = if capped(*weight) {
                cap
            } else if sum > 0.0 {
                *weight * (1.0 + excess / sum)
            } else {
                excess / count as f64
            };
        }
    }
}

/// Gives these heads at least an equal share, at the cost of the others in proportion.
fn level(weights: &mut [f64], heads: &[usize]) {
    let equal = 1.0 / weights.len().max(1) as f64;
    let below: Vec<usize> = heads
        .iter()
        .copied()
        .filter(|&head| weights[head] < equal)
        .collect();
    let raised: f64 = below.iter().map(|&head| weights[head]).sum();
    if below.is_empty() || raised >= 1.0 {
        return;
    }
    let scale = (1.0 - equal * below.len() as f64) / (1.0 - raised);
    weights.iter_mut().for_each(|weight| *weight *= scale);
    below.into_iter().for_each(|head| weights[head] = equal);
}

/// Gives `head` at least `floor`, at the cost of the others in proportion.
fn lift(weights: &mut [f64], head: usize, floor: f64) {
    let Some(&weight) = weights.get(head) else {
        return;
    };
    if weight >= floor {
        return;
    }
    let scale = (1.0 - floor) / (1.0 - weight);
    weights.iter_mut().for_each(|weight| *weight *= scale);
    weights[head] = floor;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn movements() -> impl Strategy<Value = Movements> {
        (2_usize..7).prop_flat_map(|heads| {
            let list = |range: std::ops::Range<f64>| proptest::collection::vec(range, heads);
            (list(-0.5..1.0), list(-0.5..1.0), list(0.0..0.2)).prop_map(|(delta_o, delta_g, deviations)| {
                Movements {
                    covariance: Symmetric::from_fn(delta_o.len(), |j, k| {
                        if j == k {
                            deviations[j] * deviations[j]
                        } else {
                            0.0
                        }
                    }),
                    delta_o,
                    delta_g,
                }
            })
        })
    }

    fn settings() -> impl Strategy<Value = PolicySettings> {
        (
            any::<bool>(),
            any::<bool>(),
            0.0..1.0,
            0.0..0.5,
            0.5..1.0,
            0.0..1.0,
        )
            .prop_map(
                |(paper, full, floor, joint_floor, cap, smoothing)| PolicySettings {
                    policy: if paper { Policy::Paper } else { Policy::Robust },
                    covariance: if full {
                        Covariance::Full
                    } else {
                        Covariance::Diagonal
                    },
                    no_gain: NoGain::Keep,
                    floor: Some(floor),
                    joint_floor: Some(joint_floor),
                    cap: Some(cap),
                    smoothing: Some(Smoothing::Share(smoothing)),
                },
            )
    }

    fn decide(settings: &PolicySettings, movements: &Movements) -> Decision {
        let heads = movements.len();
        let previous = BlendWeights::equal(heads).unwrap();
        let rule = settings.rule(heads).unwrap();
        rule.decide(movements, Some(heads - 1), &previous, false).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn whatever_the_settings_weights_obey_them(movements in movements(), settings in settings()) {
            let decision = decide(&settings, &movements);
            let weights = decision.weights.as_slice();
            let cap = settings.cap.unwrap();
            prop_assert!(weights.iter().all(|&weight| weight <= cap + 1e-9), "{weights:?} above {cap}");
            if decision.gains {
                let joint = weights[weights.len() - 1];
                prop_assert!(joint >= settings.joint_floor.unwrap() - 1e-9);
            } else {
                prop_assert!(movements.delta_g.iter().all(|&gain| gain <= 0.0));
                let equal = BlendWeights::equal(weights.len()).unwrap();
                prop_assert_eq!(weights, equal.as_slice());
            }
        }

        #[test]
        fn by_default_no_weight_comes_near_one(movements in movements()) {
            let decision = decide(&PolicySettings::default(), &movements);
            let (joint, own) = decision.weights.as_slice().split_last().unwrap();
            let heads = movements.len() as f64;
            prop_assert!(*joint <= 1.0 - 0.1 * (heads - 1.0) / heads + 1e-9);
            prop_assert!(own.iter().all(|&weight| weight <= 0.85 + 1e-9));
        }

        #[test]
        fn a_head_whose_delta_o_is_within_its_noise_gains_at_most_by_its_gain(
            mut movements in movements(), share in 0.0..1.0_f64
        ) {
            // Head 0 moved less than its error; head 1 moved most, and is known exactly.
            movements.delta_g[0] = movements.delta_g[0].abs() + 0.01;
            movements.delta_g[1] = movements.delta_g[1].abs() + 0.01;
            movements.delta_o[1] = 1.5;
            movements.covariance = Symmetric::from_fn(movements.len(), |j, k| {
                if j == k && j == 0 { 0.01 } else { 0.0 }
            });
            movements.delta_o[0] = share * 0.1;
            let raw = PolicySettings { joint_floor: Some(0.0), smoothing: Some(Smoothing::Share(0.0)), ..PolicySettings::default() };
            let weights = decide(&raw, &movements).weights;
            let odds = weights.as_slice()[0] / weights.as_slice()[1];
            let bound = movements.delta_g[0] / movements.delta_g[1] / 0.25_f64.powi(2);
            prop_assert!(odds <= bound * (1.0 + 1e-9), "{odds} above {bound}");
        }

        #[test]
        fn one_loss_on_a_scale_a_million_apart_changes_the_odds_by_that_and_no_others(
            movements in movements(), head in 0_usize..6, scale in prop_oneof![Just(1e-6), Just(1e6)], full: bool, paper: bool
        ) {
            prop_assume!(movements.delta_g.iter().any(|&gain| gain > 0.0));
            // What is a share of the largest |ΔO|, or of equal weights, looks at how losses compare.
            let settings = PolicySettings {
                policy: if paper { Policy::Paper } else { Policy::Robust },
                covariance: if full { Covariance::Full } else { Covariance::Diagonal },
                floor: Some(0.0),
                joint_floor: Some(0.0),
                smoothing: Some(Smoothing::Share(0.0)),
                ..PolicySettings::default()
            };
            let head = head % movements.len();
            let factor = |k: usize| if k == head { scale } else { 1.0 };
            let scaled = |values: &[f64]| values.iter().enumerate().map(|(k, value)| value * factor(k)).collect();
            let other = Movements {
                delta_o: scaled(&movements.delta_o),
                delta_g: scaled(&movements.delta_g),
                covariance: Symmetric::from_fn(movements.len(), |j, k| {
                    movements.covariance.get(j, k) * factor(j) * factor(k)
                }),
            };
            let (before, after) = (decide(&settings, &movements).weights, decide(&settings, &other).weights);
            let (before, after) = (before.as_slice(), after.as_slice());
            for j in 0..before.len() {
                for k in 0..before.len() {
                    // w'_j / w'_k = (w_j / factor(j)) / (w_k / factor(k)), without a division by zero.
                    let (left, right) = (after[j] * before[k] * factor(j), after[k] * before[j] * factor(k));
                    prop_assert!(
                        (left - right).abs() <= 1e-6 * left.max(right) + 1e-15,
                        "{before:?} {after:?}"
                    );
                }
            }
        }

        #[test]
        fn with_the_paper_s_policy_the_weights_are_gains_over_squares(movements in movements()) {
            prop_assume!(movements.delta_g.iter().any(|&gain| gain > 0.0));
            let settings = PolicySettings { policy: Policy::Paper, ..PolicySettings::default() };
            let decision = decide(&settings, &movements);
            let terms = movements.delta_g.iter().zip(&movements.delta_o);
            let raw: Vec<f64> = terms.map(|(g, o)| g.max(0.0) / (o * o)).collect();
            let sum: f64 = raw.iter().sum();
            for (weight, raw) in decision.weights.as_slice().iter().zip(raw) {
                prop_assert!((weight - raw / sum).abs() < 1e-9);
            }
        }
    }

    fn without_gain() -> Movements {
        Movements {
            delta_o: vec![0.1, 0.2],
            delta_g: vec![-0.1, 0.0],
            covariance: Symmetric::zeros(2),
        }
    }

    #[test]
    fn without_a_gain_the_fallback_is_the_one_that_was_chosen() {
        let previous = BlendWeights::new([0.3, 0.7]).unwrap();
        let weights = |no_gain| {
            let settings = PolicySettings {
                no_gain,
                ..PolicySettings::default()
            };
            let rule = settings.rule(2).unwrap();
            rule.decide(&without_gain(), Some(1), &previous, false)
                .map(|decision| decision.weights)
        };
        assert_eq!(weights(NoGain::Keep).unwrap(), previous);
        assert_eq!(weights(NoGain::Equal).unwrap().as_slice(), [0.5, 0.5]);
        assert!(
            weights(NoGain::Error)
                .unwrap_err()
                .to_string()
                .contains("no head gains")
        );
    }

    /// An estimate of three heads with resamples around it, as far as these errors.
    fn measured(delta_o: [f64; 3], delta_g: [f64; 3], error: [f64; 3]) -> Estimate {
        let movements = |sign: f64| Movements {
            delta_o: (0..3).map(|head| delta_o[head] + sign * error[head]).collect(),
            delta_g: (0..3).map(|head| delta_g[head] + sign * error[head]).collect(),
            covariance: Symmetric::zeros(3),
        };
        Estimate {
            estimator: gblend_core::Measurement::Probe,
            probe_epochs: Some(2),
            gradients: None,
            movements: movements(0.0),
            resampled: (0..40)
                .map(|draw| movements(if draw % 2 == 0 { 1.0 } else { -1.0 }))
                .collect(),
            groups: None,
        }
    }

    #[test]
    fn few_groups_draw_weights_to_equal_ones_unless_a_share_was_asked_for() {
        let equal = BlendWeights::equal(3).unwrap();
        let first = |settings: PolicySettings, groups: Option<usize>| {
            let estimate = Estimate {
                groups: groups.map(gblend_core::EffectiveGroups::equal),
                ..measured([0.1, 0.2, 0.2], [0.4, 0.1, 0.1], [0.01; 3])
            };
            let rule = settings.rule(3).unwrap().adapted(&estimate, None, &equal);
            let decision = rule.decide(&estimate.movements, None, &equal, false).unwrap();
            decision.weights.as_slice()[0]
        };
        let robust = PolicySettings::default();
        let weights =
            [None, Some(50), Some(10), Some(9), Some(3), Some(1)].map(|groups| first(robust, groups));
        assert!(
            weights[0] == weights[1] && weights[1] == weights[2],
            "{weights:?}"
        );
        assert!(
            weights[2..].is_sorted_by(|more, fewer| more > fewer),
            "{weights:?}"
        );
        // An eleventh of the way from equal weights to the estimate's.
        let unsmoothed = 2.0 * (weights[0] - 1.0 / 3.0);
        assert!(
            (weights[5] - 1.0 / 3.0 - unsmoothed / 11.0).abs() < 1e-12,
            "{weights:?}"
        );
        let adaptive = PolicySettings {
            smoothing: Some(Smoothing::Adaptive),
            ..robust
        };
        assert_eq!(first(adaptive, Some(1)), weights[5]);
        assert!(first(adaptive, Some(10)) > weights[0]);
        for asked in [
            PolicySettings {
                smoothing: Some(Smoothing::Share(0.5)),
                ..robust
            },
            PolicySettings {
                policy: Policy::Paper,
                ..robust
            },
        ] {
            assert_eq!(first(asked, Some(1)), first(asked, None));
        }
    }

    #[test]
    fn a_head_that_has_neither_gained_nor_overfitted_keeps_an_equal_share() {
        let equal = BlendWeights::equal(3).unwrap();
        let estimate = measured([0.01, 0.2, 0.2], [0.001, 0.3, 0.4], [0.05, 0.01, 0.01]);
        let settings = PolicySettings {
            smoothing: Some(Smoothing::Share(0.0)),
            ..PolicySettings::default()
        };
        let rule = settings.rule(3).unwrap();
        let weights = |rule: &Rule| {
            rule.decide(&estimate.movements, Some(2), &equal, false)
                .unwrap()
                .weights
        };
        assert!(weights(&rule).as_slice()[0] < 0.2);
        let adapted = rule.adapted(&estimate, Some(2), &equal);
        assert_eq!(adapted.undecided, [0]);
        assert!((weights(&adapted).as_slice()[0] - 1.0 / 3.0).abs() < 1e-12);
        // One that has overfitted has begun to learn, and so has one that has gained.
        for (delta_o, delta_g) in [(0.4, 0.001), (0.01, 0.4)] {
            let other = measured([delta_o, 0.2, 0.2], [delta_g, 0.3, 0.4], [0.05, 0.01, 0.01]);
            assert!(rule.adapted(&other, Some(2), &equal).undecided.is_empty());
        }
        let paper = PolicySettings {
            policy: Policy::Paper,
            ..PolicySettings::default()
        };
        let paper = paper.rule(3).unwrap();
        assert_eq!(paper.adapted(&estimate, Some(2), &equal), paper);
    }

    #[test]
    fn adaptive_smoothing_levels_what_is_not_known_and_keeps_what_is() {
        let equal = BlendWeights::equal(3).unwrap();
        let settings = PolicySettings {
            smoothing: Some(Smoothing::Adaptive),
            joint_floor: Some(0.0),
            ..PolicySettings::default()
        };
        let rule = settings.rule(3).unwrap();
        let spread = |error: f64| {
            let estimate = measured([0.1, 0.4, 0.3], [0.5, 0.3, 0.4], [error; 3]);
            let decided =
                rule.adapted(&estimate, None, &equal)
                    .decide(&estimate.movements, None, &equal, false);
            let weights = decided.unwrap().weights;
            let distances = weights
                .as_slice()
                .iter()
                .map(|weight| (weight - 1.0 / 3.0).powi(2));
            distances.sum::<f64>()
        };
        assert!(
            spread(0.0) > spread(0.02) && spread(0.02) > spread(0.09),
            "{} {} {}",
            spread(0.0),
            spread(0.02),
            spread(0.09)
        );
    }

    proptest! {
        #[test]
        fn leveling_gives_an_equal_share_and_keeps_the_sum(
            raw in proptest::collection::vec(0.01..1.0_f64, 2..7), heads in proptest::collection::btree_set(0_usize..7, 0..4),
        ) {
            let sum: f64 = raw.iter().sum();
            let mut weights: Vec<f64> = raw.iter().map(|weight| weight / sum).collect();
            let heads: Vec<usize> = heads.into_iter().filter(|&head| head < weights.len()).collect();
            let equal = 1.0 / weights.len() as f64;
            let below: Vec<usize> = heads.iter().copied().filter(|&head| weights[head] < equal).collect();
            level(&mut weights, &heads);
            prop_assert!(below.iter().all(|&head| (weights[head] - equal).abs() < 1e-12));
            prop_assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!(weights.iter().all(|weight| *weight >= 0.0));
        }
    }

    #[test]
    fn a_cap_goes_round_until_it_holds() {
        let mut weights = [0.7, 0.25, 0.05, 0.0];
        cap(&mut weights, 0.4);
        for (found, expected) in weights.iter().zip([0.4, 0.4, 0.2, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{weights:?}");
        }
        let mut weights = [1.0, 0.0, 0.0];
        cap(&mut weights, 0.5);
        assert_eq!(weights, [0.5, 0.25, 0.25]);
    }

    #[test]
    fn settings_out_of_range_and_contradictions_are_named() {
        let refused = |settings: PolicySettings| settings.rule(4).unwrap_err().to_string();
        let floor = PolicySettings {
            floor: Some(-0.1),
            ..PolicySettings::default()
        };
        assert!(refused(floor).starts_with("floor = "));
        let cap = PolicySettings {
            cap: Some(0.2),
            ..PolicySettings::default()
        };
        assert!(refused(cap).starts_with("cap = "));
        let nan = PolicySettings {
            smoothing: Some(Smoothing::Share(f64::NAN)),
            ..PolicySettings::default()
        };
        assert!(refused(nan).starts_with("smoothing = "));
    }
}
