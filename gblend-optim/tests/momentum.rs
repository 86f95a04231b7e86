//! The loss among keys of a queue, held against PyTorch in float64 (`xtask/peers/momentum.py`) and against what must be true of it.
#![allow(clippy::unwrap_used)]

use std::num::NonZeroUsize;

use gblend_core::nn::backward;
use gblend_core::tensor::Plain;
use gblend_core::{
    Array, AutoDevice, Criterion, JOINT, KeyRing, Keys, Label, LabelKind, Labels, Objective,
    ObjectiveContext, Result, Sameness, Seed, Targets,
};
use gblend_optim as _;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

fn start(width: usize, temperature: f64) -> Box<dyn Criterion> {
    let settings = json!({
        "kind": "match", "width": width, "temperature": { "start": temperature, "learned": false },
    });
    let objective: Box<dyn Objective> = serde_json::from_value(settings).unwrap();
    let started = objective.start(&ObjectiveContext {
        head: JOINT,
        classes: &[],
        labels: &Labels::of(LabelKind::Class, &[Label::Class(0)]).unwrap(),
        device: &AutoDevice::default(),
        seed: Seed::new(1),
    });
    started.unwrap()
}

fn targets(numbers: &[u64]) -> Targets {
    let targets = Targets::new(vec![Label::Missing; numbers.len()]);
    targets.with_identities(Sameness::Text, numbers.to_vec()).unwrap()
}

/// The loss of an output, and its gradient.
fn differentiate(
    criterion: &mut dyn Criterion,
    output: &Array,
    targets: &Targets,
    keys: Option<&Keys>,
) -> Result<(f64, Vec<f32>)> {
    let shape = (output.shape()[0], output.shape()[1]);
    let leaf = Plain::new(&AutoDevice::default(), shape, output.values().to_vec())?;
    let loss = match keys {
        Some(keys) => criterion.loss_among(leaf.parameter(), targets, keys)?,
        None => criterion.loss(leaf.parameter(), targets)?,
    };
    let value = f64::from(loss.value());
    Ok((value, backward(loss)?.get(&leaf)?.into_values()))
}

fn mean(losses: &[Option<f64>]) -> f64 {
    gblend_core::objective::mean_of(losses).unwrap()
}

#[derive(Deserialize)]
struct Case {
    width: usize,
    size: NonZeroUsize,
    temperature: f64,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    output: Vec<Vec<f32>>,
    keys: Vec<Vec<f32>>,
    numbers: Vec<u64>,
    losses: Vec<f64>,
    gradient: Vec<Vec<f64>>,
}

#[test]
fn losses_and_gradients_of_several_steps_are_those_of_pytorch_in_float64() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/momentum.json")).unwrap();
    assert_eq!(cases.len(), 4);
    for (case, stored) in cases.into_iter().enumerate() {
        let length = stored.steps[0].output[0].len();
        let mut criterion = start(stored.width, stored.temperature);
        let mut ring = KeyRing::new(stored.size, length);
        for (step, stored_step) in stored.steps.iter().enumerate() {
            let what = format!("case {case}, step {step}");
            let samples = stored_step.numbers.len();
            let array = |rows: &[Vec<f32>]| Array::new([samples, length], rows.concat()).unwrap();
            let (output, targets) = (array(&stored_step.output), targets(&stored_step.numbers));
            let keys = ring.beside(array(&stored_step.keys));
            let losses = criterion.losses_among(&output, &targets, &keys).unwrap();
            for (found, expected) in losses.iter().zip(&stored_step.losses) {
                let found = found.unwrap();
                assert!((found - expected).abs() < 1e-6, "{what}: {found} {expected}");
            }
            let (loss, gradient) = differentiate(criterion.as_mut(), &output, &targets, Some(&keys)).unwrap();
            let expected = stored_step.losses.iter().sum::<f64>() / samples as f64;
            assert!(
                (loss - expected).abs() < 1e-6 * expected.max(1.0),
                "{what}: {loss} {expected}"
            );
            let expected = stored_step.gradient.concat();
            let largest = expected.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
            assert!(largest > 0.0, "{what}");
            for ((&found, &expected), &value) in gradient.iter().zip(&expected).zip(output.values()) {
                // What stands in the place of a modality that is not there is no output.
                let error = (f64::from(found) - expected).abs();
                let there = value != 0.0 || expected != 0.0;
                assert!(
                    !there || error < 1e-6 * largest.max(1.0),
                    "{what}: {found} {expected}"
                );
            }
            ring.push(&keys.batch, &stored_step.numbers).unwrap();
        }
    }
}

const WIDTH: usize = 3;

fn rows(samples: usize) -> impl Strategy<Value = Array> {
    proptest::collection::vec(-2.0_f32..2.0, samples * 2 * WIDTH)
        .prop_map(move |values| Array::new([samples, 2 * WIDTH], values).unwrap())
}

