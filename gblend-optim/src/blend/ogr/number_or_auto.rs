//! How a setting is read and written that is a number or `"auto"`.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserializer, Serializer};

/// Writes the number, or `"auto"`.
pub(super) fn serialize<S: Serializer>(number: Option<usize>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        None => serializer.serialize_str("auto"),
        Some(number) => serializer.serialize_u64(number as u64),
    }
}

/// Reads a number of these things, of at least `least`, or `None` for `"auto"`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
    things: &'static str,
    least: usize,
) -> Result<Option<usize>, D::Error> {
    deserializer.deserialize_any(Either { things, least })
}

struct Either {
    things: &'static str,
    least: usize,
}

impl Visitor<'_> for Either {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { things, least } = self;
        write!(f, "a number of {things} of at least {least}, or \"auto\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        match text {
            "auto" => Ok(None),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        match usize::try_from(number) {
            Ok(found) if found >= self.least => Ok(Some(found)),
            _ => Err(E::invalid_value(de::Unexpected::Unsigned(number), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
        }
    }
}
