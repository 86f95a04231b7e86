//! `probe_epochs = 5` or `probe_epochs = "auto"`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use gblend_core::ProbeLength;

use super::number_or_word;

/// Lengths that `auto` tries.
const CANDIDATES: [usize; 5] = [2, 5, 10, 20, 40];

/// The length of a probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProbeEpochs {
    /// That of 2, 5, 10, 20 and 40 epochs, but not beyond the run's own, with the lowest held-out loss of the
    /// joint network: long enough to overfit, and not so long that no head gains.
    #[default]
    Auto,
    /// For each head that of these lengths with its own lowest held-out loss: a head that learns slowly is probed until it
    /// has learned what it can.
    Each,
    /// This many epochs.
    Fixed(usize),
}

impl ProbeEpochs {
    /// Which of several lengths counts.
    pub fn length(self) -> ProbeLength {
        match self {
            Self::Each => ProbeLength::Each,
            Self::Auto | Self::Fixed(_) => ProbeLength::Joint,
        }
    }

    /// The lengths to try in a run of `epochs`, in ascending order; at least one.
    pub fn candidates(self, epochs: usize) -> Vec<usize> {
        match self {
            Self::Fixed(length) => vec![length],
            Self::Auto | Self::Each => {
                let fitting: Vec<usize> = CANDIDATES
                    .into_iter()
                    .filter(|&length| length <= epochs)
                    .collect();
                if fitting.is_empty() {
                    vec![epochs.max(1)]
                } else {
                    fitting
                }
            }
        }
    }
}

impl Serialize for ProbeEpochs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Each => serializer.serialize_str("each"),
            Self::Fixed(length) => serializer.serialize_u64(*length as u64),
        }
    }
}

impl<'de> Deserialize<'de> for ProbeEpochs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_word::deserialize(
            deserializer,
            "epochs",
            1,
            &[("auto", Self::Auto), ("each", Self::Each)],
            Self::Fixed,
        )
    }
}

impl JsonSchema for ProbeEpochs {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ProbeEpochs".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "type": "integer", "minimum": 1 }, { "enum": ["auto", "each"] }] })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_number_and_auto_are_read_and_written_back() {
        for json in ["5", "\"auto\"", "\"each\""] {
            let read: ProbeEpochs = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), json);
        }
        for json in ["0", "-1", "\"five\"", "1.5", "[]"] {
            let error = serde_json::from_str::<ProbeEpochs>(json).unwrap_err().to_string();
            assert!(error.contains("\"auto\" or \"each\""), "{error}");
        }
    }

    #[test]
    fn auto_tries_lengths_up_to_the_run_s_own() {
        assert_eq!(ProbeEpochs::Auto.candidates(20), [2, 5, 10, 20]);
        assert_eq!(ProbeEpochs::Auto.candidates(1), [1]);
        assert_eq!(ProbeEpochs::Fixed(7).candidates(3), [7]);
    }
}
