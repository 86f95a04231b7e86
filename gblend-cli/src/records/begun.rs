//! `begun.json`.

use serde::{Deserialize, Serialize};

use super::format::check_format;
use super::{ModelDescription, Summary};

/// The format of the file; another format gets another number.
const FORMAT: &str = "gblend-begun-1";

/// What is known of a run before its first step: by it, and by a checkpoint, a run that was stopped is evaluated and reported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// The format of the file.
    pub format: String,
    /// The version of gblend that began the run.
    pub gblend: String,
    /// When it did, as RFC 3339 has it, in the time of where it was.
    pub begun: String,
    /// What the model is built by; its parameters are in none of the files that it names.
    pub model: ModelDescription,
    /// What the summary will say, as far as no step was taken.
    pub summary: Summary,
}

impl Begun {
    /// The name of the file.
    pub const FILE: &str = "begun.json";

    /// Of a run that this version begins.
    pub fn new(begun: String, model: ModelDescription, summary: Summary) -> Self {
        Self {
            format: FORMAT.to_owned(),
            gblend: env!("CARGO_PKG_VERSION").to_owned(),
            begun,
            model,
            summary,
        }
    }

    /// Whether this version can read it.
    ///
    /// # Errors
    /// The format, if it cannot.
    pub fn check_format(&self) -> Result<(), String> {
        check_format(Self::FILE, &self.format, FORMAT)
    }

    /// Date and time to the minute, for people.
    pub fn date(&self) -> String {
        let minutes = self.begun.get(..16).unwrap_or(&self.begun);
        minutes.replace('T', " ")
    }
}
