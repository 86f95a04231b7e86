//! Doors to the readers of untrusted bytes, for the targets in `fuzz/`; no part of the interface.
//!
//! Each one says whether the bytes were accepted.
#![allow(missing_docs)]

use std::io::Cursor;
use std::path::PathBuf;

use gblend_core::Array;

use crate::commands::curves::Curves;
use crate::config::{BUILTIN, Config, ConfigError, Override, PretrainedFile};
use crate::records::{
    Begun, Comparison, FittedModalities, Membership, ModelDescription, Neighbors, PredictionRule,
    StrategyAdvice, Summary, TestDetails, TestSamples,
};
use crate::run_folder::checkpoint;
use crate::training::pretrained::fit;

use crate::data::avmnist::{idx, recordings};
use crate::data::cache;
use crate::files::from_safetensors;

pub use crate::data::manifest::arrays::fuzzing as rows;
pub use crate::data::manifest::decode::fuzzing as manifest;

/// A configuration; one that is accepted must survive being written.
pub fn config(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    survives(Config::parse("fuzz.toml", text, PathBuf::from("/base"), &[]))
}

/// Lines of `KEY=VALUE`, applied to the built-in configuration.
pub fn overrides(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let overrides: Result<Vec<Override>, ConfigError> = text.lines().map(str::parse).collect();
    overrides.is_ok_and(|overrides| {
        survives(Config::parse(
            "fuzz.toml",
            BUILTIN,
            PathBuf::from("/base"),
            &overrides,
        ))
    })
}

fn survives(config: Result<Config, ConfigError>) -> bool {
    let Ok(written) = config.and_then(|config| config.to_toml()) else {
        return false;
    };
    // What an environment variable put in may look like another one.
    if !written.contains("${") {
        let again = Config::parse("written.toml", &written, PathBuf::from("/base"), &[]);
        let again = again.and_then(|config| config.to_toml());
        assert!(
            again.is_ok_and(|again| again == written),
            "not read as it was written:\n{written}"
        );
    }
    true
}

pub fn curves(bytes: &[u8]) -> bool {
    Curves::parse(bytes).is_ok_and(|curves| curves.between(None, None).is_ok())
}

/// `test_samples.csv`, and the figures of one of its rules.
pub fn test_samples(bytes: &[u8]) -> bool {
    TestSamples::parse(bytes).is_ok_and(|read| read.of(&read.figure, PredictionRule::Joint).is_some())
        || Membership::read(bytes).is_ok()
}

/// An IDX file of pictures or of labels, gzipped or not.
pub fn idx(bytes: &[u8]) -> bool {
    let zipped = bytes.starts_with(&[0x1F, 0x8B]);
    idx::unfold(bytes, zipped).is_ok_and(|bytes| [1, 3].iter().any(|&axes| idx::parse(&bytes, axes).is_ok()))
}

pub fn recording(bytes: &[u8]) -> bool {
    recordings::decode(bytes).is_ok()
}

pub fn segment(bytes: &[u8]) -> bool {
    cache::read_segment(Cursor::new(bytes), bytes.len() as u64).is_some()
}

pub fn model_weights(bytes: &[u8]) -> bool {
    from_safetensors(bytes).is_ok()
}

/// A file of pre-trained parameters, for an encoder of two arrays.
pub fn pretrained(bytes: &[u8]) -> bool {
    let mut arrays = [("conv.weight", vec![2, 2]), ("norm.running_var", vec![2])]
        .map(|(name, shape)| (name, Array::zeros(shape)));
    let encoder = arrays.iter_mut().map(|(name, array)| (*name, array));
    let settings = PretrainedFile {
        file: PathBuf::new(),
        prefix: String::new(),
        names: [("bn".to_owned(), "norm".to_owned())].into(),
        part: 0.5,
    };
    fit(bytes, &settings, encoder.collect()).is_ok()
}

/// `begun.json`, `model.json`, `fitted.json`, `summary.json`, `test.json`, `neighbors.json`, `advice.json`, `compare.json` or the JSON file of a checkpoint.
pub fn run_files(bytes: &[u8]) -> bool {
    let model = serde_json::from_slice::<ModelDescription>(bytes);
    model.is_ok_and(|model| model.check_format().is_ok())
        || serde_json::from_slice::<FittedModalities>(bytes).is_ok_and(|fitted| fitted.check_format().is_ok())
        || serde_json::from_slice::<Begun>(bytes).is_ok_and(|begun| begun.check_format().is_ok())
        || serde_json::from_slice::<Summary>(bytes).is_ok()
        || serde_json::from_slice::<TestDetails>(bytes)
            .is_ok_and(|test| test.heads.iter().all(|head| !head.recalls().is_empty()))
        || serde_json::from_slice::<StrategyAdvice>(bytes).is_ok_and(|advice| advice.check(3).is_ok())
        || serde_json::from_slice::<Neighbors>(bytes).is_ok_and(|neighbors| neighbors.check().is_ok())
        || serde_json::from_slice::<Comparison>(bytes).is_ok()
        || checkpoint::is_understood(bytes)
}
