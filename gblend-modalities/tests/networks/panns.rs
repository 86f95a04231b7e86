//! Networks of sounds: the spectrogram and the answers of PANNs, their names and shapes, halves, and what is refused.

use std::collections::BTreeMap;

use gblend_core::media::{Media, Waveform};
use gblend_core::params::{load_state, parameter_count, state_of};
use gblend_core::{Array, AutoDevice, Batch, BuildContext, Encoder, Fitted, Modality, Pass, Result, Seed};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answers::{gradients, parameter_gradients};
use crate::digests::{Digest, array_of, check, draw};

const MELS: usize = 64;
const TIME: usize = 33;
const RATE: u32 = 32_000;
const SAMPLES: usize = 10_300;

#[derive(Deserialize)]
struct Stored {
    /// Decibels `[mels, time]`.
    spectrograms: Vec<Vec<f64>>,
    networks: Vec<StoredNetwork>,
}

#[derive(Deserialize)]
struct StoredNetwork {
    architecture: String,
    shapes: BTreeMap<String, Vec<usize>>,
    train: Answer,
    eval: Answer,
    /// The embeddings of the sounds.
    heard: Vec<f64>,
}

#[derive(Deserialize)]
struct Answer {
    /// What the spectrograms are drawn by.
    sounds: String,
    features: Digest,
    gradients: BTreeMap<String, Digest>,
    buffers: BTreeMap<String, Digest>,
}

fn stored() -> Stored {
    serde_json::from_str(include_str!("../fixtures/panns.json")).unwrap()
}

/// As the documentation has it.
fn audio(encoder: &Value) -> Box<dyn Modality> {
    let spectrogram = json!({
        "n_fft": 1024, "win_length": 1024, "hop_length": 320, "n_mels": 64, "fmin": 50, "fmax": 14000,
        "padding": "reflect", "logarithm": "decibels",
    });
    let table = json!({
        "kind": "audio", "sample_rate": RATE, "mean": 0, "deviation": 1, "spectrogram": spectrogram, "encoder": encoder,
    });
    serde_json::from_value(table).unwrap()
}

/// An encoder of spectrograms of any size.
fn build(encoder: &Value, sample_shape: &[usize]) -> Result<Box<dyn Encoder>> {
    let table = json!({ "kind": "audio", "encoder": encoder });
    let modality: Box<dyn Modality> = serde_json::from_value(table).unwrap();
    build_of(modality.as_ref(), sample_shape)
}

fn build_of(modality: &dyn Modality, sample_shape: &[usize]) -> Result<Box<dyn Encoder>> {
    modality.build(&BuildContext {
        device: &AutoDevice::default(),
        sample_shape,
        fitted: Fitted::nothing(),
        seed: Seed::new(3),
    })
}

fn batch(samples: &[Array]) -> Batch {
    Batch::stack(&AutoDevice::default(), &samples.iter().collect::<Vec<_>>()).unwrap()
}

/// A chord that fades in noise, with silence in its middle: the formula of `xtask/peers/panns.py`.
fn sound(name: &str) -> Media {
    let noise = draw(name, SAMPLES).into_iter().enumerate();
    let mut samples: Vec<f32> = noise
        .map(|(at, noise)| {
            let time = at as f64 / f64::from(RATE);
            let tones = [220.0, 1750.0, 6300.0].map(|hertz| (std::f64::consts::TAU * hertz * time).sin());
            (0.2 * tones.iter().sum::<f64>() * (-8.0 * time).exp() + 0.05 * f64::from(noise)) as f32
        })
        .collect();
    samples[4000..6500].fill(0.0);
    Media::Waveform(Waveform {
        sample_rate: RATE,
        samples,
    })
}

/// Gives an encoder the parameters of the formula, under the names of the public state dict, and no other.
fn load(name: &str, encoder: &mut dyn Encoder, shapes: &BTreeMap<String, Vec<usize>>) {
    let own = state_of(encoder).unwrap();
    let expected = shapes
        .iter()
        .filter(|(path, _)| !path.starts_with("fc_audioset."));
    let found = own.iter().map(|(path, array)| (path, array.shape()));
    assert!(
        found.eq(expected.clone().map(|(path, shape)| (path, shape.as_slice()))),
        "{name}"
    );
    let state = expected.map(|(path, shape)| (path.clone(), array_of(path, shape)));
    load_state(encoder, &state.collect()).unwrap();
}

#[test]
fn a_spectrogram_of_panns_is_that_of_librosa() {
    let modality = audio(&json!({ "architecture": "cnn10" }));
    let spectrograms = stored().spectrograms;
    assert_eq!(spectrograms.len(), 2);
    for (number, expected) in spectrograms.iter().enumerate() {
        let found = modality.prepare(&sound(&format!("sound-{number}"))).unwrap();
        assert_eq!(found.shape(), [1, MELS, TIME, 1]);
        assert!(expected.contains(&-100.0), "silence is as low as it gets");
        for (at, (&found, expected)) in found.values().iter().zip(expected).enumerate() {
            assert!(
                (f64::from(found) - expected).abs() < 1e-3,
                "{at}: {found} {expected}"
            );
        }
        check("a spectrogram", found.values(), expected);
    }
}

