//! Residual networks: the answers of torchvision, its names and shapes, halves, and what is refused.

use std::collections::BTreeMap;

use gblend_core::nn::{backward, multiply, sum};
use gblend_core::params::{load_state, parameter_count, state_of};
use gblend_core::recorder::Recorder;
use gblend_core::tensor::Plain;
use gblend_core::{Array, AutoDevice, Batch, BuildContext, Encoder, Fitted, Modality, Pass, Result, Seed};
use gblend_modalities::encoder::EncoderSettings;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answers::parameter_gradients;
use crate::digests::{Digest, array_of, check, draw};

const CLASSES: usize = 10;

fn build(table: &Value, sample_shape: &[usize]) -> Result<Box<dyn Encoder>> {
    let settings: EncoderSettings = serde_json::from_value(table.clone()).unwrap();
    settings.build(&BuildContext {
        device: &AutoDevice::default(),
        sample_shape,
        fitted: Fitted::nothing(),
        seed: Seed::new(3),
    })
}

#[derive(Deserialize)]
struct Stored {
    architecture: String,
    /// Clips, sides and frames.
    size: [usize; 3],
    shapes: BTreeMap<String, Vec<usize>>,
    train: Answer,
    eval: Answer,
}

#[derive(Deserialize)]
struct Answer {
    /// What the clips are drawn by.
    clips: String,
    logits: Vec<f64>,
    features: Digest,
    /// None where the last stage has too few values of a channel for single precision.
    gradients: BTreeMap<String, Digest>,
    buffers: BTreeMap<String, Digest>,
}

fn clips(name: &str, [count, side, frames]: [usize; 3]) -> Batch {
    let shape = [3, side, side, frames];
    let clips = draw(name, count * shape.iter().product::<usize>());
    let clips = clips.chunks(clips.len() / count);
    let clips: Vec<Array> = clips
        .map(|clip| Array::new(shape, clip.to_vec()).unwrap())
        .collect();
    Batch::stack(&AutoDevice::default(), &clips.iter().collect::<Vec<_>>()).unwrap()
}

/// torchvision's last layer, `fc`, on the mean features of each sample.
fn logits(features: &[f32]) -> Vec<f32> {
    let weight = array_of("fc.weight", &[CLASSES, 512]);
    let bias = array_of("fc.bias", &[CLASSES]);
    let rows = weight.values().chunks(512).zip(bias.values());
    let of = |features: &[f32]| -> Vec<f32> {
        let logit = |(row, &bias): (&[f32], &f32)| {
            let products = row
                .iter()
                .zip(features)
                .map(|(&a, &b)| f64::from(a) * f64::from(b));
            (products.sum::<f64>() + f64::from(bias)) as f32
        };
        rows.clone().map(logit).collect()
    };
    features.chunks(512).flat_map(of).collect()
}

/// Runs a network in a mode, and holds everything that comes of it against the answer.
fn check_mode(name: &str, encoder: &mut dyn Encoder, size: [usize; 3], pass: &Pass, answer: &Answer) {
    let features = encoder.encode(&clips(&answer.clips, size), pass).unwrap();
    let found = features.to_vec();
    answer.features.check(&format!("{name} features"), &found);
    check(&format!("{name} logits"), &logits(&found), &answer.logits);
    let projection = draw("projection", size[0] * 512);
    let projection = Plain::new(&features.device(), *features.shape(), projection).unwrap();
    let product = multiply(features, projection.enter(Recorder::for_data())).unwrap();
    let gradients = parameter_gradients(encoder, backward(sum(product).unwrap()).unwrap());
    if !answer.gradients.is_empty() {
        assert!(gradients.keys().eq(answer.gradients.keys()), "{name}");
    }
    for (path, gradient) in gradients
        .iter()
        .filter(|(path, _)| answer.gradients.contains_key(*path))
    {
        answer.gradients[path].check(&format!("{name} gradient of {path}"), gradient);
    }
    let state = state_of(encoder).unwrap();
    for (path, digest) in answer
        .buffers
        .iter()
        .filter(|(path, _)| state.contains_key(*path))
    {
        digest.check(&format!("{name} {path}"), state[path].values());
    }
}

