//! The names that `typetag` knows implementations by.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Error};

/// The name of every implementation of a trait that is read by its `kind`, in alphabetical order.
///
/// typetag tells them to whoever asks for a name that none has.
pub fn tags<T: ?Sized>() -> &'static [&'static str]
where
    Box<T>: DeserializeOwned,
{
    let question = [("kind", "a kind that nothing is called")].into_iter();
    match Box::<T>::deserialize(MapDeserializer::new(question)) {
        Err(Answer(names)) => names,
        Ok(_) => &[],
    }
}

/// What an unknown name is answered with.
#[derive(Debug)]
struct Answer(&'static [&'static str]);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected one of {:?}", self.0)
    }
}

impl std::error::Error for Answer {}

impl Error for Answer {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[typetag::serde(tag = "kind")]
    trait Instrument {}

    #[derive(serde::Serialize, Deserialize)]
    struct Settings {
        #[allow(dead_code)]
        pitch: f64,
    }
    #[typetag::serde(name = "violin")]
    impl Instrument for Settings {}

    #[derive(serde::Serialize, Deserialize)]
    struct Nothing {}
    #[typetag::serde(name = "cello")]
    impl Instrument for Nothing {}

    #[typetag::serde(tag = "kind")]
    trait Unplayed {}

    #[test]
    fn every_implementation_is_known_whatever_settings_it_wants() {
        assert_eq!(tags::<dyn Instrument>(), ["cello", "violin"]);
        assert!(tags::<dyn Unplayed>().is_empty());
    }
}
