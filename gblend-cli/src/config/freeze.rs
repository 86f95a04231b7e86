//! When an encoder is frozen, and how much of it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// When an encoder is frozen, and how much of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freeze {
    /// Never.
    #[default]
    Never,
    /// Part of it, some of the time.
    Part(FrozenPart),
}

/// What is frozen, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FrozenPart {
    /// How many of the encoder's stages are frozen, counted from the input. Default: the whole encoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<usize>,
    /// The first epoch in which they are, counted from 1.
    #[serde(default = "first")]
    pub from: usize,
    /// In how many epochs they are. Default: in all from there on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
}

fn first() -> usize {
    1
}

impl FrozenPart {
    /// All of it, always.
    const WHOLE: Self = Self {
        stages: None,
        from: 1,
        epochs: None,
    };

    /// Whether it is frozen in this epoch, counted from 1.
    pub fn holds_in(&self, epoch: usize) -> bool {
        let passed = epoch.checked_sub(self.from);
        passed.is_some_and(|passed| self.epochs.is_none_or(|epochs| passed < epochs))
    }
}

impl Freeze {
    /// Whether nothing is ever frozen.
    pub fn is_never(&self) -> bool {
        matches!(self, Self::Never)
    }

    /// What is frozen, and when.
    pub fn part(&self) -> Option<FrozenPart> {
        match self {
            Self::Never => None,
            Self::Part(part) => Some(*part),
        }
    }

    /// What no value may be.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let found = |key: &'static str| Err((key, "found 0, expected 1 or more".to_owned()));
        match self {
            Self::Part(FrozenPart { stages: Some(0), .. }) => found("stages"),
            Self::Part(FrozenPart { from: 0, .. }) => found("from"),
            Self::Part(FrozenPart { epochs: Some(0), .. }) => found("epochs"),
            _ => Ok(()),
        }
    }
}

impl Serialize for Freeze {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Never => serializer.serialize_bool(false),
            Self::Part(part) if *part == FrozenPart::WHOLE => serializer.serialize_bool(true),
            Self::Part(part) => part.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Freeze {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Freeze;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, a number of epochs, or a table as in `{ stages = 2, epochs = 5 }`")
            }

            fn visit_bool<E: de::Error>(self, whole: bool) -> Result<Self::Value, E> {
                Ok(match whole {
                    true => Freeze::Part(FrozenPart::WHOLE),
                    false => Freeze::Never,
                })
            }

            fn visit_u64<E: de::Error>(self, epochs: u64) -> Result<Self::Value, E> {
                let epochs = usize::try_from(epochs).unwrap_or(usize::MAX);
                Ok(match epochs {
                    0 => Freeze::Never,
                    _ => Freeze::Part(FrozenPart {
                        epochs: Some(epochs),
                        ..FrozenPart::WHOLE
                    }),
                })
            }

            fn visit_i64<E: de::Error>(self, epochs: i64) -> Result<Self::Value, E> {
                match u64::try_from(epochs) {
                    Ok(epochs) => self.visit_u64(epochs),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Signed(epochs), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let table = de::value::MapAccessDeserializer::new(map);
                Ok(Freeze::Part(FrozenPart::deserialize(table)?))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

impl JsonSchema for Freeze {
    fn schema_name() -> Cow<'static, str> {
        "Freeze".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let part = generator.subschema_for::<FrozenPart>();
        json_schema!({ "oneOf": [{ "type": "boolean" }, { "type": "integer", "minimum": 0 }, part] })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Freeze {
        let table: toml::Table = toml::from_str(&format!("freeze = {text}")).unwrap();
        table["freeze"].clone().try_into().unwrap()
    }

    fn epochs(freeze: Freeze) -> Vec<usize> {
        let frozen = |&epoch: &usize| freeze.part().is_some_and(|part| part.holds_in(epoch));
        (1..=6).filter(frozen).collect()
    }

    #[test]
    fn each_way_of_writing_it_means_its_epochs() {
        assert_eq!(epochs(read("true")), [1, 2, 3, 4, 5, 6]);
        assert_eq!(epochs(read("false")), [0; 0]);
        assert_eq!(epochs(read("0")), [0; 0]);
        assert_eq!(epochs(read("2")), [1, 2]);
        assert_eq!(epochs(read("{ from = 4 }")), [4, 5, 6]);
        assert_eq!(epochs(read("{ from = 2, epochs = 3, stages = 1 }")), [2, 3, 4]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            stages in proptest::option::of(1_usize..5), from in 1_usize..9, epochs in proptest::option::of(1_usize..9),
        ) {
            for freeze in [Freeze::Never, Freeze::Part(FrozenPart { stages, from, epochs })] {
                let written = toml::Value::try_from(freeze).unwrap();
                prop_assert_eq!(written.try_into::<Freeze>().unwrap(), freeze);
            }
        }
    }
}
