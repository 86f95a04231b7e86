//! Sequences of different lengths, and what padding does to them: nothing.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use gblend_core::nn::{Gru, GruOptions, steps_of};
use gblend_core::{Array, AutoDevice, Batch, BuildContext, FitContext, Fitted, Media, Modality, Pass, Seed};
use gblend_modalities as _;
use serde_json::{Value, json};

/// Networks of steps, with everything that could see padding.
fn encoders() -> [Value; 6] {
    [
        json!({ "architecture": "bag", "features": 4 }),
        json!({ "channels": [4, 6, 6], "dropout": 0.3, "pooling": "max" }),
        json!({ "architecture": "transformer", "width": 8, "heads": 2, "hidden": 6, "dropout": 0.3 }),
        json!({ "architecture": "gru", "units": 5, "layers": 2, "bidirectional": true, "dropout": 0.3 }),
        json!({ "architecture": "gru", "units": 5, "bidirectional": true, "pooling": "mean", "dropout": 0.3 }),
        json!({ "architecture": "gru", "units": 3, "layers": 2, "pooling": "max" }),
    ]
}

fn modality(settings: Value) -> Box<dyn Modality> {
    serde_json::from_value(settings).unwrap()
}

/// Three features; one sequence has a gap, one nothing at all.
fn media() -> Vec<Media> {
    let wave = |at: usize| ((at * 37) as f32 * 0.3).sin() * 9.0 + 20.0;
    [7, 4, 0, 9]
        .map(|steps| {
            let mut values: Vec<f32> = (0..steps * 3).map(|at| wave(at + steps)).collect();
            if steps == 7 {
                values[4] = f32::NAN;
            }
            Media::Array(Array::new([steps, 3], values).unwrap())
        })
        .to_vec()
}

fn prepared(modality: &dyn Modality) -> Vec<Array> {
    media()
        .iter()
        .map(|media| modality.prepare(media).unwrap())
        .collect()
}

fn fitted(modality: &dyn Modality) -> Fitted {
    let samples = prepared(modality);
    let read = |index: usize| Ok(samples[index].clone());
    modality
        .fit(&FitContext::new(Path::new("."), samples.len(), &read))
        .unwrap()
}

/// Features of all samples in one batch, as bits.
fn features(modality: &dyn Modality, pass: &Pass) -> Vec<u32> {
    let fitted = fitted(modality);
    let samples: Vec<Array> = prepared(modality)
        .into_iter()
        .map(|sample| modality.apply(sample, &fitted).unwrap())
        .collect();
    let device = AutoDevice::default();
    let cx = BuildContext {
        device: &device,
        sample_shape: samples[0].shape(),
        fitted: &fitted,
        seed: Seed::new(3),
    };
    let mut encoder = modality.build(&cx).unwrap();
    let batch = Batch::stack(&device, &samples.iter().collect::<Vec<_>>()).unwrap();
    let features = encoder.encode(&batch, pass).unwrap().to_vec();
    assert!(features.iter().all(|value| value.is_finite()));
    features.into_iter().map(f32::to_bits).collect()
}

#[test]
fn padding_changes_no_bit_of_any_network_in_training_or_evaluation() {
    for encoder in encoders() {
        let at =
            |length: usize| modality(json!({ "kind": "sequence", "length": length, "encoder": encoder }));
        for pass in [Pass::evaluate(), Pass::train(Seed::new(1))] {
            let shortest = features(at(9).as_ref(), &pass);
            for length in [10, 31] {
                assert_eq!(
                    features(at(length).as_ref(), &pass),
                    shortest,
                    "{encoder} {length}"
                );
            }
        }
    }
}

