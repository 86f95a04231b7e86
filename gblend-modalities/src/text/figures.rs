//! What is fitted to the texts of the training samples: how they are cut into tokens, and which of these there are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gblend_core::serde_json::{self, Value, json};
use gblend_core::{Array, Error, FitContext, Result};
use serde::{Deserialize, Serialize};
use tokenizers::{PostProcessor, Tokenizer, TruncationDirection};

use super::packed::unpack;
use super::{Text, bpe};

/// The letter of a space in the alphabet of bytes.
const SPACE: &str = "Ġ";

/// A tokenizer, and the tokens of it that have a vector.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Stored")]
pub(super) struct Figures {
    tokenizer: Tokenizer,
    stored: Stored,
}

/// As it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// `tokenizer.json`.
    tokenizer: Value,
    /// Numbers that the tokenizer has for these tokens, rising.
    tokens: Vec<u32>,
    /// Whether every token of the tokenizer has a vector, those that it puts around a text among them: none of them is listed then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    every_token: bool,
    /// Share of the training samples' tokens that these are.
    share: f64,
}

impl Serialize for Figures {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.stored.serialize(serializer)
    }
}

impl TryFrom<Stored> for Figures {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        Ok(Self {
            tokenizer: tokenizer(&stored.tokenizer)?,
            stored,
        })
    }
}

/// A tokenizer of its description, which neither cuts texts off nor pads them, nor draws anything.
fn tokenizer(description: &Value) -> Result<Tokenizer, String> {
    let mut description = description.clone();
    if let Some(object) = description.as_object_mut() {
        for key in ["truncation", "padding"] {
            object.insert(key.to_owned(), Value::Null);
        }
    }
    if let Some(model) = description.get_mut("model").and_then(Value::as_object_mut) {
        model.remove("dropout");
        check_merges(model)?;
    }
    Tokenizer::from_bytes(description.to_string()).map_err(|error| error.to_string())
}

/// What `tokenizers` takes for granted of merged pairs: the second part has the prefix that parts of words have.
fn check_merges(model: &serde_json::Map<String, Value>) -> Result<(), String> {
    let prefix = model
        .get("continuing_subword_prefix")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let length = prefix.chars().count();
    for merge in model
        .get("merges")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let second = match merge {
            Value::String(pair) => pair.split_once(' ').map(|(_, second)| second),
            pair => pair.get(1).and_then(Value::as_str),
        };
        if let Some(second) = second.filter(|second| !second.is_char_boundary(length)) {
            return Err(format!("merges `{second}`, expected it to begin with `{prefix}`"));
        }
    }
    Ok(())
}

impl Figures {
    pub(super) fn fit(settings: &Text, cx: &FitContext<'_>) -> Result<Self> {
        if settings.takes_whole_vocabulary() && settings.tokenizer.is_none() {
            let expected = "with `tokenizer`, the tokenizer.json that the parameters were trained with";
            return Err(Error::setting("encoder.architecture", "\"bert\"", expected));
        }
        let description = match &settings.tokenizer {
            Some(path) => given(&cx.base.join(path))?,
            None => learned(settings, cx)?,
        };
        let tokenizer = tokenizer(&description).map_err(|problem| match &settings.tokenizer {
            Some(path) => no_tokenizer(&cx.base.join(path), &problem),
            None => Error::data("the learned tokenizer", problem),
        })?;
        if settings.takes_whole_vocabulary() {
            let stored = Stored {
                tokenizer: description,
                tokens: Vec::new(),
                every_token: true,
                share: 1.0,
            };
            return Ok(Self { tokenizer, stored });
        }
        let mut samples_with: BTreeMap<u32, (usize, u64)> = BTreeMap::new();
        for sample in cx.samples() {
            let ids = encode(&tokenizer, &unpack(&sample?)?, settings.length)?;
            let mut seen = BTreeSet::new();
            for id in ids {
                let (samples, tokens) = samples_with.entry(id).or_default();
                *samples += usize::from(seen.insert(id));
                *tokens += 1;
            }
        }
        let all: u64 = samples_with.values().map(|(_, tokens)| tokens).sum();
        samples_with.retain(|_, (samples, _)| *samples >= settings.min_samples);
        let kept: u64 = samples_with.values().map(|(_, tokens)| tokens).sum();
        Ok(Self {
            tokenizer,
            stored: Stored {
                tokenizer: description,
                tokens: samples_with.into_keys().collect(),
                every_token: false,
                share: kept as f64 / all.max(1) as f64,
            },
        })
    }

    /// What `gblend check` shows.
    pub(super) fn summary(&self, settings: &Text) -> String {
        let from = match &settings.tokenizer {
            Some(path) => format!("of {}", path.display()),
            None => "learned".to_owned(),
        };
        if settings.takes_whole_vocabulary() {
            return format!(
                "{} tokens {from}, each with a vector",
                self.tokenizer.get_vocab_size(true)
            );
        }
        format!(
            "{} tokens with a vector, of {} {from}; they are {:.1} % of the training samples'",
            self.stored.tokens.len(),
            self.tokenizer.get_vocab_size(true),
            100.0 * self.stored.share,
        )
    }

    /// Whether a text has tokens, and none of them has a vector.
    pub(super) fn knows_nothing_of(&self, settings: &Text, sample: &Array) -> Result<bool> {
        if settings.takes_whole_vocabulary() {
            return Ok(false);
        }
        let mut ids = encode(&self.tokenizer, &unpack(sample)?, settings.length)?;
        // The space ahead of a text, which all have.
        let space = self.tokenizer.token_to_id(SPACE);
        ids.retain(|id| Some(*id) != space);
        let is_known = |id: &u32| self.stored.tokens.binary_search(id).is_ok();
        Ok(!ids.is_empty() && !ids.iter().any(is_known))
    }