proptest! {
    #[test]
    fn without_a_queue_and_with_keys_of_the_encoder_itself_the_loss_is_plain_and_queries_alone_learn(
        output in rows(5), numbers in proptest::collection::vec(0_u64..4, 5),
    ) {
        let (mut criterion, targets) = (start(WIDTH, 0.2), targets(&numbers));
        let keys = Keys::of_batch(output.clone());
        let (plain, _) = differentiate(criterion.as_mut(), &output, &targets, None).unwrap();
        let (among, gradient) = differentiate(criterion.as_mut(), &output, &targets, Some(&keys)).unwrap();
        prop_assert!((plain - among).abs() < 1e-5 * plain.max(1.0), "{plain} {among}");
        let losses = [criterion.losses(&output, &targets).unwrap(), criterion.losses_among(&output, &targets, &keys).unwrap()];
        prop_assert!((mean(&losses[0]) - mean(&losses[1])).abs() < 1e-9);
        // Its gradient is that of a loss whose keys stay.
        let step = 1e-3_f32;
        let moved = |by: f32| {
            let values = output.values().iter().zip(&gradient).map(|(value, slope)| value + by * slope);
            Array::new([5, 2 * WIDTH], values.collect()).unwrap()
        };
        let at = |output: &Array| mean(&criterion.losses_among(output, &targets, &keys).unwrap());
        let slope = (at(&moved(step)) - at(&moved(-step))) / f64::from(2.0 * step);
        let expected: f64 = gradient.iter().map(|value| f64::from(*value).powi(2)).sum();
        prop_assert!((slope - expected).abs() < 0.02 * expected.max(0.05), "{slope} {expected}");
    }

    #[test]
    fn what_is_the_same_in_the_queue_is_no_wrong_match_and_what_is_not_makes_a_match_harder(
        output in rows(4), keys in rows(4), earlier in rows(3),
    ) {
        let criterion = start(WIDTH, 0.2);
        let of = |numbers: Vec<u64>| {
            let keys = Keys { batch: keys.clone(), earlier: earlier.clone(), numbers };
            criterion.losses_among(&output, &targets(&[0, 1, 2, 3]), &keys).unwrap()
        };
        let alone = criterion.losses_among(&output, &targets(&[0, 1, 2, 3]), &Keys::of_batch(keys.clone())).unwrap();
        let (apart, alike) = (of(vec![7, 8, 9]), of(vec![2, 2, 2]));
        for (sample, ((alone, apart), alike)) in alone.into_iter().zip(apart).zip(alike).enumerate() {
            prop_assert!(apart > alone);
            prop_assert_eq!(alike, if sample == 2 { alone } else { apart });
        }
    }

    #[test]
    fn the_order_of_a_queue_changes_nothing(output in rows(4), keys in rows(4), earlier in rows(3)) {
        let criterion = start(WIDTH, 0.2);
        let turned: Vec<f32> = earlier.values().chunks_exact(2 * WIDTH).rev().flatten().copied().collect();
        let of = |earlier: Array, numbers: [u64; 3]| {
            let keys = Keys { batch: keys.clone(), earlier, numbers: numbers.to_vec() };
            mean(&criterion.losses_among(&output, &targets(&[0, 1, 2, 3]), &keys).unwrap())
        };
        let other = of(Array::new([3, 2 * WIDTH], turned).unwrap(), [9, 8, 2]);
        prop_assert!((of(earlier.clone(), [2, 8, 9]) - other).abs() < 1e-9);
    }
}

#[test]
fn keys_that_are_not_those_of_the_batch_are_refused() {
    let criterion = start(WIDTH, 0.2);
    let output = Array::zeros([4, 2 * WIDTH]);
    for batch in [[3, 2 * WIDTH], [4, WIDTH]] {
        let keys = Keys::of_batch(Array::zeros(batch));
        assert!(
            criterion
                .losses_among(&output, &targets(&[0, 1, 2, 3]), &keys)
                .is_err()
        );
    }
    let mut keys = Keys::of_batch(Array::zeros([4, 2 * WIDTH]));
    keys.numbers.push(0);
    assert!(
        criterion
            .losses_among(&output, &targets(&[0, 1, 2, 3]), &keys)
            .is_err()
    );
}

#[test]
fn settings_out_of_their_range_are_named() {
    for (queue, key) in [
        (json!({ "momentum": 1.5 }), "queue.momentum"),
        (json!({ "size": 100_000_000 }), "queue.size"),
    ] {
        let settings = json!({ "kind": "match", "queue": queue });
        let objective: Box<dyn Objective> = serde_json::from_value(settings).unwrap();
        let error = objective.start(&ObjectiveContext {
            head: JOINT,
            classes: &[],
            labels: &Labels::of(LabelKind::Class, &[Label::Class(0)]).unwrap(),
            device: &AutoDevice::default(),
            seed: Seed::new(1),
        });
        let error = error.err().unwrap().to_string();
        assert!(error.starts_with(key), "{error}");
    }
}
