//! Losses that compare samples, held against PyTorch in float64 (`xtask/peers/contrast.py`) and against what must be true of
//! them.
#![allow(clippy::unwrap_used)]

use gblend_core::gradients::GradientMut;
use gblend_core::nn::backward;
use gblend_core::params::{ParamPath, ParamVisitor};
use gblend_core::tensor::Plain;
use gblend_core::{
    Array, AutoDevice, Criterion, JOINT, Label, LabelKind, Labels, Objective, ObjectiveContext, ParamMut,
    Result, Sameness, Seed, Targets,
};
use gblend_optim as _;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

/// Starts a kind with these settings, for the head that it is for.
fn start(kind: &str, mut settings: Value) -> Result<Box<dyn Criterion>> {
    settings["kind"] = kind.into();
    let objective: Box<dyn Objective> = serde_json::from_value(settings).unwrap();
    objective.start(&ObjectiveContext {
        head: if kind == "match" { JOINT } else { "camera" },
        classes: &["a".to_owned(), "b".to_owned()],
        labels: &Labels::of(LabelKind::Class, &[Label::Class(0)]).unwrap(),
        device: &AutoDevice::default(),
        seed: Seed::new(1),
    })
}

fn targets(samples: usize, identities: Option<&[u64]>) -> Targets {
    let targets = Targets::new(vec![Label::Missing; samples]);
    match identities {
        Some(numbers) => targets.with_identities(Sameness::Text, numbers.to_vec()).unwrap(),
        None => targets,
    }
}

/// The loss of an output, its gradient, and that of the temperature's parameter.
fn differentiate(
    criterion: &mut dyn Criterion,
    output: &Array,
    targets: &Targets,
) -> Result<(f64, Vec<f32>, Option<f32>)> {
    struct Temperature<'a>(&'a mut gblend_core::tensor::Gradients, Option<f32>);
    impl ParamVisitor for Temperature<'_> {
        fn param(&mut self, _: &ParamPath, param: ParamMut<'_>) -> Result<()> {
            GradientMut::new(param, self.0).read(|values| self.1 = values.first().copied())
        }
    }
    let &[samples, width] = output.shape() else {
        unreachable!()
    };
    let leaf = Plain::new(&AutoDevice::default(), (samples, width), output.values().to_vec())?;
    let loss = criterion.loss(leaf.parameter(), targets)?;
    let value = f64::from(loss.value());
    let mut gradients = backward(loss)?;
    let gradient = gradients.get(&leaf)?.into_values();
    let mut temperature = Temperature(&mut gradients, None);
    criterion.visit_params(&ParamPath::root(), &mut temperature)?;
    Ok((value, gradient, temperature.1))
}

#[derive(Deserialize)]
struct Stored {
    kind: String,
    width: usize,
    temperature: Value,
    identities: Option<Vec<u64>>,
    output: Vec<Vec<f32>>,
    losses: Vec<f64>,
    gradient: Vec<Vec<f64>>,
    temperature_gradient: Option<f64>,
}

