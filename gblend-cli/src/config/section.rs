//! A table that a plugin and the pipeline share.
//!
//! serde's `flatten` would lose the path of an error and the check for unknown keys. So the table is
//! divided first: the pipeline takes the keys that it knows, the plugin gets the rest and refuses what it
//! does not know. `kind` is put first, because typetag then hands the remaining keys through one by one
//! and `serde_path_to_error` sees where each one fails.

use gblend_core::Role;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::ConfigError;
use super::document::{Document, unknown_key};
use super::pipeline_keys::{pipeline_keys, plugin_keys};

/// A table with a `kind`.
pub(super) struct Section<'a> {
    document: &'a Document,
    path: Vec<&'a str>,
    plugin: Table,
    pipeline: Table,
}

impl<'a> Section<'a> {
    /// The table at `path`, which must be there.
    pub(super) fn required(
        document: &'a Document,
        role: Role,
        path: &[&'a str],
    ) -> Result<Self, ConfigError> {
        match document.get(path) {
            Some(value) => Self::divide(document, role, path, value),
            None => Err(document.invalid(
                path,
                format!(
                    "missing: expected a [{}] table with a kind; {}",
                    path.join("."),
                    kinds(role)
                ),
            )),
        }
    }

    /// The table at `path`, if there is one.
    pub(super) fn optional(
        document: &'a Document,
        role: Role,
        path: &[&'a str],
    ) -> Result<Option<Self>, ConfigError> {
        let table = document.get(path);
        table
            .map(|value| Self::divide(document, role, path, value))
            .transpose()
    }

    /// The table at `path`; this kind where it names none, and where there is no table.
    pub(super) fn with_default(
        document: &'a Document,
        role: Role,
        path: &[&'a str],
        kind: &str,
    ) -> Result<Self, ConfigError> {
        let mut value = document.get(path).cloned().unwrap_or(Value::Table(Table::new()));
        if let Value::Table(table) = &mut value {
            table.entry("kind").or_insert_with(|| Value::from(kind));
        }
        Self::divide(document, role, path, &value)
    }

    fn divide(
        document: &'a Document,
        role: Role,
        path: &[&'a str],
        value: &Value,
    ) -> Result<Self, ConfigError> {
        let Value::Table(table) = value else {
            let problem = format!("found {}, expected a table", value.type_str());
            return Err(document.invalid(path, problem));
        };
        let at = |key| [path, &[key]].concat();
        let kind = match table.get("kind") {
            Some(Value::String(kind)) => kind,
            Some(other) => {
                let problem = format!("found {}, expected a string; {}", other.type_str(), kinds(role));
                return Err(document.invalid(&at("kind"), problem));
            }
            None => {
                let problem = format!("missing `kind`; {}", kinds(role));
                return Err(document.invalid(path, problem));
            }
        };
        let found = gblend_core::catalogue()
            .and_then(|catalogue| catalogue.find(role, kind))
            .map_err(|error| document.invalid(&at("kind"), error.to_string()))?;

        let mut plugin = Table::from_iter([("kind".to_owned(), Value::from(kind.clone()))]);
        let mut pipeline = Table::new();
        let shared = pipeline_keys(role);
        let schema = (found.schema)();
        let settings = schema
            .get("properties")
            .and_then(|properties| properties.as_object());
        for (key, value) in table {
            if key == "kind" || plugin_keys(role).contains(&key.as_str()) {
                continue;
            }
            if shared.contains(key) {
                pipeline.insert(key.clone(), value.clone());
            } else if settings.is_none_or(|settings| settings.contains_key(key)) {
                plugin.insert(key.clone(), value.clone());
            } else {
                let known = settings.into_iter().flat_map(|settings| settings.keys());
                let known = known.chain(&shared).map(String::as_str);
                let known = known.chain(plugin_keys(role).iter().copied());
                let what = format!("key of {role} kind `{kind}`");
                return Err(document.invalid(&at(key), unknown_key(&what, key, known)));
            }
        }
        Ok(Self {
            document,
            path: path.to_vec(),
            plugin,
            pipeline,
        })
    }

    /// The plugin that the table configures.
    pub(super) fn plugin<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.document
            .deserialize(&self.path, Value::Table(self.plugin.clone()))
    }

    /// What the pipeline reads of the table.
    pub(super) fn pipeline<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.document
            .deserialize(&self.path, Value::Table(self.pipeline.clone()))
    }
}

/// `known kinds: …` of a role.
fn kinds(role: Role) -> String {
    let kinds: Vec<&str> = gblend_core::catalogue()
        .map(|catalogue| catalogue.of(role).map(|plugin| plugin.kind).collect())
        .unwrap_or_default();
    format!("known kinds: {}", kinds.join(", "))
}

/// A setting as a TOML value.
pub(super) fn to_value(table: &str, settings: &impl Serialize) -> Result<Value, ConfigError> {
    Value::try_from(settings).map_err(|error| ConfigError::Unwritable {
        table: table.to_owned(),
        problem: error.to_string(),
    })
}

/// A plugin's and the pipeline's settings as one table.
pub(super) fn merge(
    table: &str,
    plugin: &impl Serialize,
    pipeline: &impl Serialize,
) -> Result<Value, ConfigError> {
    let mut merged = to_value(table, plugin)?;
    if let (Value::Table(merged), Value::Table(pipeline)) = (&mut merged, to_value(table, pipeline)?) {
        merged.extend(pipeline);
    }
    Ok(merged)
}
