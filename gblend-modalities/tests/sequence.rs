//! Sequences of different lengths, and what padding does to them: nothing.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use gblend_core::{Array, AutoDevice, Batch, BuildContext, FitContext, Fitted, Media, Modality, Pass, Seed};
use gblend_modalities as _;
use serde_json::{Value, json};

/// Networks of steps, with everything that could see padding.
fn encoders() -> [Value; 4] {
    [
        json!({ "architecture": "bag", "features": 4 }),
        json!({ "channels": [4, 6, 6], "dropout": 0.3, "pooling": "max" }),
        json!({ "architecture": "transformer", "width": 8, "heads": 2, "hidden": 6, "dropout": 0.3 }),
        json!({ "architecture": "gru", "units": 5, "layers": 2, "bidirectional": true, "dropout": 0.3 }),
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
        (
            json!({ "architecture": "gru", "pooling": "max" }),
            "encoder.pooling",
        ),
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
