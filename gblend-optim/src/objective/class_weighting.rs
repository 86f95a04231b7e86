//! The setting that says how much classes count.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use gblend_core::registry::nearest;
use gblend_core::{ClassWeights, Error, ObjectiveContext, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How much samples count by their classes.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassWeighting {
    /// Every class counts as much as any other, however many samples it has: [`ClassWeights::balanced`].
    Balanced,
    /// A number for each class that is named, and 1 for the others; what counts is their ratio:
    /// [`ClassWeights::in_ratios`].
    Given(BTreeMap<String, f64>),
}

/// Larger numbers, and smaller ones than one over it, are a slip.
const MOST: f64 = 1e6;

/// Names of classes that a message lists.
const LISTED: usize = 12;

const EXPECTED: &str = "\"balanced\", or a table with a number for each class, as in `{ rare = 5 }`";

impl ClassWeighting {
    /// The weights for the labels of the training split.
    ///
    /// # Errors
    /// [`Error::Setting`] if a name is none of the classes, or a number is not between 1e-6 and 1e6; those of
    /// [`ClassWeights`].
    pub(super) fn of(&self, cx: &ObjectiveContext<'_>) -> Result<ClassWeights> {
        let given = match self {
            Self::Balanced => return ClassWeights::balanced(cx.labels, cx.classes.len()),
            Self::Given(given) => given,
        };
        let mut ratios = vec![1.0; cx.classes.len()];
        for (name, &ratio) in given {
            let refused = |expected: String| Error::setting(format!("class_weights.{name}"), ratio, expected);
            let Some(class) = cx.classes.iter().position(|class| class == name) else {
                return Err(refused(unknown(name, cx.classes)));
            };
            if !(MOST.recip()..=MOST).contains(&ratio) {
                return Err(refused("a number from 1e-6 to 1e6".to_owned()));
            }
            ratios[class] = ratio;
        }
        ClassWeights::in_ratios(cx.labels, &ratios)
    }
}

/// What was expected in the place of a name that no class has.
fn unknown(name: &str, classes: &[String]) -> String {
    let near = nearest(name, classes.iter().map(String::as_str));
    let near = near
        .first()
        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    let listed: Vec<String> = classes
        .iter()
        .take(LISTED)
        .map(|class| format!("`{class}`"))
        .collect();
    let more = match classes.len() {
        count if count > LISTED => format!(" and {} others", count - LISTED),
        _ => String::new(),
    };
    format!("the name of a class, one of {}{more}{near}", listed.join(", "))
}

impl Serialize for ClassWeighting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Balanced => serializer.serialize_str("balanced"),
            Self::Given(weights) => weights.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ClassWeighting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = ClassWeighting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                match text {
                    "balanced" => Ok(ClassWeighting::Balanced),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let table = de::value::MapAccessDeserializer::new(map);
                Ok(ClassWeighting::Given(BTreeMap::deserialize(table)?))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for ClassWeighting {
    fn schema_name() -> Cow<'static, str> {
        "ClassWeighting".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                { "const": "balanced" },
                {
                    "type": "object",
                    "additionalProperties": { "type": "number", "minimum": MOST.recip(), "maximum": MOST },
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::Case;
    use super::*;
    use gblend_core::{Label, LabelKind};

    fn given(pairs: &[(&str, f64)]) -> ClassWeighting {
        ClassWeighting::Given(
            pairs
                .iter()
                .map(|(name, weight)| ((*name).to_owned(), *weight))
                .collect(),
        )
    }

    /// Three of `a`, one of `b`, none of `c`.
    fn case() -> Case {
        Case::of(LabelKind::Class, &[0, 0, 0, 1].map(Label::Class))
    }

    #[test]
    fn numbers_are_ratios_and_classes_that_are_not_named_have_one() {
        let weights = given(&[("b", 5.0)]).of(&case().context()).unwrap();
        assert_eq!([0, 1, 2].map(|class| weights.of_class(class)), [0.5, 2.5, 0.5]);
        let twice = given(&[("a", 2.0), ("b", 10.0), ("c", 2.0)]);
        assert_eq!(twice.of(&case().context()).unwrap(), weights);
    }

    #[test]
    fn a_name_that_no_class_has_and_a_number_that_is_no_weight_are_refused_with_their_key() {
        let refused = |pairs: &[(&str, f64)]| given(pairs).of(&case().context()).unwrap_err().to_string();
        let unknown = refused(&[("d", 2.0)]);
        assert!(
            unknown.starts_with("class_weights.d = 2: expected the name of a class, one of"),
            "{unknown}"
        );
        assert!(unknown.contains("`a`, `b`, `c`"), "{unknown}");
        for odd in [0.0, -1.0, f64::INFINITY, f64::NAN, 1e7] {
            assert!(refused(&[("a", odd)]).starts_with("class_weights.a = "), "{odd}");
        }
    }

    #[test]
    fn it_is_read_as_it_is_written_and_other_words_are_refused() {
        for (written, read) in [
            ("\"balanced\"", ClassWeighting::Balanced),
            (r#"{"a":2.0}"#, given(&[("a", 2.0)])),
        ] {
            assert_eq!(serde_json::from_str::<ClassWeighting>(written).unwrap(), read);
            assert_eq!(serde_json::to_string(&read).unwrap(), written);
        }
        assert_eq!(
            serde_json::from_str::<ClassWeighting>(r#"{"a":2}"#).unwrap(),
            given(&[("a", 2.0)])
        );
        let error = serde_json::from_str::<ClassWeighting>("\"balancd\"")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("\"balanced\"") && error.contains("table"),
            "{error}"
        );
    }
}
