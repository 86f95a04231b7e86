//! `--set KEY=VALUE`: one key of the configuration, from the command line.

use std::str::FromStr;

use super::ConfigError;

/// One `--set KEY=VALUE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// The key's parts, outermost table first.
    pub(super) path: Vec<String>,
    /// `None` takes the key away.
    pub(super) value: Option<toml::Value>,
    argument: String,
}

impl Override {
    /// An override made by the program itself rather than typed.
    pub fn new(path: &[&str], value: impl Into<toml::Value>) -> Self {
        let value = value.into();
        Self {
            path: path.iter().map(|&part| part.to_owned()).collect(),
            argument: format!("{}={value}", path.join(".")),
            value: Some(value),
        }
    }

    /// Takes a key or a table away; what is not there may stay so.
    pub fn without(path: &[&str]) -> Self {
        Self {
            path: path.iter().map(|&part| part.to_owned()).collect(),
            argument: format!("without {}", path.join(".")),
            value: None,
        }
    }

    /// Whether it sets, or takes away, this key.
    pub fn is_of(&self, path: &[&str]) -> bool {
        self.path == path
    }

    /// The override as the user wrote it.
    pub fn argument(&self) -> &str {
        &self.argument
    }
}

impl FromStr for Override {
    type Err = ConfigError;

    /// The value is read as TOML; what is no TOML value is a string, so that `--set blend.kind=equal` needs
    /// no quotes.
    fn from_str(argument: &str) -> Result<Self, ConfigError> {
        let malformed = || ConfigError::Override {
            argument: argument.to_owned(),
        };
        let (key, value) = argument.split_once('=').ok_or_else(malformed)?;
        let path: Vec<String> = key.split('.').map(|part| part.trim().to_owned()).collect();
        if path.iter().any(String::is_empty) {
            return Err(malformed());
        }
        let value = value.trim();
        let value = toml::from_str::<toml::Table>(&format!("value = {value}"))
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| toml::Value::String(value.to_owned()));
        Ok(Self {
            path,
            value: Some(value),
            argument: argument.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn value(argument: &str) -> toml::Value {
        argument.parse::<Override>().unwrap().value.unwrap()
    }

    #[test]
    fn a_value_is_toml_or_else_a_string() {
        assert_eq!(value("run.seed=3"), toml::Value::Integer(3));
        assert_eq!(value("a.b=0.5"), toml::Value::Float(0.5));
        assert_eq!(value("a.b=true"), toml::Value::Boolean(true));
        assert_eq!(value("a.b=[1, 2]"), toml::Value::Array(vec![1.into(), 2.into()]));
        assert_eq!(value("blend.kind=equal"), toml::Value::String("equal".into()));
        assert_eq!(value("blend.kind=\"equal\""), toml::Value::String("equal".into()));
        assert_eq!(value("data.path=/a=b"), toml::Value::String("/a=b".into()));
    }

    #[test]
    fn an_argument_without_key_or_value_is_refused() {
        for argument in ["seed", "=3", "run..seed=3", ".=1"] {
            let error = argument.parse::<Override>().unwrap_err().to_string();
            assert!(error.contains(argument) && error.contains("KEY=VALUE"), "{error}");
        }
    }
}
