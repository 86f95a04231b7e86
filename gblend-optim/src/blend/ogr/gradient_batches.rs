//! `gradient_batches = 8` or `gradient_batches = "auto"`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::number_or_word;

/// How many batches of each kind the gradient estimator looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GradientBatches {
    /// As many samples as cost little beside an epoch.
    #[default]
    Auto,
    /// This many batches, of as many samples as a training step has.
    Fixed(usize),
}

impl GradientBatches {
    /// From one batch nothing can be said about the others.
    pub(super) const LEAST: usize = 2;

    /// The number; `None` for as many as cost little.
    pub fn number(self) -> Option<usize> {
        match self {
            Self::Auto => None,
            Self::Fixed(number) => Some(number),
        }
    }
}

impl Serialize for GradientBatches {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Fixed(number) => serializer.serialize_u64(*number as u64),
        }
    }
}

impl<'de> Deserialize<'de> for GradientBatches {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_word::deserialize(
            deserializer,
            "batches",
            Self::LEAST,
            &[("auto", Self::Auto)],
            Self::Fixed,
        )
    }
}

impl JsonSchema for GradientBatches {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "GradientBatches".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "type": "integer", "minimum": Self::LEAST }, { "const": "auto" }] })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn two_batches_or_more_and_auto_are_read_and_written_back() {
        for json in ["2", "8", "\"auto\""] {
            let read: GradientBatches = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), json);
        }
        for json in ["0", "1", "-1", "\"all\"", "2.5", "[]"] {
            let error = serde_json::from_str::<GradientBatches>(json)
                .unwrap_err()
                .to_string();
            assert!(error.contains("at least 2, or \"auto\""), "{error}");
        }
    }
}
