//! What keys mean that the configuration of an earlier run does not have.
//!
//! A run folder's configuration has every key that its release had, each with its value. A key that came later is absent, and
//! means what that release did, not what this one does by default: a run that goes on, is evaluated or is reported keeps its
//! meaning.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Config, ConfigError, Override};
use crate::texts::text;

/// Gives the keys that came later or have another default now, where they are absent, what they meant before.
pub(super) fn complete(resolved: &mut Table) {
    // The smoothing of the robust policy is written only where it was chosen; another key tells which default was meant.
    if let Some(Value::Table(blend)) = resolved.get_mut("blend")
        && !blend.contains_key("scale")
        && blend.get("kind").and_then(Value::as_str).unwrap_or("ogr") == "ogr"
        && blend.get("policy").and_then(Value::as_str).unwrap_or("robust") == "robust"
    {
        blend.entry("smoothing").or_insert(0.1.into());
    }
    let before: [(&str, &str, Value); 10] = [
        ("blend", "scale", "sum".into()),
        ("blend", "predict", "joint".into()),
        ("blend", "pool", "validation".into()),
        ("run", "select", "last".into()),
        ("run", "refit", false.into()),
        ("run", "sampler", "shuffled".into()),
        ("run", "test", true.into()),
        ("run", "batch_norm", "all_ranks".into()),
        ("run", "samples_as", "f32".into()),
        ("run", "activations_as", "f32".into()),
    ];
    for (table, key, meaning) in before {
        if let Some(Value::Table(table)) = resolved.get_mut(table) {
            table.entry(key).or_insert(meaning);
        }
    }
}

impl Config {
    /// As [`load`](Self::load), the configuration of a run folder or a comparison: what it does not say is what it meant in
    /// the release that wrote it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn of_run(file: &Path, overrides: &[Override]) -> Result<Self, ConfigError> {
        let (text, base) = Self::read(file)?;
        Self::parse_with(&file.display().to_string(), &text, base, |document| {
            complete(&mut document.values);
            overrides.iter().try_for_each(|change| document.apply(change))
        })
    }

    /// A configuration file's text, and the folder that its relative paths start from.
    pub(super) fn read(file: &Path) -> Result<(String, PathBuf), ConfigError> {
        let bytes = std::fs::read(file).map_err(|source| ConfigError::Unreadable {
            path: file.to_owned(),
            source,
        })?;
        let text = text(&bytes).map_err(|fault| ConfigError::Syntax {
            place: format!("{}:{}", file.display(), fault.line),
            problem: fault.problem,
        })?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let base = folder.unwrap_or(Path::new("."));
        Ok((
            text.to_owned(),
            std::path::absolute(base).unwrap_or_else(|_| base.to_owned()),
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Select;
    use super::*;
    use crate::records::PredictionRule;
    use gblend_optim::Scale;

    #[test]
    fn keys_that_a_run_does_not_have_mean_what_they_did_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        let now = Config::load(None, &[]).unwrap();
        let mut written: Table = toml::from_str(&now.to_toml().unwrap()).unwrap();
        std::fs::write(&file, toml::to_string(&written).unwrap()).unwrap();
        let same = Config::of_run(&file, &[]).unwrap();
        assert_eq!(same.blend.pipeline, now.blend.pipeline);
        assert_eq!(same.run.select, now.run.select);

        for (table, key) in [
            ("blend", "scale"),
            ("blend", "predict"),
            ("blend", "pool"),
            ("run", "select"),
            ("run", "refit"),
            ("run", "sampler"),
            ("run", "test"),
        ] {
            written[table].as_table_mut().unwrap().remove(key).unwrap();
        }
        std::fs::write(&file, toml::to_string(&written).unwrap()).unwrap();
        let before = Config::of_run(&file, &[]).unwrap();
        assert_eq!(before.blend.pipeline.scale, Scale::Sum);
        assert_eq!(before.blend.pipeline.predict, PredictionRule::Joint);
        assert_eq!(before.run.select, Select::Last);
        assert!(before.is_tested());
        let said = Config::of_run(&file, &["blend.scale=heads".parse().unwrap()]).unwrap();
        assert_eq!(said.blend.pipeline.scale, Scale::Heads);
        let new = Config::load(Some(&file), &[]).unwrap();
        assert_eq!(new.blend.pipeline, now.blend.pipeline);
    }
}
