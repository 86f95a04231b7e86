//! What becomes of texts.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use gblend_core::{Array, AutoDevice, Batch, BuildContext, FitContext, Fitted, Media, Modality, Pass, Seed};
use gblend_modalities as _;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Texts of several scripts, with and without spaces, one of them empty.
const TEXTS: [&str; 8] = [
    "the tide and the ebb",
    "The tide, and the flood",
    "潮の満ち引きと潮の流れ",
    "潮の満ち引き",
    "прилив и отлив",
    "прилив",
    "المد والجزر المد",
    "",
];

fn text(mut settings: Value) -> Box<dyn Modality> {
    settings["kind"] = json!("text");
    serde_json::from_value(settings).unwrap()
}

fn prepare(text: &dyn Modality, media: &str) -> Array {
    text.prepare(&Media::Text(media.to_owned())).unwrap()
}

fn fit(text: &dyn Modality) -> Fitted {
    let samples: Vec<Array> = TEXTS.iter().map(|media| prepare(text, media)).collect();
    let read = |index: usize| Ok(samples[index].clone());
    text.fit(&FitContext::new(Path::new("."), samples.len(), &read))
        .unwrap()
}

fn numbers(text: &dyn Modality, fitted: &Fitted, media: &str) -> Vec<f32> {
    text.apply(prepare(text, media), fitted).unwrap().into_values()
}

fn features(text: &dyn Modality, pass: &Pass) -> Vec<u32> {
    let fitted = fit(text);
    let samples: Vec<Array> = TEXTS
        .iter()
        .map(|media| text.apply(prepare(text, media), &fitted).unwrap())
        .collect();
    let device = AutoDevice::default();
    let cx = BuildContext {
        device: &device,
        sample_shape: samples[0].shape(),
        fitted: &fitted,
        seed: Seed::new(3),
    };
    let mut encoder = text.build(&cx).unwrap();
    let batch = Batch::stack(&device, &samples.iter().collect::<Vec<_>>()).unwrap();
    let features = encoder.encode(&batch, pass).unwrap().to_vec();
    features.into_iter().map(f32::to_bits).collect()
}

#[test]
fn tokens_are_longer_than_bytes_where_texts_repeat_themselves() {
    let text = text(json!({ "min_samples": 1 }));
    let fitted = fit(text.as_ref());
    let tokens = |media: &str| {
        let numbers = numbers(text.as_ref(), &fitted, media);
        numbers.iter().filter(|&&number| number > 0.0).count()
    };
    for media in ["the tide", "潮の満ち引き", "прилив"] {
        assert!(tokens(media) * 2 < media.len(), "{media}: {}", tokens(media));
    }
    assert_eq!(tokens(""), 0);
}

#[test]
fn capitals_count_as_small_letters_where_that_is_asked_for() {
    for (lowercase, same) in [(true, true), (false, false)] {
        let text = text(json!({ "lowercase": lowercase, "min_samples": 1 }));
        let fitted = fit(text.as_ref());
        let of = |media| numbers(text.as_ref(), &fitted, media);
        assert_eq!(of("The Tide") == of("the tide"), same);
    }
}

#[test]
fn a_word_is_the_same_at_the_beginning_of_a_text_and_inside_of_one() {
    let text = text(json!({ "min_samples": 1, "length": 12 }));
    let fitted = fit(text.as_ref());
    let of = |media| numbers(text.as_ref(), &fitted, media);
    let (alone, inside) = (of("tide"), of("the tide"));
    let length = alone.iter().filter(|&&number| number > 0.0).count();
    let end = inside.iter().filter(|&&number| number > 0.0).count();
    assert_eq!(alone[..length], inside[end - length..end]);
    // So is one that has a space of its own.
    assert_eq!(alone, of(" tide"));
}

#[test]
fn tokens_that_training_samples_hardly_have_share_a_number() {
    let text = text(json!({ "min_samples": 2, "length": 6 }));
    let fitted = fit(text.as_ref());
    // 1 is what is unknown, 0 what is not there.
    let unknown = numbers(text.as_ref(), &fitted, "@#");
    assert_eq!(unknown[1..], [1.0, 1.0, 0.0, 0.0, 0.0]);
    assert!(numbers(text.as_ref(), &fitted, "the tide")[0] > 1.0);
    assert_eq!(numbers(text.as_ref(), &fitted, ""), [0.0; 6]);
}

#[test]
fn a_text_without_a_known_word_is_unfamiliar_and_an_empty_one_or_half_of_one_is_not() {
    let text = text(json!({ "min_samples": 2, "length": 6 }));
    let fitted = fit(text.as_ref());
    let unfamiliar = |written: &str| {
        let prepared = text.prepare(&Media::Text(written.into())).unwrap();
        text.unfamiliar(&prepared, &fitted).unwrap()
    };
    assert_eq!(unfamiliar("@#"), [0]);
    for known in ["the tide", "the tide @#", ""] {
        assert_eq!(unfamiliar(known), [0; 0], "{known}");
    }
}

#[test]
fn padding_changes_no_bit_of_any_network() {
    for encoder in [
        json!({}),
        json!({ "channels": [4, 4], "architecture": "convolution", "dropout": 0.2 }),
        json!({ "architecture": "transformer", "heads": 2, "hidden": 5, "dropout": 0.2 }),
        json!({ "architecture": "gru", "units": 3 }),
        json!({ "architecture": "gru", "units": 3, "bidirectional": true, "pooling": "mean" }),
    ] {
        let at = |length: usize| text(json!({ "length": length, "width": 8, "encoder": encoder }));
        for pass in [Pass::evaluate(), Pass::train(Seed::new(1))] {
            let shortest = features(at(30).as_ref(), &pass);
            assert_eq!(features(at(77).as_ref(), &pass), shortest, "{encoder}");
        }
    }
}

#[test]
fn a_merge_without_the_prefix_of_parts_is_refused() {
    let model = json!({
        "type": "BPE", "continuing_subword_prefix": "##", "vocab": { "t": 0, "h": 1, "th": 2 }, "merges": [["t", "h"]],
    });
    let damaged = json!({
        "value": {
            "tokenizer": { "version": "1.0", "added_tokens": [], "model": model }, "tokens": [], "share": 1.0,
        },
    });
    let (damaged, text): (Fitted, _) = (serde_json::from_value(damaged).unwrap(), text(json!({})));
    let error = text.apply(prepare(text.as_ref(), "th"), &damaged).unwrap_err();
    assert!(error.to_string().contains("begin with `##`"), "{error}");
}

proptest! {
    #[test]
    fn any_text_is_cut_into_tokens_with_a_number(media in "\\PC{0,80}") {
        let text = text(json!({ "length": 40 }));
        let fitted = fit(text.as_ref());
        let most = fitted.get::<Value>().unwrap()["tokens"].as_array().unwrap().len() + 1;
        let numbers = numbers(text.as_ref(), &fitted, &media);
        prop_assert_eq!(numbers.len(), 40);
        prop_assert!(numbers.iter().all(|&number| number <= most as f32));
        // Padding comes last.
        let first = numbers.iter().position(|&number| number == 0.0).unwrap_or(40);
        prop_assert!(numbers[first..].iter().all(|&number| number == 0.0));
    }
}
