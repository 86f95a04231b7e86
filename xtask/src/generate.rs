//! `cargo xtask gen`: the reference of the configuration, from the types that read it, and the profiles of plugin crates.

use std::fmt::Write;
use std::process::Command;

use serde_json::{Map, Value};

use crate::command_line::gblend;
use crate::process::{output_of, workspace};
use crate::{Result, profiles};

pub(crate) fn run(check: bool) -> Result {
    let schema = output_of(Command::new(gblend()?).arg("schema"))?;
    let parsed: Value = serde_json::from_str(&schema)?;
    let docs = workspace().join("docs");
    let mut files = vec![
        (docs.join("config.schema.json"), schema),
        (docs.join("config.md"), reference(&parsed)),
    ];
    files.extend(profiles::files()?);
    for (path, content) in files {
        let current = std::fs::read_to_string(&path).unwrap_or_default();
        if current == content {
            continue;
        }
        let name = path.strip_prefix(workspace()).unwrap_or(&path).display();
        if check {
            return Err(format!("{name} is not what it is made from; run `cargo xtask gen`").into());
        }
        std::fs::write(&path, content)?;
        println!("wrote {name}");
    }
    Ok(())
}

/// The reference as Markdown.
fn reference(schema: &Value) -> String {
    let mut text = String::from(
        "# The configuration\n\n\
         Written by `cargo xtask gen` from the types that read it; do not edit.\n\n\
         A configuration is a TOML file. Relative paths start from its folder; `${VAR}` in a string is an\n\
         environment variable. On the command line `--set KEY=VALUE` overrides one key, as in\n\
         `--set blend.kind=equal`. Editors complete and check keys with `config.schema.json`: begin the file\n\
         with `#:schema PATH/config.schema.json`.\n",
    );
    let definitions = schema["$defs"].as_object().cloned().unwrap_or_default();
    let empty = Map::new();
    let tables = schema["properties"].as_object().unwrap_or(&empty);
    for (table, content) in tables {
        let content = resolve(content, &definitions);
        let kinds = match table.as_str() {
            "modality" => &content["additionalProperties"]["oneOf"],
            _ => &content["oneOf"],
        };
        match kinds.as_array() {
            None => section(&mut text, &format!("[{table}]"), content, &definitions),
            Some(kinds) => {
                let shown = if table == "modality" {
                    "[modality.NAME]"
                } else {
                    &format!("[{table}]")
                };
                for kind in kinds {
                    let name = kind["title"].as_str().unwrap_or_default();
                    section(
                        &mut text,
                        &format!("{shown} kind = \"{name}\""),
                        kind,
                        &definitions,
                    );
                }
            }
        }
    }
    text
}

fn section(text: &mut String, title: &str, schema: &Value, definitions: &Map<String, Value>) {
    // Writing to a string cannot fail.
    let _ = write!(text, "\n## `{title}`\n\n{}\n", prose(schema));
    let mut rows = Vec::new();
    collect(&mut rows, "", schema, definitions);
    if rows.is_empty() {
        return;
    }
    text.push_str("\n| key | type | default | |\n|---|---|---|---|\n");
    for [key, kind, default, description] in rows {
        let _ = writeln!(text, "| `{key}` | {kind} | {default} | {description} |");
    }
}

/// A row for each key, those of inner tables with their path.
fn collect(rows: &mut Vec<[String; 4]>, prefix: &str, schema: &Value, definitions: &Map<String, Value>) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let required = schema["required"].as_array();
    for (key, property) in properties.iter().filter(|(key, _)| *key != "kind") {
        let path = format!("{prefix}{key}");
        let resolved = resolve(property, definitions);
        let description = if property.get("description").is_some() {
            property
        } else {
            resolved
        };
        if resolved["properties"].is_object() {
            collect(rows, &format!("{path}."), resolved, definitions);
            continue;
        }
        let default = match property.get("default") {
            Some(Value::Null) | None => String::new(),
            Some(value) => format!("`{value}`"),
        };
        let required = required.is_some_and(|list| list.iter().any(|name| name == key));
        let default = if required { "required".to_owned() } else { default };
        let meaning = format!("{}{}", prose(description), choices(resolved));
        rows.push([path.clone(), kind(resolved, definitions), default, meaning]);
        // Tables whose names the user chooses.
        let inner = resolve(&resolved["additionalProperties"], definitions);
        if inner["properties"].is_object() {
            collect(rows, &format!("{path}.NAME."), inner, definitions);
        }
    }
}

/// What each of several names stands for, where that is said.
fn choices(schema: &Value) -> String {
    let choices = schema["oneOf"].as_array().into_iter().flatten();
    let named = choices.filter_map(|choice| Some((choice["const"].as_str()?, prose(choice))));
    let told = named.filter(|(_, meaning)| !meaning.is_empty());
    told.map(|(name, meaning)| format!(" `{name}`: {meaning}"))
        .collect()
}

/// The definition that a schema refers to, or itself.
fn resolve<'a>(schema: &'a Value, definitions: &'a Map<String, Value>) -> &'a Value {
    let reference = schema["$ref"]
        .as_str()
        .or_else(|| schema["allOf"][0]["$ref"].as_str());
    let name = reference.and_then(|reference| reference.rsplit('/').next());
    name.and_then(|name| definitions.get(name)).unwrap_or(schema)
}

/// The type in words.
fn kind(schema: &Value, definitions: &Map<String, Value>) -> String {
    let kinds = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    if let Some(kinds) = kinds {
        let kinds = kinds.iter().map(|kind| resolve(kind, definitions));
        let kinds = kinds.filter(|kind| kind["type"] != "null");
        let alternatives = kinds.map(|kind| match kind["const"].as_str() {
            Some(name) => format!("`\"{name}\"`"),
            None if kind["properties"].is_null() => self::kind(kind, definitions),
            None => {
                let mut rows = Vec::new();
                collect(&mut rows, "", kind, definitions);
                let keys: Vec<String> = rows.into_iter().map(|[key, ..]| key).collect();
                let name = kind["properties"]["kind"]["const"].as_str().unwrap_or_default();
                let with = match keys.len() {
                    0 => String::new(),
                    _ => format!(" with `{}`", keys.join("`, `")),
                };
                match name {
                    "" => format!("table{with}"),
                    _ => format!("`{{ kind = \"{name}\" }}`{with}"),
                }
            }
        });
        return alternatives.collect::<Vec<_>>().join(" or ");
    }
    let names = match &schema["type"] {
        Value::String(name) => vec![name.as_str()],
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| *name != "null")
            .collect(),
        _ => Vec::new(),
    };
    names.join(" or ")
}

/// The description in one paragraph, safe inside a table.
fn prose(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}
