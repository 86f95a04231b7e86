//! The strategy that the validation samples choose.

use std::collections::BTreeMap;

use gblend_core::{Blend, BlendStrategy, Error, Heads, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Detached, Equal, Joint, Ogr};

/// The one of several strategies that does best by the validation samples, found before training by successive halving: all are
/// trained for a share of the epochs, the better half of them for twice as many, and so on, until one is left, which trains the run
/// as if it had been named. With four strategies that takes twice as long as the run itself.
///
/// Successive halving: Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS
/// 2016.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Auto {
    /// The strategies that are tried, each a table as `[blend]` is one, without the keys that every kind has. Of equals the first
    /// is chosen.
    #[schemars(with = "Vec<BTreeMap<String, serde_json::Value>>")]
    pub among: Vec<Box<dyn BlendStrategy>>,
}

impl Default for Auto {
    fn default() -> Self {
        Self {
            among: vec![
                Box::new(Ogr::default()),
                Box::new(Equal::default()),
                Box::new(Detached::default()),
                Box::new(Joint::default()),
            ],
        }
    }
}

#[typetag::serde(name = "auto")]
impl BlendStrategy for Auto {
    fn candidates(&self) -> &[Box<dyn BlendStrategy>] {
        &self.among
    }

    /// The first one, for who wants to know of a run that has not begun what it will be like.
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>> {
        let [first, _, ..] = &self.among[..] else {
            let expected = "at least two strategies to choose from; one alone is a `kind` of its own";
            return Err(Error::setting("among", self.among.len(), expected));
        };
        let nested = self.among.iter().find(|other| !other.candidates().is_empty());
        if let Some(nested) = nested {
            let expected = "strategies that are themselves, and none that chooses among others";
            return Err(Error::setting("among", nested.typetag_name(), expected));
        }
        for candidate in &self.among[1..] {
            candidate.start(heads)?;
        }
        first.start(heads)
    }

    fn held_out(&self) -> f64 {
        self.among.first().map_or(0.0, |first| first.held_out())
    }
}

gblend_core::register!(Blend, "auto" => Auto);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parsed(text: &str) -> Result<Box<dyn Blend>> {
        let strategy: Box<dyn BlendStrategy> = serde_json::from_str(text).unwrap();
        let names = ["a", "b"].map(str::to_owned);
        strategy.start(&Heads::new(names).unwrap())
    }

    #[test]
    fn there_has_to_be_a_choice_and_an_end_to_it() {
        for (text, part) in [
            (r#"{"kind":"auto","among":[]}"#, "at least two"),
            (r#"{"kind":"auto","among":[{"kind":"equal"}]}"#, "at least two"),
            (
                r#"{"kind":"auto","among":[{"kind":"equal"},{"kind":"auto"}]}"#,
                "none that chooses",
            ),
            (
                r#"{"kind":"auto","among":[{"kind":"equal"},{"kind":"fixed","weights":{"c":1}}]}"#,
                "weights.c",
            ),
        ] {
            let error = parsed(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert_eq!(parsed(r#"{"kind":"auto"}"#).unwrap().weights().len(), 3);
    }
}
