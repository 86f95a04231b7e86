//! What holds of every strategy that learns from what it is told, whatever that is.
#![allow(clippy::unwrap_used)]

use gblend_core::{
    Blend, BlendStrategy, BlendWeights, BlendedGradient, ContestedGradient, GradientEvidence, Heads,
    Observation, Seed, StepStart,
};
use gblend_optim as _;
use proptest::prelude::*;

const KINDS: [&str; 10] = [
    "agm",
    "dwa",
    "famo",
    "gradnorm",
    "mgda",
    "mmpareto",
    "ogm-ge",
    "pcgrad",
    "rlw",
    "uncertainty",
];
/// Those that a checkpoint has to keep something of.
const LEARNING: [&str; 6] = ["agm", "dwa", "famo", "gradnorm", "mgda", "uncertainty"];
const MODALITIES: usize = 3;

fn heads() -> Heads {
    Heads::new((0..MODALITIES).map(|index| format!("m{index}"))).unwrap()
}

fn start(kind: &str) -> Box<dyn Blend> {
    let table = format!(r#"{{"kind": "{kind}"}}"#);
    let strategy: Box<dyn BlendStrategy> = serde_json::from_str(&table).unwrap();
    strategy.start(&heads()).unwrap()
}

/// All that a step can show.
#[derive(Clone, Debug)]
struct ObservedStep {
    observation: Observation,
    losses_after: Vec<f64>,
    encoders: Vec<ContestedGradient>,
}

/// A step as the pipeline takes it; returns the weights and what encoders would follow.
fn take(blend: &mut dyn Blend, step: u64, shown: &ObservedStep) -> (BlendWeights, Vec<Vec<f32>>) {
    let seed = Seed::new(5).nth(step);
    blend.begin_step(StepStart { step, seed }).unwrap();
    let wanted = blend.evidence();
    let keep = |wanted: bool, values: &[f64]| if wanted { values.to_vec() } else { Vec::new() };
    let observation = Observation {
        losses: keep(wanted.losses, &shown.observation.losses),
        scores: keep(wanted.scores, &shown.observation.scores),
        coalitions: keep(wanted.coalitions, &shown.observation.coalitions),
    };
    if wanted.any() {
        blend.observe(&observation).unwrap();
    }
    let mut followed = Vec::new();
    match wanted.gradients {
        GradientEvidence::None => {}
        GradientEvidence::Blended => {
            let blended = |encoder: &ContestedGradient| BlendedGradient {
                values: encoder.own.clone(),
                parameters: vec![encoder.own.len()],
            };
            let mut encoders: Vec<_> = shown.encoders.iter().map(blended).collect();
            blend.modulate(&mut encoders).unwrap();
            followed.extend(encoders.into_iter().map(|encoder| encoder.values));
        }
        GradientEvidence::PerHead => {
            let mut encoders = shown.encoders.clone();
            blend.combine(&mut encoders).unwrap();
            followed.extend(
                encoders
                    .into_iter()
                    .flat_map(|encoder| [encoder.own, encoder.joint]),
            );
        }
    }
    let weights = blend.weights().clone();
    if wanted.losses_after {
        blend.observe_after(&shown.losses_after).unwrap();
    }
    if step % 2 == 1 {
        blend
            .end_epoch(if wanted.losses {
                &shown.observation.losses
            } else {
                &[]
            })
            .unwrap();
    }
    (weights, followed)
}

fn loss() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..5.0_f64,
        1 => Just(0.0),
        1 => prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL,
    ]
}

fn value() -> impl Strategy<Value = f32> {
    prop_oneof![4 => -1.0..1.0_f32, 1 => Just(0.0), 1 => -1e15..1e15_f32]
}

