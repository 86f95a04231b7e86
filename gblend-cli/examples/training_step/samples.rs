//! Samples without meaning, as each modality would have prepared them.

use std::path::Path;

use gblend_core::{Array, FitContext, Fitted, Media, Modality, SampleRng};
use rand::RngExt;

use super::nets::Samples;

type Result<T> = std::result::Result<T, gblend_core::Error>;

/// Samples beyond a batch that a vocabulary is learned from.
const CORPUS: usize = 256;

/// Different words of texts.
const WORDS: usize = 2000;

/// The first `count` samples, and what was fitted to all that were drawn.
pub(crate) fn draw(
    samples: Samples,
    modality: &dyn Modality,
    count: usize,
    rng: &mut SampleRng,
) -> Result<(Vec<Array>, Fitted)> {
    let drawn = match samples {
        Samples::Texts(_) => count + CORPUS,
        _ => count,
    };
    let words = words(rng);
    let prepared: Vec<Array> = (0..drawn)
        .map(|_| one(samples, modality, &words, rng))
        .collect::<Result<_>>()?;
    let read = |number: usize| Ok(prepared[number].clone());
    let fitted = modality.fit(&FitContext::new(Path::new("."), drawn, &read))?;
    let applied = prepared.iter().take(count).map(|sample| {
        if fitted.is_nothing() {
            return Ok(sample.clone());
        }
        modality.apply(sample.clone(), &fitted)
    });
    Ok((applied.collect::<Result<_>>()?, fitted))
}

fn one(samples: Samples, modality: &dyn Modality, words: &[String], rng: &mut SampleRng) -> Result<Array> {
    let mut values = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
    match samples {
        Samples::Pictures(shape) => Array::new(shape, values(shape.iter().product())),
        Samples::Vectors(columns) => Array::new([columns], values(columns)),
        Samples::Steps { steps, features } => {
            let mut values = values(steps * features);
            values.extend(std::iter::repeat_n(1.0, steps));
            Array::new([features + 1, steps], values)
        }
        Samples::Texts(tokens) => {
            let text: Vec<&str> = (0..tokens)
                .map(|_| words[rng.random_range(0..words.len())].as_str())
                .collect();
            modality.prepare(&Media::Text(text.join(" ")))
        }
    }
}

/// Words of two to four syllables.
fn words(rng: &mut SampleRng) -> Vec<String> {
    let mut syllable = |_| {
        let consonant = b"bdfgklmnprstvz"[rng.random_range(0..14)];
        [
            char::from(consonant),
            char::from(b"aeiou"[rng.random_range(0..5)]),
        ]
    };
    (0..WORDS)
        .map(|number| (0..2 + number % 3).flat_map(&mut syllable).collect())
        .collect()
}
