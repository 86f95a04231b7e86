//! The configuration's text and values, and where in the text each value stands.

use std::ops::Range;

use gblend_core::Role;
use serde::de::DeserializeOwned;
use toml::{Table, Value};
use toml_edit::Item;

use super::environment::expand;
use super::pipeline_keys::shared_keys;
use super::{ConfigError, Override};

/// A parsed configuration with its overrides applied.
#[derive(Debug)]
pub(super) struct Document {
    origin: String,
    text: String,
    /// Keeps the position of every key; the values are taken from `values`.
    positions: toml_edit::Document<String>,
    pub(super) values: Table,
    overrides: Vec<Override>,
}

impl Document {
    pub(super) fn parse(origin: &str, text: &str) -> Result<Self, ConfigError> {
        let syntax = |span: Option<Range<usize>>, message: &str| ConfigError::Syntax {
            place: place(origin, text, span),
            problem: message.trim().replace('\n', ", "),
        };
        let positions = toml_edit::Document::parse(text.to_owned())
            .map_err(|error| syntax(error.span(), error.message()))?;
        let values = toml::from_str(text).map_err(|error| syntax(error.span(), error.message()))?;
        Ok(Self {
            origin: origin.to_owned(),
            text: text.to_owned(),
            positions,
            values,
            overrides: Vec::new(),
        })
    }

    /// Applies one override. Another `kind` drops the settings of the old one, which the new kind would
    /// refuse; the keys that every kind has stay.
    pub(super) fn apply(&mut self, change: &Override) -> Result<(), ConfigError> {
        let Some((key, tables)) = change.path.split_last() else {
            return Ok(());
        };
        let mut table = &mut self.values;
        for (depth, part) in tables.iter().enumerate() {
            let entry = table
                .entry(part.clone())
                .or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(inner) = entry else {
                return Err(ConfigError::Invalid {
                    place: format!("--set {}", change.argument()),
                    key: change.path[..=depth].join("."),
                    problem: "is a value, not a table with keys of its own".into(),
                });
            };
            table = inner;
        }
        let Some(value) = &change.value else {
            table.remove(key);
            self.overrides.push(change.clone());
            return Ok(());
        };
        if key == "kind" && table.get("kind").is_some_and(|kind| kind != value) {
            let role = Role::ALL
                .into_iter()
                .find(|role| tables.first().is_some_and(|table| table == role.name()));
            let kept = role.map(shared_keys).unwrap_or_default();
            let set: Vec<String> = self
                .overrides
                .iter()
                .filter(|earlier| earlier.path.starts_with(tables))
                .filter_map(|earlier| earlier.path.get(tables.len()).cloned())
                .collect();
            table.retain(|name, _| kept.iter().chain(&set).any(|key| key == name));
        }
        table.insert(key.clone(), value.clone());
        self.overrides.push(change.clone());
        Ok(())
    }

    /// Replaces `${VAR}` in every string.
    pub(super) fn expand_environment(&mut self) -> Result<(), ConfigError> {
        fn walk(value: &mut Value, path: &mut Vec<String>) -> Result<(), (Vec<String>, String)> {
            match value {
                Value::String(text) => {
                    *text = expand(text, |name| std::env::var(name).ok())
                        .map_err(|problem| (path.clone(), problem))?;
                }
                Value::Array(items) => {
                    for item in items {
                        walk(item, path)?;
                    }
                }
                Value::Table(table) => {
                    for (key, item) in table {
                        path.push(key.clone());
                        walk(item, path)?;
                        path.pop();
                    }
                }
                _ => {}
            }
            Ok(())
        }
        let mut root = Value::Table(std::mem::take(&mut self.values));
        let expanded = walk(&mut root, &mut Vec::new());
        if let Value::Table(table) = root {
            self.values = table;
        }
        expanded.map_err(|(path, problem)| {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            self.invalid(&path, problem)
        })
    }

