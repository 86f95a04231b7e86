//! `fitted.json`.

use std::collections::BTreeMap;

use gblend_core::Fitted;
use serde::{Deserialize, Serialize};

use super::format::check_format;

/// The format of the file; another format gets another number.
const FORMAT: &str = "gblend-fitted-1";

/// What modalities have fitted to the training samples of a run. Those that fit nothing are not in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedModalities {
    format: String,
    modalities: BTreeMap<String, Fitted>,
}

impl Default for FittedModalities {
    fn default() -> Self {
        Self {
            format: FORMAT.to_owned(),
            modalities: BTreeMap::new(),
        }
    }
}

impl FittedModalities {
    /// Of modalities by their names.
    pub fn new<'a>(fitted: impl IntoIterator<Item = (&'a str, &'a Fitted)>) -> Self {
        let some = fitted.into_iter().filter(|(_, fitted)| !fitted.is_nothing());
        Self {
            modalities: some
                .map(|(name, fitted)| (name.to_owned(), fitted.clone()))
                .collect(),
            ..Self::default()
        }
    }

    /// What a modality has fitted, if it has.
    pub fn get(&self, modality: &str) -> Option<&Fitted> {
        self.modalities.get(modality)
    }

    /// Whether no modality has fitted anything.
    pub fn is_empty(&self) -> bool {
        self.modalities.is_empty()
    }

    /// Whether this version can read it.
    ///
    /// # Errors
    /// The format, if it cannot.
    pub fn check_format(&self) -> Result<(), String> {
        check_format("fitted.json", &self.format, FORMAT)
    }
}
