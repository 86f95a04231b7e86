//! The JSON schema of a configuration, made from the types that read it.

use gblend_core::{Role, catalogue};
use serde_json::{Map, Value, json};

use super::pipeline_keys::{pipeline_schema, plugin_keys};
use super::{CheckpointConfig, LogConfig, RunConfig};

/// The definition of an objective, which stands in two places.
const OBJECTIVE: &str = "Objective";

/// The JSON schema of a configuration with the plugins of this binary.
///
/// # Errors
/// If the plugins clash; see [`gblend_core::registry::Catalogue::new`].
pub fn json_schema() -> gblend_core::Result<Value> {
    let mut definitions = Map::new();
    let run = adopt(schemars::schema_for!(RunConfig).into(), &mut definitions);
    let log = adopt(schemars::schema_for!(LogConfig).into(), &mut definitions);
    let checkpoint = adopt(schemars::schema_for!(CheckpointConfig).into(), &mut definitions);
    let objective = choice(Role::Objective, &mut definitions)?;
    definitions.insert(OBJECTIVE.into(), objective);
    let data = choice(Role::Data, &mut definitions)?;
    let modality = choice(Role::Modality, &mut definitions)?;
    let fusion = choice(Role::Fusion, &mut definitions)?;
    let blend = choice(Role::Blend, &mut definitions)?;
    let optimizer = choice(Role::Optimizer, &mut definitions)?;
    Ok(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gblend configuration",
        "type": "object",
        "additionalProperties": false,
        "required": ["data", "modality"],
        "properties": {
            "run": run,
            "data": data,
            "modality": {
                "description": "One table per modality; its name is the name of its head.",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": modality,
            },
            "fusion": fusion,
            "objective": { "$ref": format!("#/$defs/{OBJECTIVE}") },
            "blend": blend,
            "optimizer": optimizer,
            "log": log,
            "checkpoint": checkpoint,
        },
        "$defs": definitions,
    }))
}

/// One schema per kind of the role, told apart by `kind`.
fn choice(role: Role, definitions: &mut Map<String, Value>) -> gblend_core::Result<Value> {
    let shared = pipeline_schema(role).map(|schema| adopt(schema.into(), definitions));
    let mut kinds = Vec::new();
    for plugin in catalogue()?.of(role) {
        let mut schema = adopt((plugin.schema)().into(), definitions);
        let mut properties = Map::new();
        properties.insert("kind".into(), json!({ "const": plugin.kind }));
        for source in [Some(&schema), shared.as_ref()].into_iter().flatten() {
            if let Some(Value::Object(own)) = source.get("properties") {
                properties.extend(own.clone());
            }
        }
        for &key in plugin_keys(role) {
            let table = json!({
                "$ref": format!("#/$defs/{OBJECTIVE}"),
                "description": "What the modality's own head is asked, as `[objective]` says it of the joint head. Default: \
                                what the joint head is.",
            });
            properties.insert(key.into(), table);
        }
        let mut required = vec![json!("kind")];
        if let Some(Value::Array(own)) = schema.get("required") {
            required.extend(own.iter().cloned());
        }
        if let Value::Object(object) = &mut schema {
            object.insert("title".into(), json!(plugin.kind));
            object.insert("type".into(), json!("object"));
            object.insert("additionalProperties".into(), json!(false));
            object.insert("properties".into(), Value::Object(properties));
            object.insert("required".into(), Value::Array(required));
            object.insert("x-crate".into(), json!(plugin.crate_name));
        }
        kinds.push(schema);
    }
    Ok(json!({ "oneOf": kinds }))
}

/// Moves a schema's own definitions to the shared ones. One that has the name of another that is there gets a number: crates
/// that do not know each other may call different types alike.
fn adopt(mut schema: Value, definitions: &mut Map<String, Value>) -> Value {
    let Value::Object(object) = &mut schema else {
        return schema;
    };
    object.remove("$schema");
    let Some(Value::Object(mut own)) = object.remove("$defs") else {
        return schema;
    };
    while let Some((name, free)) = own.iter().find_map(|(name, content)| {
        let fits = |name: &str| definitions.get(name).is_none_or(|known| known == content);
        let taken = |free: &String| own.contains_key(free) || !fits(free);
        let numbered = || {
            (2..)
                .map(|number| format!("{name}{number}"))
                .find(|free| !taken(free))
        };
        if fits(name) {
            None
        } else {
            Some((name.clone(), numbered()?))
        }
    }) {
        let content = own.remove(&name).unwrap_or_default();
        own.insert(free.clone(), content);
        // What refers to it is another definition now, too.
        let (from, to) = (format!("#/$defs/{name}"), format!("#/$defs/{free}"));
        own.values_mut()
            .chain([&mut schema])
            .for_each(|value| refer(value, &from, &to));
    }
    definitions.extend(own);
    schema
}

/// Replaces references.
fn refer(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if key == "$ref" && value == from {
                    *value = json!(to);
                } else {
                    refer(value, from, to);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| refer(value, from, to)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A schema with a definition `Outer` that has an `Inner`.
    fn schema(inner: &str) -> Value {
        json!({
            "properties": { "a": { "$ref": "#/$defs/Outer" }, "b": { "$ref": "#/$defs/Inner" } },
            "$defs": {
                "Outer": { "properties": { "inner": { "$ref": "#/$defs/Inner" } } },
                "Inner": { "const": inner },
            },
        })
    }

    #[test]
    fn types_that_are_called_alike_keep_their_own_definitions() {
        let mut definitions = Map::new();
        for inner in ["one", "two", "one", "two", "three"] {
            let adopted = adopt(schema(inner), &mut definitions);
            let of = |value: &Value| {
                let name = value["$ref"]
                    .as_str()
                    .and_then(|name| name.strip_prefix("#/$defs/"));
                name.and_then(|name| definitions.get(name))
                    .cloned()
                    .unwrap_or_default()
            };
            let properties = &adopted["properties"];
            assert_eq!(of(&properties["b"])["const"], inner);
            assert_eq!(of(&of(&properties["a"])["properties"]["inner"])["const"], inner);
        }
        assert_eq!(definitions.len(), 6, "{definitions:?}");
    }
}
