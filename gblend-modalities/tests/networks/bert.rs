//! BERT's network: the answers of Hugging Face's, its names and shapes, its tokens, and what is refused.

use std::collections::BTreeMap;

use gblend_core::nn::{backward, multiply, sum};
use gblend_core::params::{load_state, state_of};
use gblend_core::recorder::Recorder;
use gblend_core::tensor::Plain;
use gblend_core::{
    Array, AutoDevice, Batch, BuildContext, Encoder, FitContext, Fitted, Media, Modality, Pass, Result, Seed,
};
use gblend_modalities::text::Text;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answers::parameter_gradients;
use crate::digests::{Digest, check, draw, norm};

#[derive(Deserialize)]
struct Stored {
    length: usize,
    tokenizer: Value,
    texts: Vec<String>,
    ids: Vec<Vec<u32>>,
    shapes: BTreeMap<String, Vec<usize>>,
    features: Vec<f64>,
    gradients: BTreeMap<String, Digest>,
}

fn stored() -> Stored {
    serde_json::from_str(include_str!("../fixtures/bert.json")).unwrap()
}

/// The text modality of the network that the answers are of, with other settings of its encoder, and a folder with its tokenizer.
fn text(stored: &Stored, more: &Value) -> (Text, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), stored.tokenizer.to_string()).unwrap();
    let mut encoder = json!({
        "architecture": "bert", "width": 24, "depth": 2, "heads": 3, "hidden": 40, "positions": 12,
    });
    for (key, value) in more.as_object().unwrap() {
        encoder[key] = value.clone();
    }
    let table = json!({ "length": stored.length, "tokenizer": "tokenizer.json", "encoder": encoder });
    (serde_json::from_value(table).unwrap(), folder)
}

/// What is fitted to no sample at all: the tokenizer says everything.
fn fit(text: &Text, folder: &tempfile::TempDir) -> Result<Fitted> {
    text.fit(&FitContext::new(folder.path(), 0, &|_| unreachable!()))
}

fn build(text: &Text, fitted: &Fitted) -> Result<Box<dyn Encoder>> {
    text.build(&BuildContext {
        device: &AutoDevice::default(),
        sample_shape: &[text.length],
        fitted,
        seed: Seed::new(3),
    })
}

/// What an array of the state dict is filled with: the formula of `xtask/peers/bert.py`.
fn array_of(name: &str, shape: &[usize]) -> Array {
    let mut values = draw(name, shape.iter().product());
    for value in &mut values {
        *value = match shape.len() {
            _ if name.contains("LayerNorm") && name.ends_with("weight") => 1.0 + *value * 0.5,
            2 if !name.contains("embeddings") => *value * (3.0 / shape[1] as f64).sqrt() as f32,
            _ => *value * 0.5,
        };
    }
    Array::new(shape, values).unwrap()
}

fn samples(text: &Text, fitted: &Fitted, texts: &[String]) -> Vec<Array> {
    let sample = |content: &String| {
        let prepared = text.prepare(&Media::Text(content.clone())).unwrap();
        text.apply(prepared, fitted).unwrap()
    };
    texts.iter().map(sample).collect()
}

fn batch(samples: &[Array]) -> Batch {
    Batch::stack(&AutoDevice::default(), &samples.iter().collect::<Vec<_>>()).unwrap()
}

#[test]
fn tokens_are_those_of_the_tokenizer_with_its_marks_around_them() {
    let stored = stored();
    let (text, folder) = text(&stored, &json!({}));
    let fitted = fit(&text, &folder).unwrap();
    for (sample, ids) in samples(&text, &fitted, &stored.texts).iter().zip(&stored.ids) {
        let mut expected: Vec<f32> = ids.iter().map(|&id| id as f32 + 1.0).collect();
        expected.resize(stored.length, 0.0);
        assert_eq!(sample.values(), expected);
    }
}

#[test]
fn names_shapes_features_and_gradients_are_those_of_the_original() {
    let stored = stored();
    let (text, folder) = text(&stored, &json!({}));
    let fitted = fit(&text, &folder).unwrap();
    let mut encoder = build(&text, &fitted).unwrap();
    let own = state_of(encoder.as_mut()).unwrap();
    let own: BTreeMap<String, Vec<usize>> = own
        .iter()
        .map(|(name, array)| (name.clone(), array.shape().to_vec()))
        .collect();
    assert_eq!(own, stored.shapes);
    let state = stored.shapes.iter();
    let state = state.map(|(name, shape)| (name.clone(), array_of(name, shape)));
    load_state(encoder.as_mut(), &state.collect()).unwrap();

    let batch = batch(&samples(&text, &fitted, &stored.texts));
    for pass in [Pass::evaluate(), Pass::train(Seed::new(1))] {
        let features = encoder.encode(&batch, &pass).unwrap();
        check("features", &features.to_vec(), &stored.features);
    }
    let features = encoder.encode(&batch, &Pass::differentiate()).unwrap();
    let projection = draw("projection", stored.features.len());
    let projection = Plain::new(&features.device(), *features.shape(), projection).unwrap();
    let product = multiply(features, projection.enter(Recorder::for_data())).unwrap();
    let gradients = parameter_gradients(encoder.as_mut(), backward(sum(product).unwrap()).unwrap());
    assert_eq!(gradients.len(), stored.gradients.len());
    for (name, expected) in &stored.gradients {
        let found = &gradients[name];
        // A bias of keys adds the same to all scores of a token.
        if expected.norm < 1e-12 {
            assert!(norm(found.iter().map(|&value| f64::from(value))) < 1e-4, "{name}");
            continue;
        }
        expected.check(name, found);
    }
}

#[test]
fn other_texts_of_a_batch_and_padding_change_no_text() {
    let stored = stored();
    let (text, folder) = text(&stored, &json!({}));
    let fitted = fit(&text, &folder).unwrap();
    let mut encoder = build(&text, &fitted).unwrap();
    let samples = samples(&text, &fitted, &stored.texts);
    let together = encoder
        .encode(&batch(&samples), &Pass::evaluate())
        .unwrap()
        .to_vec();
    for (sample, together) in samples.iter().zip(together.chunks(24)) {
        let alone = encoder.encode(&batch(std::slice::from_ref(sample)), &Pass::evaluate());
        for (a, b) in alone.unwrap().to_vec().iter().zip(together) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }
}

#[test]
fn settings_that_cannot_be_are_refused_by_key() {
    let stored = stored();
    let refused = |more: Value, part: &str| {
        let (text, folder) = text(&stored, &more);
        let built = fit(&text, &folder).and_then(|fitted| build(&text, &fitted));
        let error = built.err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(json!({ "heads": 5 }), "encoder.width");
    refused(json!({ "positions": 7 }), "length");
    refused(json!({ "units": 7 }), "encoder.units");
    refused(json!({ "depth": 0 }), "encoder.depth");
    let (mut without, folder) = text(&stored, &json!({}));
    without.tokenizer = None;
    let error = fit(&without, &folder).unwrap_err().to_string();
    assert!(
        error.contains("encoder.architecture") && error.contains("tokenizer"),
        "{error}"
    );
}