#[test]
fn losses_and_their_gradients_are_those_of_pytorch_in_float64() {
    let stored: Vec<Stored> = serde_json::from_str(include_str!("fixtures/contrast.json")).unwrap();
    assert!(stored.len() >= 9);
    for (number, stored) in stored.into_iter().enumerate() {
        let settings = match stored.kind.as_str() {
            "anchor" => json!({}),
            _ => json!({ "width": stored.width, "temperature": stored.temperature, "same": "text" }),
        };
        let mut criterion = start(&stored.kind, settings).unwrap();
        let samples = stored.output.len();
        let output = Array::new([samples, stored.output[0].len()], stored.output.concat()).unwrap();
        let targets = targets(samples, stored.identities.as_deref());
        let what = format!("case {number}, {}", stored.kind);
        let losses = criterion.losses(&output, &targets).unwrap();
        for (found, expected) in losses.iter().zip(&stored.losses) {
            // What is learned is kept in single precision.
            assert!(
                (found.unwrap() - expected).abs() < 1e-6,
                "{what}: {found:?} {expected}"
            );
        }
        let (loss, gradient, temperature) = differentiate(criterion.as_mut(), &output, &targets).unwrap();
        let mean = stored.losses.iter().sum::<f64>() / samples as f64;
        assert!(
            (loss - mean).abs() < 1e-6 * mean.max(1.0),
            "{what}: {loss} {mean}"
        );
        let expected = stored.gradient.concat();
        let largest = expected.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        let rows =
            gradient
                .iter()
                .zip(&expected)
                .zip(
                    output
                        .values()
                        .chunks_exact(stored.width.max(1))
                        .flat_map(|part| {
                            // What stands in the place of a modality that is not there is no output.
                            let there = part.iter().any(|&value| value != 0.0);
                            vec![there; part.len()]
                        }),
                );
        for ((&found, &expected), there) in rows {
            if there {
                let error = (f64::from(found) - expected).abs();
                assert!(error < 1e-6 * largest.max(1.0), "{what}: {found} {expected}");
            }
        }
        match (temperature, stored.temperature_gradient) {
            (Some(found), Some(expected)) => {
                let error = (f64::from(found) - expected).abs();
                assert!(
                    error < 1e-6 * expected.abs().max(1.0),
                    "{what}: {found} {expected}"
                );
            }
            (found, expected) => assert_eq!(found.is_some(), expected.is_some(), "{what}"),
        }
    }
}

const WIDTH: usize = 3;

fn output(samples: usize) -> impl Strategy<Value = Array> {
    proptest::collection::vec(-2.0_f32..2.0, samples * 2 * WIDTH)
        .prop_map(move |values| Array::new([samples, 2 * WIDTH], values).unwrap())
}

fn settings() -> Value {
    json!({ "width": WIDTH, "same": "text", "block": 8 })
}

/// The rows of an output in another order.
fn reordered(output: &Array, order: &[usize]) -> Array {
    let width = output.shape()[1];
    let rows = order
        .iter()
        .flat_map(|&row| output.values()[row * width..][..width].to_vec());
    Array::new([order.len(), width], rows.collect()).unwrap()
}

fn mean(losses: &[Option<f64>]) -> f64 {
    gblend_core::objective::mean_of(losses).unwrap()
}

