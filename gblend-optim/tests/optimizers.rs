//! Every optimizer against PyTorch's steps, stored by `xtask/peers/fixtures.py`, and across a checkpoint.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use gblend_core::tensor::{Dims1, Gradients, Plain};
use gblend_core::{Array, AutoDevice, Optimizer, OptimizerState, ParamMut, ParamPath};
use gblend_optim as _;
use serde::Deserialize;

#[derive(Deserialize)]
struct Stored {
    start: Vec<f32>,
    gradients: Vec<Vec<f32>>,
    cases: Vec<StoredCase>,
}

#[derive(Deserialize)]
struct StoredCase {
    optimizer: Box<dyn Optimizer>,
    trajectory: Vec<Vec<f64>>,
}

fn stored() -> Stored {
    serde_json::from_str(include_str!("fixtures/optimizers.json")).unwrap()
}

fn param(values: &[f32]) -> Plain<Dims1> {
    Plain::new(&AutoDevice::default(), (values.len(),), values.to_vec()).unwrap()
}

fn step(state: &mut dyn OptimizerState, rate: f64, param: &mut Plain<Dims1>, gradient: &[f32]) {
    shared_step(state, rate, param, gradient, 1.0);
}

fn shared_step(
    state: &mut dyn OptimizerState,
    rate: f64,
    param: &mut Plain<Dims1>,
    gradient: &[f32],
    share: f64,
) {
    let mut gradients = Gradients::default();
    let array = Array::new([gradient.len()], gradient.to_vec()).unwrap();
    let param = ParamMut::from(param);
    param.set_gradient(&mut gradients, &array).unwrap();
    state.begin_step(rate);
    state
        .update(&ParamPath::root().join("p"), param, &mut gradients, share)
        .unwrap();
}

#[test]
fn every_optimizer_takes_the_steps_of_pytorch() {
    let stored = stored();
    let mut kinds = std::collections::BTreeSet::new();
    for case in &stored.cases {
        kinds.insert(case.optimizer.typetag_name());
        let mut param = param(&stored.start);
        let mut state = case.optimizer.start().unwrap();
        for (gradient, expected) in stored.gradients.iter().zip(&case.trajectory) {
            step(
                state.as_mut(),
                case.optimizer.learning_rate(),
                &mut param,
                gradient,
            );
            for (found, expected) in param.to_vec().into_iter().zip(expected) {
                let error = (f64::from(found) - expected).abs();
                assert!(error < 3e-6, "{:?}: {found} against {expected}", case.optimizer);
            }
        }
    }
    assert_eq!(kinds.len(), 4);
}

#[test]
fn an_optimizer_goes_on_from_a_checkpoint_as_if_it_had_not_stopped() {
    let stored = stored();
    for case in &stored.cases {
        let rate = case.optimizer.learning_rate();
        let mut whole = param(&stored.start);
        let mut state = case.optimizer.start().unwrap();
        let (first, second) = stored.gradients.split_at(5);
        for gradient in first {
            step(state.as_mut(), rate, &mut whole, gradient);
        }
        let mut resumed = param(&whole.to_vec());
        let mut other = case.optimizer.start().unwrap();
        let moments: BTreeMap<String, Array> = state
            .moments(&ParamPath::root().join("p"), ParamMut::from(&mut whole))
            .unwrap()
            .into_iter()
            .map(|(name, array)| (name.to_owned(), array))
            .collect();
        other.restore_steps(state.steps());
        other
            .restore_moments(
                &ParamPath::root().join("p"),
                ParamMut::from(&mut resumed),
                &moments,
            )
            .unwrap();
        for gradient in second {
            step(state.as_mut(), rate, &mut whole, gradient);
            step(other.as_mut(), rate, &mut resumed, gradient);
        }
        assert_eq!(whole.to_vec(), resumed.to_vec(), "{:?}", case.optimizer);
    }
}

#[test]
fn a_checkpoint_without_a_moment_names_the_parameter() {
    let optimizer: Box<dyn Optimizer> = serde_json::from_str(r#"{"kind": "adam"}"#).unwrap();
    let mut state = optimizer.start().unwrap();
    let mut p = param(&[1.0]);
    let path = ParamPath::root().join("camera.weight");
    let error = state
        .restore_moments(&path, ParamMut::from(&mut p), &BTreeMap::new())
        .unwrap_err();
    assert!(
        error.to_string().contains("camera.weight") && error.to_string().contains("mean"),
        "{error}"
    );
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    for (json, key) in [
        (r#"{"kind": "sgd", "learning_rate": -0.1}"#, "learning_rate"),
        (r#"{"kind": "sgd", "momentum": 1.0}"#, "momentum"),
        (
            r#"{"kind": "sgd", "momentum": 0.0, "nesterov": true}"#,
            "nesterov",
        ),
        (r#"{"kind": "adam", "betas": [0.9, 1.5]}"#, "betas"),
        (r#"{"kind": "adamw", "weight_decay": -1.0}"#, "weight_decay"),
        (r#"{"kind": "rmsprop", "alpha": 1.0}"#, "alpha"),
    ] {
        let optimizer: Box<dyn Optimizer> = serde_json::from_str(json).unwrap();
        let error = optimizer.start().unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn a_share_scales_the_move_and_not_the_decay() {
    for kind in ["sgd", "adamw"] {
        let moved = |decay: f64, share: f64, gradient: f32| {
            let json = serde_json::json!({ "kind": kind, "learning_rate": 0.1, "weight_decay": decay });
            let optimizer: Box<dyn Optimizer> = serde_json::from_value(json).unwrap();
            let mut state = optimizer.start().unwrap();
            let mut tensor = param(&[2.0]);
            shared_step(state.as_mut(), 0.1, &mut tensor, &[gradient], share);
            f64::from(tensor.to_vec()[0]) - 2.0
        };
        assert!(
            (moved(0.0, 0.25, 3.0) - 0.25 * moved(0.0, 1.0, 3.0)).abs() < 1e-6,
            "{kind}"
        );
        assert!(
            (moved(0.5, 0.25, 0.0) - moved(0.5, 1.0, 0.0)).abs() < 1e-6,
            "{kind}"
        );
    }
}
