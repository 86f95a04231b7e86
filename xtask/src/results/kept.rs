//! What a study found, in the repository.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Outcome, Study};
use crate::Result;
use crate::process::workspace;

/// What is kept of a row, besides its differences.
const FIGURES: [&str; 6] = ["method", "rule", "runs_counted", "mean", "ci95", "seconds"];

/// What a study found.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// What was run.
    command: String,
    /// Accuracy of every method, and its differences to references.
    rows: Vec<Map<String, Value>>,
}

impl Kept {
    pub(super) fn of(study: &Study, outcome: &Outcome) -> Self {
        let rows = outcome.rows().filter_map(Value::as_object).map(|row| {
            let is_kept = |name: &str| FIGURES.contains(&name) || name.starts_with("paired_difference_to_");
            let figures = row.iter().filter(|(name, _)| is_kept(name));
            figures
                .map(|(name, figure)| (name.clone(), figure.clone()))
                .collect()
        });
        Self {
            command: study.command(),
            rows: rows.collect(),
        }
    }

    /// What was found, unless the study is another one now.
    pub(super) fn read(name: &str, study: &Study) -> Result<Option<Self>> {
        let path = path(name);
        if !path.is_file() {
            return Ok(None);
        }
        let kept: Self = serde_json::from_str(&std::fs::read_to_string(&path)?)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Some(kept).filter(|kept| kept.command == study.command()))
    }

    pub(super) fn write(&self, name: &str) -> Result {
        let path = path(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, serde_json::to_string_pretty(self)? + "\n")?;
        Ok(())
    }

    pub(super) fn row(&self, method: &str) -> Option<Value> {
        let row = self
            .rows
            .iter()
            .find(|row| row.get("method").is_some_and(|name| name == method));
        row.cloned().map(Value::Object)
    }
}

fn path(name: &str) -> PathBuf {
    workspace()
        .join("xtask/results/kept")
        .join(format!("{name}.json"))
}