#[test]
fn a_residual_network_has_the_logits_and_the_gradients_of_torchvision_in_both_modes() {
    let stored: Vec<Stored> = serde_json::from_str(include_str!("../fixtures/resnets.json")).unwrap();
    assert_eq!(stored.len(), 3);
    let with_gradients = stored.iter().flat_map(|stored| [&stored.train, &stored.eval]);
    assert_eq!(
        with_gradients
            .filter(|answer| !answer.gradients.is_empty())
            .count(),
        5
    );
    for stored in stored {
        let (name, size @ [_, side, frames]) = (&stored.architecture, stored.size);
        let table = json!({ "architecture": name });
        let mut encoder = build(&table, &[3, side, side, frames]).unwrap();
        // Every name of torchvision's with as many values, and no other, but for the last layer. Axes of one value may differ.
        let own = state_of(encoder.as_mut()).unwrap();
        let extents =
            |shape: &[usize]| -> Vec<usize> { shape.iter().copied().filter(|&extent| extent != 1).collect() };
        let shapes = own
            .iter()
            .map(|(path, array)| (path.as_str(), extents(array.shape())));
        let expected = stored.shapes.iter().filter(|(path, _)| !path.starts_with("fc."));
        let with_extents = expected
            .clone()
            .map(|(path, shape)| (path.as_str(), extents(shape)));
        assert!(shapes.eq(with_extents), "{name}");
        let state = expected.map(|(path, shape)| {
            let values = array_of(path, shape).into_values();
            (path.clone(), Array::new(own[path].shape(), values).unwrap())
        });
        load_state(encoder.as_mut(), &state.collect()).unwrap();
        // Evaluation changes nothing, so it goes first.
        let pass = Pass::differentiate();
        check_mode(
            &format!("{name} in evaluation:"),
            encoder.as_mut(),
            size,
            &pass,
            &stored.eval,
        );
        let pass = Pass::train(Seed::new(0));
        check_mode(
            &format!("{name} in training:"),
            encoder.as_mut(),
            size,
            &pass,
            &stored.train,
        );
    }
}

#[test]
fn a_resnet_has_as_many_parameters_as_torchvisions_without_the_last_layer() {
    for (name, count) in [("resnet18", 11_689_512), ("resnet34", 21_797_672)] {
        let mut encoder = build(&json!({ "architecture": name }), &[3, 8, 8, 1]).unwrap();
        assert_eq!(
            parameter_count(encoder.as_mut()).unwrap(),
            count - 512 * 1000 - 1000
        );
        assert_eq!(encoder.feature_dim(), 512);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pictures_of_any_size_pass_the_stages_that_are_told_and_the_halves_are_the_whole(
        height in 1_usize..70, width in 1_usize..70, frames in 1_usize..7, channels in 1_usize..4, video: bool,
    ) {
        let architecture = if video { "r2plus1d_18" } else { "resnet18" };
        let table = json!({ "architecture": architecture, "channels": [3, 4, 5, 6] });
        let shape = [channels, height, width, frames];
        let mut encoder = build(&table, &shape).unwrap();
        let sample = Array::new(shape, draw("sample", shape.iter().product())).unwrap();
        let batch = Batch::stack(&AutoDevice::default(), &[&sample, &sample]).unwrap();
        let pass = Pass::evaluate();
        let whole = encoder.encode(&batch, &pass).unwrap().to_vec();
        prop_assert_eq!(encoder.stages().len(), 4);
        for stage in 1..=4 {
            let maps = encoder.encode_up_to(stage, &batch, &pass).unwrap();
            prop_assert_eq!(*maps.shape(), encoder.stages()[stage - 1].of_batch(2));
            prop_assert_eq!(&encoder.encode_after(stage, maps, &pass).unwrap().to_vec(), &whole);
        }
    }
}

#[test]
fn keys_of_other_architectures_and_other_numbers_of_channels_are_refused_by_name() {
    for (table, parts) in [
        (
            json!({"channels": [64, 128, 256]}),
            ["encoder.channels = [64, 128, 256]", "four numbers"],
        ),
        (json!({"blocks": 2}), ["encoder.blocks = 2", "\"resnet18\""]),
        (json!({"pooling": "average"}), ["encoder.pooling", "\"resnet18\""]),
        (json!({"depth": 18}), ["encoder.depth = 18", "\"resnet18\""]),
    ] {
        let mut table = table;
        table["architecture"] = json!("resnet18");
        let table = json!({"kind": "rgb", "encoder": table});
        let error = serde_json::from_value::<Box<dyn Modality>>(table.clone());
        let error = error.unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{table}: {error}");
        }
    }
    let table = json!({ "architecture": "resnet18", "channels": [0, 1, 1, 1] });
    let error = build(&table, &[3, 8, 8, 1]).err().unwrap().to_string();
    assert!(error.starts_with("encoder.channels = 0"), "{error}");
}
