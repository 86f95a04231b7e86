//! The keys of a plugin's settings, out of their schema.

use serde::Serialize;
use serde_json::{Map, Value};

/// A key that a configuration may set.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Key {
    /// Its path inside the plugin's table: `encoder.dropout`.
    pub(super) key: String,
    /// The value without it; none if it is required, or if there is none without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) default: Option<Value>,
    /// Whether a configuration must set it.
    pub(super) required: bool,
    /// What it means.
    pub(super) summary: String,
}

/// The keys of a schema, those of inner tables with their path.
pub(super) fn keys_of(schema: &Value) -> Vec<Key> {
    let mut keys = Vec::new();
    let definitions = schema.get("$defs").and_then(Value::as_object);
    collect(&mut keys, "", schema, definitions, 0);
    keys
}

/// Settings that contain themselves have keys without end.
const DEEPEST: usize = 8;

fn collect(
    keys: &mut Vec<Key>,
    prefix: &str,
    schema: &Value,
    definitions: Option<&Map<String, Value>>,
    depth: usize,
) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let required = schema.get("required").and_then(Value::as_array);
    for (name, property) in properties.iter().filter(|(name, _)| *name != "kind") {
        let key = format!("{prefix}{name}");
        let resolved = resolve(property, definitions);
        if resolved.get("properties").is_some() && depth < DEEPEST {
            collect(keys, &format!("{key}."), resolved, definitions, depth + 1);
            continue;
        }
        let description = property
            .get("description")
            .or_else(|| resolved.get("description"));
        let words = description
            .and_then(Value::as_str)
            .unwrap_or_default()
            .split_whitespace();
        keys.push(Key {
            key,
            default: property.get("default").filter(|value| !value.is_null()).cloned(),
            required: required.is_some_and(|list| list.iter().any(|known| known == name)),
            summary: words.collect::<Vec<_>>().join(" "),
        });
    }
}

/// The definition that a schema refers to, by itself or as what it is unless null, or itself.
fn resolve<'a>(schema: &'a Value, definitions: Option<&'a Map<String, Value>>) -> &'a Value {
    let alternatives = ["allOf", "anyOf"]
        .into_iter()
        .filter_map(|key| schema.get(key)?.get(0));
    let reference = [schema]
        .into_iter()
        .chain(alternatives)
        .find_map(|schema| schema.get("$ref"));
    let name = reference
        .and_then(Value::as_str)
        .and_then(|reference| reference.rsplit('/').next());
    name.and_then(|name| definitions?.get(name)).unwrap_or(schema)
}

/// `steps = 128,` and so on, a comma behind each but the last.
pub(super) fn entries(keys: &[Key]) -> impl Iterator<Item = String> + '_ {
    keys.iter().enumerate().map(|(index, key)| {
        let comma = if index + 1 < keys.len() { "," } else { "" };
        let name = &key.key;
        match &key.default {
            _ if key.required => format!("{name} (required){comma}"),
            Some(default) => format!("{name} = {default}{comma}"),
            None => format!("{name}{comma}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::JsonSchema;
    use serde::Deserialize;

    /// Settings with all that keys can be.
    #[derive(Default, Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    struct Optional {
        /// Steps of
        /// a recording.
        steps: usize,
        mean: Option<Vec<f32>>,
        inner: Inner,
        perhaps: Option<Inner>,
    }

    #[derive(Default, Serialize, Deserialize, JsonSchema)]
    struct Inner {
        width: usize,
        #[serde(default)]
        again: Vec<Inner>,
    }

    fn keys() -> Vec<Key> {
        keys_of(schemars::schema_for!(Optional).as_value())
    }

    #[test]
    fn keys_have_their_path_their_default_and_whether_they_are_required() {
        let keys = keys();
        let names: Vec<&str> = keys.iter().map(|key| key.key.as_str()).collect();
        let inner = ["inner.width", "inner.again", "perhaps.width", "perhaps.again"];
        assert_eq!(names, [&["steps", "mean"][..], &inner].concat());
        assert_eq!((&keys[0].default, keys[0].required), (&Some(0.into()), false));
        assert_eq!(keys[0].summary, "Steps of a recording.");
        assert_eq!((&keys[1].default, keys[1].required), (&None, false));
        assert!(keys[2].required);
    }

    #[test]
    fn entries_say_the_default_or_that_there_has_to_be_a_value() {
        let entries: Vec<String> = entries(&keys()).collect();
        assert_eq!(entries[..3], ["steps = 0,", "mean,", "inner.width (required),"]);
        assert_eq!(entries.last().map(String::as_str), Some("perhaps.again = []"));
    }
}