    /// Numbers that a sample may have: padding, what is unknown, and each token.
    pub(super) fn numbers(&self) -> usize {
        2 + self.stored.tokens.len()
    }

    /// One more than the greatest number of a token of the tokenizer.
    pub(super) fn vocabulary(&self) -> usize {
        let numbers = self.tokenizer.get_vocab(true).into_values();
        numbers.max().map_or(1, |greatest| greatest as usize + 1)
    }

    pub(super) fn apply(&self, settings: &Text, sample: &Array) -> Result<Array> {
        let text = unpack(sample)?;
        if settings.takes_whole_vocabulary() {
            let ids = encode_with_marks(&self.tokenizer, &text, settings.length)?;
            let mut numbers: Vec<f32> = ids.into_iter().map(|id| id as f32 + 1.0).collect();
            numbers.resize(settings.length, 0.0);
            return Array::new([settings.length], numbers);
        }
        let ids = encode(&self.tokenizer, &text, settings.length)?;
        let number = |id: u32| self.stored.tokens.binary_search(&id).map_or(1, |place| place + 2);
        let mut numbers: Vec<f32> = ids.into_iter().map(|id| number(id) as f32).collect();
        numbers.resize(settings.length, 0.0);
        Array::new([settings.length], numbers)
    }
}

/// The tokens of a text, at most `length` of them.
fn encode(tokenizer: &Tokenizer, text: &str, length: usize) -> Result<Vec<u32>> {
    let encoding = tokenizer
        .encode_fast(text, false)
        .map_err(|error| Error::data("a text", format!("cannot be cut into tokens: {error}")))?;
    Ok(encoding.get_ids().iter().copied().take(length).collect())
}

/// As [`encode`], with the tokens that the tokenizer puts around a text, such as `[CLS]` and `[SEP]`, among the `length`.
fn encode_with_marks(tokenizer: &Tokenizer, text: &str, length: usize) -> Result<Vec<u32>> {
    let failed = |error| Error::data("a text", format!("cannot be cut into tokens: {error}"));
    let mut encoding = tokenizer.encode_fast(text, false).map_err(failed)?;
    let marks = tokenizer
        .get_post_processor()
        .map_or(0, |marks| marks.added_tokens(false));
    encoding.truncate(length.saturating_sub(marks), 0, TruncationDirection::Right);
    let encoding = tokenizer.post_process(encoding, None, true).map_err(failed)?;
    Ok(encoding.get_ids().iter().copied().take(length).collect())
}

/// Reads a tokenizer that the user has.
fn given(path: &Path) -> Result<Value> {
    let text =
        std::fs::read(path).map_err(|error| no_tokenizer(path, &format!("cannot be read: {error}")))?;
    serde_json::from_slice(&text).map_err(|error| no_tokenizer(path, &format!("is no JSON: {error}")))
}

fn no_tokenizer(path: &Path, problem: &str) -> Error {
    let expected = format!("a tokenizer.json as Hugging Face's libraries write it; it {problem}");
    Error::setting("tokenizer", path.display(), expected)
}

/// Learns a tokenizer from the training samples.
fn learned(settings: &Text, cx: &FitContext<'_>) -> Result<Value> {
    let alphabet = alphabet();
    let of = |tokens: &[String], merges: &[(String, String)]| {
        let vocabulary: BTreeMap<&str, usize> = tokens.iter().map(String::as_str).zip(0..).collect();
        let lowercase = json!({ "type": "Lowercase" });
        let normalizers = settings.lowercase.then_some(lowercase).into_iter();
        // Lowercase letters of some languages are composed anew.
        let normalizers: Vec<Value> = normalizers.chain([json!({ "type": "NFC" })]).collect();
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [],
            "normalizer": { "type": "Sequence", "normalizers": normalizers },
            // With a space ahead of it, the first word of a text is what it is inside of one.
            "pre_tokenizer": {
                "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true
            },
            "post_processor": null,
            "decoder": {
                "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true
            },
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": vocabulary, "merges": merges,
            },
        })
    };
    // Without a merge, the tokens of a text are its bytes, each with the number of its word.
    let bytes = tokenizer(&of(&alphabet, &[])).map_err(|problem| Error::data("the alphabet", problem))?;
    let mut words: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    for sample in cx.samples() {
        let encoding = bytes
            .encode(unpack(&sample?)?, false)
            .map_err(|error| Error::data("a text", format!("cannot be cut into words: {error}")))?;
        let letters = encoding.get_tokens().iter().zip(encoding.get_word_ids());
        let mut word: (Option<u32>, Vec<String>) = (None, Vec::new());
        let mut count = |letters: Vec<String>| {
            if letters.len() > 1 {
                *words.entry(letters).or_default() += 1;
            }
        };
        for (letter, &number) in letters {
            if number != word.0 {
                count(std::mem::take(&mut word.1));
                word.0 = number;
            }
            word.1.push(letter.clone());
        }
        count(word.1);
    }
    let learned = bpe::learn(&alphabet, &words, settings.vocabulary);
    Ok(of(&learned.tokens, &learned.merges))
}

/// A letter for each byte, as GPT-2 has them, in order.
fn alphabet() -> Vec<String> {
    let letters = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet();
    let letters: BTreeSet<char> = letters.into_iter().collect();
    letters.into_iter().map(String::from).collect()
}
