//! How a setting is read that is a number or a word, such as `"auto"`.

use std::fmt;

use serde::Deserializer;
use serde::de::{self, Visitor};

/// Reads a number of these things, of at least `least`, or one of the words.
pub(super) fn deserialize<'de, D: Deserializer<'de>, T: Copy>(
    deserializer: D,
    things: &'static str,
    least: usize,
    words: &[(&'static str, T)],
    number: fn(usize) -> T,
) -> Result<T, D::Error> {
    deserializer.deserialize_any(Either {
        things,
        least,
        words,
        number,
    })
}

struct Either<'a, T> {
    things: &'static str,
    least: usize,
    words: &'a [(&'static str, T)],
    number: fn(usize) -> T,
}

impl<T: Copy> Visitor<'_> for Either<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { things, least, .. } = self;
        write!(f, "a number of {things} of at least {least}, or ")?;
        for (position, (word, _)) in self.words.iter().enumerate() {
            write!(f, "{}\"{word}\"", if position > 0 { " or " } else { "" })?;
        }
        Ok(())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        let found = self.words.iter().find(|(word, _)| *word == text);
        found.map_or_else(
            || Err(E::invalid_value(de::Unexpected::Str(text), &self)),
            |(_, value)| Ok(*value),
        )
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        match usize::try_from(number) {
            Ok(found) if found >= self.least => Ok((self.number)(found)),
            _ => Err(E::invalid_value(de::Unexpected::Unsigned(number), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
        }
    }
}