/// The states of all steps are those of PyTorch (`gblend-core/tests/fixtures/sequences.json`); what is made of them is computed
/// here in float64.
#[test]
fn a_gru_is_pooled_over_the_states_of_the_steps_that_are_there() {
    const UNITS: usize = 5;
    const LENGTHS: [usize; 4] = [7, 4, 0, 9];
    let encoder = |pooling: &str| json!({ "architecture": "gru", "units": UNITS, "bidirectional": true, "pooling": pooling });
    let at = |pooling: &str| {
        let settings = json!({ "kind": "sequence", "length": 12, "encoder": encoder(pooling) });
        let bits = features(modality(settings).as_ref(), &Pass::evaluate());
        bits.into_iter().map(f32::from_bits).collect::<Vec<f32>>()
    };
    let modality = modality(json!({ "kind": "sequence", "length": 12 }));
    let fitted = fitted(modality.as_ref());
    let samples = prepared(modality.as_ref()).into_iter();
    let samples: Vec<Array> = samples
        .map(|sample| modality.apply(sample, &fitted).unwrap())
        .collect();
    let device = AutoDevice::default();
    let batch = Batch::stack(&device, &samples.iter().collect::<Vec<_>>()).unwrap();
    let (rows, steps) = steps_of(&batch, &Pass::evaluate()).unwrap();
    let options = GruOptions {
        hidden: UNITS,
        layers: 1,
        bidirectional: true,
        dropout: 0.0,
    };
    let inputs = rows.shape().1;
    let gru = Gru::new(&device, inputs, &options, Seed::new(3).derive("gru")).unwrap();
    let states = gru.forward(rows, &steps, &Pass::evaluate()).unwrap().to_vec();
    let width = 2 * UNITS;
    assert_eq!(states.len(), LENGTHS.iter().sum::<usize>() * width);
    for pooling in ["mean", "max", "last"] {
        let found = at(pooling);
        let mut first = 0;
        for (sample, length) in LENGTHS.into_iter().enumerate() {
            for feature in 0..width {
                let mut values = (first..first + length).map(|row| f64::from(states[row * width + feature]));
                let expected = match pooling {
                    _ if length == 0 => 0.0,
                    "mean" => values.sum::<f64>() / length as f64,
                    "max" => values.fold(f64::NEG_INFINITY, f64::max),
                    // Each direction where it has read all.
                    _ if feature < UNITS => values.next_back().unwrap(),
                    _ => values.next().unwrap(),
                };
                let found = f64::from(found[sample * width + feature]);
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{pooling} {sample} {feature}: {found} {expected}"
                );
            }
            first += length;
        }
    }
}

#[test]
fn figures_are_of_the_steps_that_are_there() {
    let at = |length: usize| modality(json!({ "kind": "sequence", "length": length }));
    let (short, long) = (fitted(at(9).as_ref()), fitted(at(40).as_ref()));
    assert_eq!(short, long);
    assert!(
        short.summary().iter().any(|line| line.contains("20 steps")),
        "{short:?}"
    );
    assert!(
        short
            .summary()
            .iter()
            .any(|line| line.contains("1 cells missing")),
        "{short:?}"
    );
}

#[test]
fn arrays_with_features_first_are_the_same_sequences() {
    let rows = modality(json!({ "kind": "sequence" }));
    let columns = modality(json!({ "kind": "sequence", "transposed": true }));
    let of = |shape: [usize; 2], values: &[f32]| Media::Array(Array::new(shape, values.to_vec()).unwrap());
    let found = rows
        .prepare(&of([3, 2], &[1.0, 10.0, 2.0, 20.0, 3.0, 30.0]))
        .unwrap();
    assert_eq!(found.shape(), [3, 3]);
    assert_eq!(found.values(), [1.0, 2.0, 3.0, 10.0, 20.0, 30.0, 1.0, 1.0, 1.0]);
    let other = columns
        .prepare(&of([2, 3], &[1.0, 2.0, 3.0, 10.0, 20.0, 30.0]))
        .unwrap();
    assert_eq!(other, found);
}

#[test]
fn a_key_of_another_network_is_refused() {
    for (encoder, key) in [
        (json!({ "units": 4 }), "encoder.units"),
        (json!({ "architecture": "gru", "kernel": 3 }), "encoder.kernel"),
        (json!({ "kernel": 4 }), "encoder.kernel"),
        (json!({ "stride": 3 }), "encoder.stride"),
        (
            json!({ "architecture": "transformer", "width": 6, "heads": 4 }),
            "encoder.width",
        ),
    ] {
        let modality = modality(json!({ "kind": "sequence", "length": 9, "encoder": encoder }));
        let cx = BuildContext {
            device: &AutoDevice::default(),
            sample_shape: &[4, 9],
            fitted: Fitted::nothing(),
            seed: Seed::new(1),
        };
        let error = modality.build(&cx).err().unwrap().to_string();
        assert!(error.starts_with(key), "{error}");
    }
}