fn shown() -> impl Strategy<Value = ObservedStep> {
    let losses = || prop::collection::vec(loss(), MODALITIES + 1);
    let scores = prop::collection::vec(prop_oneof![0.0..=1.0_f64, Just(0.0)], MODALITIES + 1);
    let coalitions = prop::collection::vec(-50.0..=0.0_f64, 1 << MODALITIES);
    let encoder = prop::collection::vec((value(), value()), 0..6).prop_map(|values| {
        let (own, joint) = values.into_iter().unzip();
        ContestedGradient { own, joint }
    });
    let encoders = prop::collection::vec(encoder, MODALITIES);
    (losses(), losses(), scores, coalitions, encoders).prop_map(
        |(losses, losses_after, scores, coalitions, encoders)| ObservedStep {
            observation: Observation {
                losses,
                scores,
                coalitions,
            },
            losses_after,
            encoders,
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<ObservedStep>> {
    prop::collection::vec(shown(), 1..12)
}

proptest! {
    #[test]
    fn weights_and_gradients_are_sound_whatever_is_shown(kind in prop::sample::select(&KINDS[..]), steps in steps()) {
        let mut blend = start(kind);
        for (step, shown) in steps.iter().enumerate() {
            let (weights, followed) = take(blend.as_mut(), step as u64, shown);
            prop_assert_eq!(weights.len(), MODALITIES + 1);
            prop_assert!(BlendWeights::new(weights.as_slice()).is_ok(), "{kind}: {weights:?}");
            prop_assert!(followed.iter().flatten().all(|value| value.is_finite()), "{kind}: {followed:?}");
        }
    }

    #[test]
    fn a_restored_strategy_goes_on_to_the_bit(
        kind in prop::sample::select(&KINDS[..]), before in steps(), after in steps()
    ) {
        let mut blend = start(kind);
        for (step, shown) in before.iter().enumerate() {
            take(blend.as_mut(), step as u64, shown);
        }
        let json = blend.state().to_string();
        let mut restored = start(kind);
        restored.restore(&serde_json::from_str(&json).unwrap()).unwrap();
        for (step, shown) in (before.len()..).zip(&after) {
            let expected = take(blend.as_mut(), step as u64, shown);
            prop_assert_eq!(take(restored.as_mut(), step as u64, shown), expected, "{}", kind);
        }
    }
}

#[test]
fn a_state_of_another_strategy_is_refused() {
    for kind in LEARNING {
        for other in KINDS {
            let state = start(other).state();
            assert_eq!(
                start(kind).restore(&state).is_ok(),
                kind == other,
                "{kind} {other}"
            );
        }
        let fewer = Heads::new(["m0".to_owned()]).unwrap();
        let table = format!(r#"{{"kind": "{kind}"}}"#);
        let strategy: Box<dyn BlendStrategy> = serde_json::from_str(&table).unwrap();
        let state = strategy.start(&fewer).unwrap().state();
        let error = start(kind).restore(&state).unwrap_err().to_string();
        assert!(error.contains("expected"), "{kind}: {error}");
    }
}

#[test]
fn settings_out_of_range_are_refused_by_their_key() {
    for (kind, key, value) in [
        ("agm", "alpha", "0"),
        ("dwa", "temperature", "0"),
        ("famo", "decay", "-1"),
        ("famo", "learning_rate", "0"),
        ("gradnorm", "alpha", "-1"),
        ("gradnorm", "learning_rate", "0"),
        ("mmpareto", "gamma", "0"),
        ("ogm-ge", "alpha", "-1"),
        ("uncertainty", "learning_rate", "-1"),
    ] {
        let table = format!(r#"{{"kind": "{kind}", "{key}": {value}}}"#);
        let strategy: Box<dyn BlendStrategy> = serde_json::from_str(&table).unwrap();
        let error = strategy.start(&heads()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{key} = {value}")), "{error}");
    }
}

#[test]
fn evidence_of_the_wrong_length_is_an_error() {
    let observation = Observation {
        losses: vec![1.0],
        scores: vec![1.0],
        coalitions: vec![-1.0],
    };
    for kind in ["agm", "famo", "gradnorm", "ogm-ge", "uncertainty"] {
        assert!(start(kind).observe(&observation).is_err(), "{kind}");
    }
    assert!(start("dwa").end_epoch(&[1.0]).is_err());
    assert!(start("mgda").combine(&mut []).is_err());
    assert!(start("gradnorm").combine(&mut []).is_err());
}

#[test]
fn no_head_starts_at_zero_except_under_agm() {
    for kind in KINDS {
        let weights = start(kind).weights().clone();
        let positive = weights.as_slice().iter().filter(|&&weight| weight > 0.0).count();
        assert_eq!(positive, if kind == "agm" { 1 } else { MODALITIES + 1 }, "{kind}");
    }
}
