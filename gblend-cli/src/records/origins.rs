//! `pretrained.json`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::format::check_format;

/// The format of the file; another format gets another number.
const FORMAT: &str = "gblend-pretrained-1";

/// What the pre-trained encoders of a run were initialized from, by modality.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origins {
    format: String,
    /// One entry per modality with such an encoder.
    pub modalities: BTreeMap<String, Origin>,
}

/// What an encoder was initialized from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The run folder or the file, as the configuration names it.
    pub from: String,
    /// Hash of the file with the parameters.
    pub blake3: String,
    /// Arrays of the encoder that were found there.
    pub loaded: usize,
    /// Their values.
    pub loaded_values: usize,
    /// Arrays of the encoder that were not, with their shapes. They started at random.
    pub missing: Vec<NamedShape>,
    /// Arrays of the file that are not the encoder's, with their shapes.
    pub left_over: Vec<NamedShape>,
}

/// An array by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedShape {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

impl fmt::Display for NamedShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.name, self.shape)
    }
}

/// Arrays that a sentence lists.
const LISTED: usize = 8;

impl NamedShape {
    /// The first of them in a sentence, and how many more there are.
    pub fn list(arrays: &[Self]) -> String {
        let named: Vec<String> = arrays.iter().take(LISTED).map(Self::to_string).collect();
        match arrays.len() {
            0 => "nothing".to_owned(),
            count if count > LISTED => format!("{} and {} others", named.join(", "), count - LISTED),
            _ => named.join(", "),
        }
    }
}

/// The name of what PyTorch's batch normalization counts, and nothing reads.
const COUNTER: &str = "num_batches_tracked";

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrays = self.loaded + self.missing.len();
        write!(
            f,
            "{} (blake3 {}): {} of {arrays} arrays loaded, {} values; missing: {}; left over: ",
            self.from,
            self.blake3.get(..12).unwrap_or(&self.blake3),
            self.loaded,
            self.loaded_values,
            NamedShape::list(&self.missing),
        )?;
        let (counters, others): (Vec<_>, Vec<_>) = self
            .left_over
            .iter()
            .cloned()
            .partition(|array| array.name.ends_with(COUNTER));
        f.write_str(&NamedShape::list(&others))?;
        match counters.len() {
            0 => Ok(()),
            count => write!(f, ", and {count} counters ({COUNTER}), which nothing reads"),
        }
    }
}

impl Default for Origins {
    fn default() -> Self {
        Self {
            format: FORMAT.to_owned(),
            modalities: BTreeMap::new(),
        }
    }
}

impl Origins {
    /// Whether no encoder is pre-trained.
    pub fn is_empty(&self) -> bool {
        self.modalities.is_empty()
    }

    /// Whether this version can read it.
    ///
    /// # Errors
    /// The format, if it cannot.
    pub fn check_format(&self) -> Result<(), String> {
        check_format("pretrained.json", &self.format, FORMAT)
    }

    /// The first modality whose encoder came from another file than now, with both hashes.
    pub fn changed<'a>(&'a self, now: &'a Self) -> Option<(&'a str, &'a Origin, &'a str)> {
        self.modalities.iter().find_map(|(modality, before)| {
            let now = now.modalities.get(modality)?;
            (now.blake3 != before.blake3).then_some((modality.as_str(), before, now.blake3.as_str()))
        })
    }
}