    /// Refuses tables that nobody reads.
    pub(super) fn check_tables(&self, known: &[&str]) -> Result<(), ConfigError> {
        match self.values.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(unknown) => {
                Err(self.invalid(&[unknown], unknown_key("table", unknown, known.iter().copied())))
            }
        }
    }

    /// The value at `path`, if there is one.
    pub(super) fn get(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter()
            .try_fold(self.values.get(*first)?, |value, part| value.get(*part))
    }

    /// The names of the tables inside `[table]`, in the order of the file.
    pub(super) fn table_names(&self, table: &str) -> Result<Vec<String>, ConfigError> {
        match self.values.get(table) {
            None => Ok(Vec::new()),
            Some(Value::Table(tables)) => Ok(tables.keys().cloned().collect()),
            Some(other) => {
                let found = other.type_str();
                let problem = format!("found {found}, expected tables such as [{table}.camera]");
                Err(self.invalid(&[table], problem))
            }
        }
    }

    /// A table that no plugin has a part in; an absent one is empty.
    pub(super) fn plain<T: DeserializeOwned>(&self, table: &str) -> Result<T, ConfigError> {
        let value = self.get(&[table]).cloned();
        self.deserialize(&[table], value.unwrap_or(Value::Table(Table::new())))
    }

    /// Reads `value`, which stands at `path`, as a `T`; an error names the exact key.
    pub(super) fn deserialize<T: DeserializeOwned>(
        &self,
        path: &[&str],
        value: Value,
    ) -> Result<T, ConfigError> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let inner = error.path().to_string();
            let mut full: Vec<&str> = path.to_vec();
            if inner != "." {
                full.extend(inner.split('.'));
            }
            // Further lines repeat the path.
            let message = error
                .inner()
                .message()
                .trim()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            // serde names an unknown key in the message only; the path ends at its table.
            if let Some(unknown) = message
                .strip_prefix("unknown field `")
                .and_then(|rest| rest.split('`').next())
                && full.last() != Some(&unknown)
            {
                full.push(unknown);
            }
            self.invalid(&full, suggest(&in_words(&message)))
        })
    }

    /// An error about the value at `path`.
    pub(super) fn invalid(&self, path: &[&str], problem: impl Into<String>) -> ConfigError {
        ConfigError::Invalid {
            place: self.place_of(path),
            key: path.join("."),
            problem: problem.into(),
        }
    }

    /// What the plugin of a table refuses, at the key that it is about.
    pub(super) fn refused(&self, table: &str, error: gblend_core::Error) -> ConfigError {
        match error.in_table(table) {
            gblend_core::Error::Setting { key, value, expected } => {
                let path: Vec<&str> = key.split('.').collect();
                self.invalid(&path, format!("found {value}, expected {expected}"))
            }
            other => self.invalid(&[table], other.to_string()),
        }
    }

    /// `file:line` of the innermost part of `path` that the text has, or the override that set it.
    pub(super) fn place_of(&self, path: &[&str]) -> String {
        let set_here = self.overrides.iter().rev().find(|change| {
            let shared = change.path.len().min(path.len());
            change.path.iter().zip(path).take(shared).all(|(a, b)| a == b) && change.path.len() >= path.len()
        });
        if let Some(change) = set_here {
            return format!("--set {}", change.argument());
        }
        let mut item: &Item = self.positions.as_item();
        let mut span = None;
        for part in path {
            let name = part.split('[').next().unwrap_or(part);
            let Some((key, inner)) = item.as_table_like().and_then(|table| table.get_key_value(name)) else {
                break;
            };
            span = key.span().or_else(|| inner.span()).or(span);
            item = inner;
        }
        place(&self.origin, &self.text, span)
    }
}

/// `origin:line`, or `origin` if the position is unknown.
fn place(origin: &str, text: &str, span: Option<Range<usize>>) -> String {
    match span {
        Some(span) => {
            let line = 1 + text[..span.start.min(text.len())].matches('\n').count();
            format!("{origin}:{line}")
        }
        None => origin.to_owned(),
    }
}

/// serde's message with words for the types of a program.
fn in_words(message: &str) -> String {
    const WORDS: [(&str, &str); 14] = [
        ("usize", "a whole number of 0 or more"),
        ("u64", "a whole number of 0 or more"),
        ("u32", "a whole number of 0 or more"),
        ("u16", "a whole number from 0 to 65535"),
        ("u8", "a whole number from 0 to 255"),
        ("isize", "a whole number"),
        ("i64", "a whole number"),
        ("i32", "a whole number"),
        ("f64", "a number"),
        ("f32", "a number"),
        ("a nonzero u64", "a whole number of 1 or more"),
        ("a nonzero usize", "a whole number of 1 or more"),
        ("a boolean", "true or false"),
        ("a sequence", "a list"),
    ];
    let Some((found, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    let words = WORDS
        .iter()
        .find(|(name, _)| *name == expected)
        .map(|(_, words)| *words);
    let expected = match words {
        Some(words) => words.to_owned(),
        None if expected.starts_with("struct ") || expected == "a map" => "a table".to_owned(),
        None => expected.to_owned(),
    };
    let found = found
        .replacen("invalid type: ", "found ", 1)
        .replacen("invalid value: ", "found ", 1)
        .replacen("found sequence", "found a list", 1)
        .replacen("found map", "found a table", 1)
        .replacen("floating point", "number", 1);
    format!("{found}, expected {expected}")
}

/// Adds the nearest known name to serde's message about an unknown field or variant.
fn suggest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if let (true, Some(unknown)) = (message.starts_with("unknown "), quoted.next())
        && let Some(nearest) = gblend_core::registry::nearest(unknown, quoted).first()
    {
        return format!("{message}; did you mean `{nearest}`?");
    }
    message.to_owned()
}

/// The message about a key that nobody reads.
pub(super) fn unknown_key<'a>(
    what: &str,
    unknown: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> String {
    let list: Vec<&str> = known.clone().collect();
    match gblend_core::registry::nearest(unknown, known).first() {
        Some(nearest) => format!(
            "unknown {what}; did you mean `{nearest}`? known: {}",
            list.join(", ")
        ),
        None => format!("unknown {what}; known: {}", list.join(", ")),
    }
}
