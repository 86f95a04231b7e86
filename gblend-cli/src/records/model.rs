//! `model.json`.

use serde::{Deserialize, Serialize};

use super::FittedPool;
use super::format::check_format;

/// The format of the files; another format gets another number.
const FORMAT: &str = "gblend-model-1";

/// What `model.json` says about the parameters beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelDescription {
    /// The format of both files.
    pub format: String,
    /// The version of gblend that wrote them.
    pub gblend: String,
    /// Class names in the order of the scores.
    pub classes: Vec<String>,
    /// The modalities in the order of the heads.
    pub modalities: Vec<ModelModality>,
    /// The epoch that the parameters are from.
    pub epoch: usize,
    /// The pool of the heads; absent where none was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<FittedPool>,
    /// Hash of `model.safetensors`.
    pub blake3: String,
    /// Hash of `fitted.json`, if a modality has fitted anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitted_blake3: Option<String>,
    /// Hash of `splits.csv`; absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub splits_blake3: Option<String>,
}

/// One modality of a [`ModelDescription`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelModality {
    /// Its name.
    pub name: String,
    /// The shape of one sample as the encoder sees it.
    pub sample_shape: Vec<usize>,
    /// The shape that it was prepared to, before what was fitted is applied; absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared_shape: Option<Vec<usize>>,
    /// The stream of the dataset that it is fed from; absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The columns that the stream's arrays are made of, in order, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
}

impl ModelModality {
    /// Of samples of this shape, with nothing known of the data that they come from.
    pub fn of_shape(name: impl Into<String>, sample_shape: Vec<usize>) -> Self {
        Self {
            name: name.into(),
            sample_shape,
            prepared_shape: None,
            stream: None,
            columns: None,
        }
    }
}

impl ModelDescription {
    /// Describes a model of this version.
    pub fn new(
        classes: Vec<String>,
        modalities: Vec<ModelModality>,
        epoch: usize,
        pool: Option<FittedPool>,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            gblend: env!("CARGO_PKG_VERSION").to_owned(),
            classes,
            modalities,
            epoch,
            pool,
            blake3: String::new(),
            fitted_blake3: None,
            splits_blake3: None,
        }
    }

    /// Whether this version can read it.
    ///
    /// # Errors
    /// The format, if it cannot.
    pub fn check_format(&self) -> Result<(), String> {
        check_format("model.json", &self.format, FORMAT)
    }
}