#[test]
fn a_network_of_panns_has_their_embeddings_and_gradients_in_both_modes_and_hears_what_they_hear() {
    let networks = stored().networks;
    assert_eq!(networks.len(), 2);
    for stored in networks {
        let name = &stored.architecture;
        let modality = audio(&json!({ "architecture": name }));
        let mut encoder = build_of(modality.as_ref(), &[1, MELS, TIME, 1]).unwrap();
        load(name, encoder.as_mut(), &stored.shapes);
        let heard: Vec<Array> = (0..2)
            .map(|number| modality.prepare(&sound(&format!("sound-{number}"))).unwrap())
            .collect();
        let features = encoder.encode(&batch(&heard), &Pass::evaluate()).unwrap();
        check(&format!("{name} heard"), &features.to_vec(), &stored.heard);
        // Evaluation changes nothing, so it goes first.
        for (mode, pass, answer) in [
            ("evaluation", Pass::differentiate(), &stored.eval),
            ("training", Pass::train(Seed::new(0)), &stored.train),
        ] {
            let drawn = draw(&answer.sounds, 2 * MELS * TIME);
            let drawn = drawn.chunks(MELS * TIME);
            let drawn: Vec<Array> = drawn
                .map(|values| Array::new([1, MELS, TIME, 1], values.to_vec()).unwrap())
                .collect();
            let features = encoder.encode(&batch(&drawn), &pass).unwrap();
            answer
                .features
                .check(&format!("{name} features in {mode}"), &features.to_vec());
            let gradients = gradients(features, draw("projection", 2 * 512));
            let gradients = parameter_gradients(encoder.as_mut(), gradients);
            assert!(gradients.keys().eq(answer.gradients.keys()), "{name}");
            for (path, gradient) in &gradients {
                answer.gradients[path].check(&format!("{name} gradient of {path} in {mode}"), gradient);
            }
            let state = state_of(encoder.as_mut()).unwrap();
            for (path, digest) in &answer.buffers {
                digest.check(&format!("{name} {path} in {mode}"), state[path].values());
            }
        }
    }
}

#[test]
fn a_network_of_panns_has_as_many_parameters_as_theirs_without_the_last_layer() {
    // Table IV of the paper, and the last layer of 527 classes.
    for (architecture, count) in [("cnn6", 4_837_455), ("cnn10", 5_219_279)] {
        let modality = audio(&json!({ "architecture": architecture }));
        let mut encoder = build_of(modality.as_ref(), &[1, MELS, 16, 1]).unwrap();
        let own = parameter_count(encoder.as_mut()).unwrap();
        assert_eq!(own, count - 512 * 527 - 527, "{architecture}");
        assert_eq!(encoder.feature_dim(), 512);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spectrograms_of_any_size_pass_the_stages_that_are_told_and_the_halves_are_the_whole(
        mels in 16_usize..50, time in 16_usize..70, wide: bool,
    ) {
        let architecture = if wide { "cnn6" } else { "cnn10" };
        let table = json!({ "architecture": architecture, "channels": [3, 4, 5, 6] });
        let shape = [1, mels, time, 1];
        let mut encoder = build(&table, &shape).unwrap();
        let sample = Array::new(shape, draw("sample", mels * time)).unwrap();
        let samples = batch(&[sample.clone(), sample]);
        let pass = Pass::evaluate();
        let whole = encoder.encode(&samples, &pass).unwrap().to_vec();
        prop_assert_eq!(encoder.stages().len(), 4);
        for stage in 1..=4 {
            let maps = encoder.encode_up_to(stage, &samples, &pass).unwrap();
            prop_assert_eq!(*maps.shape(), encoder.stages()[stage - 1].of_batch(2));
            prop_assert_eq!(&encoder.encode_after(stage, maps, &pass).unwrap().to_vec(), &whole);
        }
    }
}

#[test]
fn spectrograms_too_small_for_four_halvings_pictures_and_other_keys_are_refused() {
    let table = json!({ "architecture": "cnn10", "channels": [2, 2, 2, 2] });
    for shape in [[1, 64, 15, 1], [1, 15, 64, 1], [3, 64, 64, 1], [1, 64, 64, 2]] {
        let error = build(&table, &shape).err().unwrap().to_string();
        assert!(
            error.contains("\"cnn10\"") && error.contains("`seconds`"),
            "{error}"
        );
    }
    let rgb: Box<dyn Modality> =
        serde_json::from_value(json!({ "kind": "rgb", "encoder": { "architecture": "cnn6" } })).unwrap();
    let error = build_of(rgb.as_ref(), &[3, 64, 64, 1]).err().unwrap().to_string();
    assert!(error.starts_with("encoder.architecture = \"cnn6\""), "{error}");
    for (key, value) in [
        ("blocks", json!(2)),
        ("pooling", json!("average")),
        ("depth", json!(10)),
    ] {
        let mut encoder = json!({ "architecture": "cnn6" });
        encoder[key] = value;
        let table = json!({ "kind": "audio", "encoder": encoder });
        let error = serde_json::from_value::<Box<dyn Modality>>(table)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("encoder.{key}")) && error.contains("\"cnn6\""),
            "{error}"
        );
    }
}
