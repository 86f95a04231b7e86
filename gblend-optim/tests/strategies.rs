//! Every strategy gives a point of the simplex, and the weights that its documentation says.
#![allow(clippy::unwrap_used)]

use gblend_core::{BlendStrategy, Heads, Role, catalogue};
use gblend_optim as _;
use proptest::prelude::*;

fn heads(count: usize) -> Heads {
    Heads::new((0..count).map(|index| format!("m{index}"))).unwrap()
}

fn strategy(json: &str) -> Box<dyn BlendStrategy> {
    serde_json::from_str(json).unwrap()
}

fn weights(json: &str, modalities: usize) -> Vec<f64> {
    strategy(json)
        .start(&heads(modalities))
        .unwrap()
        .weights()
        .as_slice()
        .to_vec()
}

proptest! {
    #[test]
    fn each_strategy_has_its_own_weights(modalities in 1_usize..6) {
        let k = modalities;
        let equal = weights(r#"{"kind": "equal"}"#, k);
        prop_assert!(equal.iter().all(|weight| (weight - 1.0 / (k + 1) as f64).abs() < 1e-15));
        let joint = weights(r#"{"kind": "joint"}"#, k);
        prop_assert_eq!(joint[k], 1.0);
        prop_assert_eq!(weights(r#"{"kind": "detached"}"#, k), equal);
        let ensemble = weights(r#"{"kind": "unimodal-ensemble"}"#, k);
        prop_assert!(ensemble[..k].iter().all(|weight| (weight - 1.0 / k as f64).abs() < 1e-15));
        prop_assert_eq!(ensemble[k], 0.0);
        let last = format!(r#"{{"kind": "unimodal", "head": "m{}"}}"#, k - 1);
        prop_assert_eq!(weights(&last, k)[k - 1], 1.0);
        let fixed = weights(r#"{"kind": "fixed", "weights": {"m0": 3, "joint": 1}}"#, k);
        prop_assert_eq!((fixed[0], fixed[k]), (0.75, 0.25));
    }
}

#[test]
fn a_head_that_does_not_exist_is_answered_with_those_that_do() {
    for json in [
        r#"{"kind": "unimodal", "head": "m7"}"#,
        r#"{"kind": "fixed", "weights": {"m7": 1}}"#,
    ] {
        let error = strategy(json).start(&heads(2)).unwrap_err().to_string();
        assert!(error.contains("m7") && error.contains("m0, m1, joint"), "{error}");
    }
}

#[test]
fn fixed_weights_that_are_negative_or_all_zero_are_refused() {
    for json in [
        r#"{"kind": "fixed", "weights": {"m0": -1, "joint": 2}}"#,
        r#"{"kind": "fixed", "weights": {}}"#,
        r#"{"kind": "fixed", "weights": {"m0": 0}}"#,
    ] {
        assert!(strategy(json).start(&heads(2)).is_err());
    }
}

#[test]
fn every_registered_kind_is_found_by_its_tag() {
    for plugin in catalogue().unwrap().of(Role::Blend) {
        let table = format!(r#"{{"kind": "{}"}}"#, plugin.kind);
        if let Err(error) = serde_json::from_str::<Box<dyn BlendStrategy>>(&table) {
            assert!(
                error.to_string().contains("missing field"),
                "{}: {error}",
                plugin.kind
            );
        }
        assert!(!plugin.summary().is_empty());
    }
}