proptest! {
    #[test]
    fn the_order_of_samples_changes_nothing_but_the_order_of_their_losses(
        output in output(6), order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle(),
        numbers in proptest::collection::vec(0_u64..4, 6), kind in proptest::sample::select(vec!["match", "views"]),
    ) {
        let criterion = start(kind, settings()).unwrap();
        let moved: Vec<u64> = order.iter().map(|&row| numbers[row]).collect();
        let losses = criterion.losses(&output, &targets(6, Some(&numbers))).unwrap();
        let other = criterion.losses(&reordered(&output, &order), &targets(6, Some(&moved))).unwrap();
        for (&row, other) in order.iter().zip(other) {
            prop_assert!((losses[row].unwrap() - other.unwrap()).abs() < 1e-9);
        }
    }

    #[test]
    fn which_modality_comes_first_changes_no_loss(output in output(5), kind in proptest::sample::select(vec!["match", "views"])) {
        let criterion = start(kind, settings()).unwrap();
        let swapped = output.values().chunks_exact(2 * WIDTH).flat_map(|row| [&row[WIDTH..], &row[..WIDTH]].concat());
        let swapped = Array::new([5, 2 * WIDTH], swapped.collect()).unwrap();
        let of = |output: &Array| mean(&criterion.losses(output, &targets(5, None)).unwrap());
        prop_assert!((of(&output) - of(&swapped)).abs() < 1e-9);
    }

    #[test]
    fn the_length_of_a_projection_changes_no_loss(output in output(5), times in 0.5_f32..4.0) {
        let criterion = start("match", settings()).unwrap();
        let longer = Array::new([5, 2 * WIDTH], output.values().iter().map(|value| times * value).collect()).unwrap();
        let of = |output: &Array| mean(&criterion.losses(output, &targets(5, None)).unwrap());
        prop_assert!((of(&output) - of(&longer)).abs() < 1e-3);
    }

    #[test]
    fn one_that_is_the_same_is_no_wrong_match(output in output(5)) {
        let criterion = start("match", settings()).unwrap();
        let of = |numbers: &[u64]| criterion.losses(&output, &targets(5, Some(numbers))).unwrap();
        let (apart, alike) = (of(&[0, 1, 2, 3, 4]), of(&[0, 1, 2, 3, 0]));
        for (sample, (apart, alike)) in apart.into_iter().zip(alike).enumerate() {
            let fewer = alike.unwrap() <= apart.unwrap() + 1e-12;
            let concerned = sample == 0 || sample == 4;
            prop_assert!((concerned && fewer) || (!concerned && alike == apart));
        }
        // Without any other there is nothing to be taken for.
        for loss in of(&[7; 5]) {
            prop_assert!(loss.unwrap().abs() < 1e-9);
        }
    }

    #[test]
    fn a_sample_with_one_modality_has_the_loss_of_a_guess_and_is_no_candidate(output in output(5)) {
        let mut criterion = start("match", settings()).unwrap();
        let mut values = output.values().to_vec();
        values[..WIDTH].fill(0.0);
        let lacking = Array::new([5, 2 * WIDTH], values).unwrap();
        let losses = criterion.losses(&lacking, &targets(5, None)).unwrap();
        prop_assert!((losses[0].unwrap() - 5.0_f64.ln()).abs() < 1e-12);
        let rest = criterion.losses(&reordered(&output, &[1, 2, 3, 4]), &targets(4, None)).unwrap();
        prop_assert_eq!(&losses[1..], &rest[..]);
        let (loss, _, _) = differentiate(criterion.as_mut(), &lacking, &targets(5, None)).unwrap();
        prop_assert!((loss - mean(&losses)).abs() < 1e-4 * loss.max(1.0));
    }

    #[test]
    fn a_guess_has_the_loss_at_chance(samples in 2_usize..9) {
        let output = Array::new([samples, 2 * WIDTH], vec![1.0; samples * 2 * WIDTH]).unwrap();
        for kind in ["match", "views"] {
            let criterion = start(kind, settings()).unwrap();
            let loss = mean(&criterion.losses(&output, &targets(samples, None)).unwrap());
            prop_assert!((loss - criterion.chance(samples)).abs() < 1e-9, "{kind}: {loss}");
        }
    }
}

#[test]
fn a_batch_of_one_says_that_there_is_nothing_to_compare_it_with() {
    for kind in ["match", "views"] {
        let mut criterion = start(kind, settings()).unwrap();
        let output = Array::new([1, 2 * WIDTH], vec![1.0; 2 * WIDTH]).unwrap();
        let error = differentiate(criterion.as_mut(), &output, &targets(1, None))
            .unwrap_err()
            .to_string();
        assert!(error.contains("run.batch_size"), "{error}");
    }
}

#[test]
fn settings_out_of_their_range_are_named() {
    for (kind, setting, key) in [
        ("match", json!({ "width": 0 }), "width"),
        ("match", json!({ "hidden": [0] }), "hidden"),
        ("match", json!({ "block": 1 }), "block"),
        (
            "match",
            json!({ "temperature": { "start": -1.0 } }),
            "temperature.start",
        ),
        ("views", json!({ "width": 0 }), "width"),
        ("views", json!({ "block": 1 }), "block"),
        (
            "views",
            json!({ "temperature": { "start": 0.0 } }),
            "temperature.start",
        ),
        ("anchor", json!({ "share": 0.0 }), "share"),
        ("anchor", json!({ "share": 1.0 }), "share"),
    ] {
        let error = start(kind, setting).err().unwrap().to_string();
        assert!(error.starts_with(key), "{kind}: {error}");
    }
}

#[test]
fn an_anchor_starts_at_nothing() {
    let mut criterion = start("anchor", json!({})).unwrap();
    let output = Array::new([2, 6], [[0.5, -1.0, 2.0]; 4].concat()).unwrap();
    let losses = criterion.losses(&output, &targets(2, None)).unwrap();
    assert!(losses.iter().all(|loss| loss.unwrap().abs() < 1e-7), "{losses:?}");
    let (loss, gradient, _) = differentiate(criterion.as_mut(), &output, &targets(2, None)).unwrap();
    assert!(loss.abs() < 1e-6 && gradient.iter().all(|value| value.abs() < 1e-6));
}
