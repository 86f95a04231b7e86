//! Which setting a layer's complaint is about.
//!
//! A layer knows what it was asked for, and not what a user calls that. But what it was asked for is most often the
//! value of a setting as it stands, and then the setting with that value is the one.

use serde::Serialize;
use serde_json::{Number, Value};

use super::Error;

impl Error {
    /// An argument of a layer that it cannot have. Whoever builds the layer of settings should have looked at them
    /// before; where it has not, [`of_settings`](Self::of_settings) finds the one that is meant.
    pub fn argument(
        layer: impl Into<String>,
        argument: impl Into<String>,
        value: impl std::fmt::Debug,
        expected: impl Into<String>,
    ) -> Self {
        Self::Argument {
            layer: layer.into(),
            argument: argument.into(),
            value: format!("{value:?}"),
            expected: expected.into(),
        }
    }

    /// The same of a plugin with these settings, which the table `table` configures: `fusion.width = 0`, as the user wrote it.
    /// See [`of_settings`](Self::of_settings) and [`in_table`](Self::in_table).
    #[must_use]
    pub fn of_plugin(self, settings: &(impl Serialize + ?Sized), table: &str) -> Self {
        self.of_settings(settings).in_table(table)
    }

    /// The same of a plugin with these settings: `width = 0` where a layer said `outputs = 0`, if `width` is what has
    /// that value. If several have it all are named, the first as the one. Other errors stay as they are.
    #[must_use]
    pub fn of_settings(self, settings: &(impl Serialize + ?Sized)) -> Self {
        match self {
            Self::Argument {
                layer,
                argument,
                value,
                expected,
            } => {
                let mut keys = Vec::new();
                let settings = serde_json::to_value(settings).unwrap_or_default();
                collect(&mut keys, "", &settings, &value);
                let mut keys = keys.into_iter();
                let Some(key) = keys.next() else {
                    return Self::Argument {
                        layer,
                        argument,
                        value,
                        expected,
                    };
                };
                let others: String = keys.map(|key| format!("; {key} has that value too")).collect();
                Self::Setting {
                    key,
                    value,
                    expected: format!("{expected} ({argument} of a {layer}{others})"),
                }
            }
            other => other,
        }
    }
}

/// The keys of the numbers that are `value`, each once.
fn collect(keys: &mut Vec<String>, key: &str, settings: &Value, value: &str) {
    match settings {
        Value::Number(number) if is(number, value) && keys.last().is_none_or(|last| last != key) => {
            keys.push(key.to_owned());
        }
        Value::Array(elements) => {
            for element in elements {
                collect(keys, key, element, value);
            }
        }
        Value::Object(table) => {
            for (name, inner) in table {
                let inner_key = if key.is_empty() {
                    name.clone()
                } else {
                    format!("{key}.{name}")
                };
                collect(keys, &inner_key, inner, value);
            }
        }
        _ => {}
    }
}

/// Whole numbers are sizes, and others are not: a dropout of 0.0 is no width of 0.
fn is(number: &Number, value: &str) -> bool {
    match (number.as_u64(), value.parse::<u64>()) {
        (Some(number), Ok(value)) => number == value,
        (None, Err(_)) => {
            let value = value.parse::<f64>();
            // An `f32` becomes another `f64` in JSON than its text says.
            number
                .as_f64()
                .zip(value.ok())
                .is_some_and(|(a, b)| a == b || a as f32 == b as f32)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(value: impl std::fmt::Debug, settings: &Value) -> String {
        let error = Error::argument("linear layer", "outputs", value, "at least 1");
        error.of_plugin(settings, "fusion").to_string()
    }

    #[test]
    fn the_setting_that_a_layer_got_is_named_with_its_table() {
        let settings = json!({ "kind": "mine", "width": 0, "rank": 4, "dropout": 0.0 });
        assert_eq!(
            refused(0_usize, &settings),
            "fusion.width = 0: expected at least 1 (outputs of a linear layer)"
        );
        let inner = json!({ "encoder": { "channels": [8, 0, 0] } });
        assert!(refused(0_usize, &inner).starts_with("fusion.encoder.channels = 0: "));
        let share = json!({ "rate": 1.1_f32, "width": 1 });
        assert!(refused(1.1_f32, &share).starts_with("fusion.rate = 1.1: "));
    }

    #[test]
    fn settings_that_may_all_be_meant_are_all_named() {
        let settings = json!({ "width": 0, "hidden": 0 });
        let text = refused(0_usize, &settings);
        assert!(
            text.starts_with("fusion.width = 0: ") && text.contains("hidden has that value too"),
            "{text}"
        );
    }

    #[test]
    fn an_argument_that_is_no_setting_names_the_table() {
        let settings = json!({ "width": 64, "rank": 4 });
        assert_eq!(
            refused(256_usize, &settings),
            "fusion: linear layer: outputs = 256: expected at least 1"
        );
    }
}
