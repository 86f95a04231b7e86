//! What Gradient-Blending says to the reader of a report. It knows its settings, and asks for none that is on already.

use gblend_core::{Advice, Finding, WeightSource};

use super::policy::{NoGain, Policy, Rule};
use super::{EstimatorKind, Ogr};

/// The advice of a run with these settings and the rule that they make.
pub(super) fn of(settings: &Ogr, rule: &Rule) -> Advice {
    let &Rule {
        no_gain,
        floor,
        joint_floor,
        cap,
        smoothing,
        ..
    } = rule;
    let held_out = format!("a larger blend.held_out ({})", settings.held_out);
    let more = match settings.estimator {
        EstimatorKind::Probe => "longer probes (blend.probe_epochs)",
        EstimatorKind::Gradient => "more blend.gradient_batches",
    };
    let less = match settings.estimator {
        EstimatorKind::Probe => "shorter probes (blend.probe_epochs), ",
        EstimatorKind::Gradient => "",
    };
    let robust = |words: &str| {
        match rule.policy {
            Policy::Paper => words,
            Policy::Robust => "",
        }
        .to_owned()
    };
    let fallback = match no_gain {
        NoGain::Keep => "those of before (blend.no_gain = \"keep\")",
        NoGain::Equal => "equal (blend.no_gain = \"equal\")",
        NoGain::Error => "none (blend.no_gain = \"error\")",
    };
    Advice::of(WeightSource::Estimated)
        .against(
            Finding::StarvedHead,
            format!(
                "If it should learn: raise blend.smoothing ({smoothing}), or blend.floor ({floor}), which keeps the division \
                 by a small ΔO in bounds, or measure better, with {held_out}. If it has nothing to say: leave the modality \
                 out, and compare."
            ),
        )
        .against(
            Finding::StarvedJoint,
            format!("Raise blend.joint_floor ({joint_floor}), the least weight of the joint head."),
        )
        .against(
            Finding::DominantHead,
            format!(
                "Set blend.cap below {cap}, or raise blend.smoothing ({smoothing}){}.",
                robust(", or take blend.policy = \"robust\"")
            ),
        )
        .against(
            Finding::NoGain,
            format!(
                "The weights are {fallback}, and say nothing about the heads. {} leave a gain to measure; if the network has \
                 learned all it can, stop there.",
                capitalized(&format!("{less}a smaller learning rate or augmentation"))
            ),
        )
        .against(
            Finding::HeadsWithoutGain,
            format!(
                "{} would tell whether they have anything to learn.",
                capitalized(&format!("{less}augmentation or a smaller encoder for them"))
            ),
        )
        .against(
            Finding::WideInterval,
            format!(
                "{}, or {more}, measure more{}.",
                capitalized(&held_out),
                robust("; blend.policy = \"robust\" leans on them less")
            ),
        )
        .against(
            Finding::JointBelowSingle,
            format!(
                "More weight for the joint head (blend.joint_floor, {joint_floor} now), or leaving out the modality with the \
                 highest OGR, may help."
            ),
        )
        .against(
            Finding::BelowSingle,
            format!("Look at the interval of each weight, and at blend.joint_floor ({joint_floor})."),
        )
        .against(
            Finding::BelowEqual,
            format!("Take blend.kind = \"equal\", or measure better, with {held_out} or {more}."),
        )
        .against(
            Finding::BelowFixed,
            format!("Fix them (blend.kind = \"fixed\"), or measure better, with {held_out} or {more}."),
        )
}

/// With a capital letter first.
fn capitalized(words: &str) -> String {
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::{BlendStrategy, Heads};

    fn advice(settings: &Ogr) -> Advice {
        let heads = Heads::new(["a".to_owned(), "b".to_owned()]).unwrap();
        settings.start(&heads).unwrap().advice()
    }

    #[test]
    fn every_finding_has_a_remedy() {
        for finding in Finding::ALL {
            assert!(advice(&Ogr::default()).remedy(finding).is_some(), "{finding:?}");
        }
    }

    #[test]
    fn a_policy_that_is_on_is_not_advised() {
        let names_robust = |policy| {
            let settings = Ogr {
                policy,
                ..Ogr::default()
            };
            let advice = advice(&settings);
            let mut remedies = advice.remedies.iter();
            remedies.any(|one| one.remedy.contains("robust"))
        };
        assert!(names_robust(Policy::Paper));
        assert!(!names_robust(Policy::Robust));
    }

    #[test]
    fn settings_are_named_with_what_they_are() {
        let settings = Ogr {
            held_out: 0.3,
            joint_floor: Some(0.05),
            smoothing: Some(super::super::Smoothing::Share(0.2)),
            estimator: EstimatorKind::Gradient,
            ..Ogr::default()
        };
        let advice = advice(&settings);
        let remedy = |finding| advice.remedy(finding).unwrap();
        assert!(remedy(Finding::WideInterval).contains("held_out (0.3)"));
        assert!(remedy(Finding::StarvedJoint).contains("joint_floor (0.05)"));
        assert!(remedy(Finding::DominantHead).contains("smoothing (0.2)"));
        // There are no probes to make longer or shorter.
        assert!(advice.remedies.iter().all(|one| !one.remedy.contains("probe")));
    }
}
