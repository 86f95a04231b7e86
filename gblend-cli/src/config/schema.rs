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

/// Moves a schema's own definitions to the shared ones.
fn adopt(mut schema: Value, definitions: &mut Map<String, Value>) -> Value {
    if let Value::Object(object) = &mut schema {
        object.remove("$schema");
        if let Some(Value::Object(own)) = object.remove("$defs") {
            definitions.extend(own);
        }
    }
    schema
}
