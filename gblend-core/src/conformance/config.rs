//! A configuration as JSON and back.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::difference::same_text;
use super::{Rule, Violation};

/// Writes `config` as JSON text, and reads it as an `R`, the boxed trait object.
///
/// Settings are compared by their `Debug` text too, which shows those that serialization leaves out.
pub(super) fn survives_json<T, R>(kind: &str, config: &T) -> Result<(), Violation>
where
    T: Debug + Serialize + ?Sized,
    R: Debug + Serialize + DeserializeOwned,
{
    let rule = Rule::ConfigSurvivesJson;
    let text = rule.works("writing it as JSON", serde_json::to_string(config))?;
    let value: Value = rule.works("reading the JSON", serde_json::from_str(&text))?;
    Rule::ConfigNamesKind.holds(
        value.get("kind").and_then(Value::as_str) == Some(kind),
        format!("an object with \"kind\": \"{kind}\""),
        &text,
    )?;
    let read: R = rule.works(format!("reading {text}"), serde_json::from_str(&text))?;
    // As text again: `to_value` widens an f32 of 0.1 to another f64 than its text reads as.
    let again = rule.works("writing what was read", serde_json::to_string(&read))?;
    let again: Value = rule.works("reading the JSON again", serde_json::from_str(&again))?;
    if again != value {
        same_text(rule, "the JSON", &value.to_string(), &again.to_string())?;
    }
    same_text(rule, "the settings", &format!("{config:?}"), &format!("{read:?}"))
}
