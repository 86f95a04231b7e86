//! `gblend runs`.

use std::path::PathBuf;
use std::time::SystemTime;

use chrono::{DateTime, Local, SecondsFormat};
use clap::Args;
use serde::Serialize;

use super::{print, print_json};
use crate::config::settings_beside;
use crate::error::{Error, Result};
use crate::records::{Figure, ObjectiveDescription, PredictionSummary, Summary};
use crate::run_folder::{Listed, ListedState};
use crate::tables::table;

/// Lists runs and comparisons: when they were begun, what came of them, and in which settings they differ.
#[derive(Debug, Args)]
pub(super) struct Runs {
    /// Folders with runs in them, or run folders.
    #[arg(default_value = "runs")]
    folders: Vec<PathBuf>,
    /// Prints JSON in place of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    run: String,
    /// As RFC 3339 has it; null where the system does not tell.
    begun: Option<String>,
    /// `ended`, `open`, `comparison` or `damaged`.
    state: &'static str,
    /// Epochs that are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    epochs: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy: Option<String>,
    /// The main figure of what predicts, on the test samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    figure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    /// The settings that it has where the first run of the list has something else.
    settings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip)]
    shown: String,
}

impl Runs {
    pub(super) fn run(self) -> Result<()> {
        let mut all = Vec::new();
        for folder in &self.folders {
            all.extend(Listed::all(folder).map_err(Error::read(folder))?);
        }
        if all.is_empty() {
            let folders: Vec<String> = self
                .folders
                .iter()
                .map(|folder| folder.display().to_string())
                .collect();
            return Err(Error::Usage(format!(
                "there is no run in {}: `gblend train` makes one, in runs unless --out says where",
                folders.join(", ")
            )));
        }
        let first = all.iter().find_map(|run| run.config.clone()).unwrap_or_default();
        let lines: Vec<Line> = all.into_iter().map(|run| line(run, &first)).collect();
        if self.json {
            return print_json(&lines);
        }
        let rows = lines.into_iter().map(|line| {
            let date = line
                .begun
                .as_deref()
                .map_or("-", |begun| begun.get(..16).unwrap_or(begun));
            vec![
                line.run,
                date.replace('T', " "),
                line.shown,
                line.settings.join("\n"),
            ]
        });
        print(&table(&["run", "begun", "result", "unlike the first"], 4, rows))
    }
}

fn line(run: Listed, first: &str) -> Line {
    let settings = run.config.as_deref().map(|config| settings_beside(config, first));
    let mut line = Line {
        run: run.path.display().to_string(),
        begun: run.begun.map(written),
        state: "open",
        epochs: None,
        strategy: None,
        figure: None,
        value: None,
        settings: settings.unwrap_or_default(),
        problem: None,
        shown: String::new(),
    };
    match run.state {
        ListedState::Ended(summary) => {
            line.state = "ended";
            line.epochs = Some(summary.epochs);
            line.shown = format!("{}, seed {}", summary.strategy, summary.seed);
            if !summary.is_tested() {
                line.shown = format!("nothing tested: {}", line.shown);
            }
            if let Some((name, figure, value)) = main_figure(&summary) {
                line.shown = format!("{} {name}: {}", figure.text(), line.shown);
                line.figure = Some(name);
                line.value = Some(value);
            }
            line.strategy = Some(summary.strategy);
        }
        ListedState::Open(epochs) => {
            line.epochs = Some(epochs);
            line.shown = format!("not ended: {epochs} epochs done");
        }
        ListedState::Comparison(comparison) => {
            line.state = "comparison";
            line.shown = match comparison {
                None => "comparison without a result yet".to_owned(),
                Some(comparison) => {
                    format!(
                        "comparison of {} methods, {}",
                        comparison.rows.len(),
                        comparison.repeats()
                    )
                }
            };
        }
        ListedState::Damaged(problem) => {
            line.state = "damaged";
            line.shown = format!("cannot be read: {problem}");
            line.problem = Some(problem);
        }
    }
    line
}

/// The main figure of what a run predicts from: its name, and its value.
fn main_figure(summary: &Summary) -> Option<(String, Figure, f64)> {
    let main = ObjectiveDescription::main(summary.objective.as_ref());
    let of = summary.predictions.iter().find(|of| of.rule == summary.predict)?;
    let value = PredictionSummary::metrics(of).get(&main.name)?;
    Some((main.name.to_string(), Figure::new(value, main), value))
}

/// In the time of where one is.
fn written(time: SystemTime) -> String {
    DateTime::<Local>::from(time).to_rfc3339_opts(SecondsFormat::Secs, false)
}
