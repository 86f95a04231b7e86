//! `cargo xtask results`: runs the studies of `xtask/results/studies.toml` and writes docs/results.md and docs/promise.md.
//!
//! Every figure of a page comes out of a comparison's files; the page of the same name in `xtask/results` has the words around
//! them, with `{{table NAME}}`, `{{towers NAME}}`, `{{weights NAME}}`, `{{verdict NAME}}`, `{{command NAME}}` and `{{simplex NAME}}` where the
//! figures of a study go, and `{{forest GROUP}}` where those of all studies of a group do: those that are done, and the others by
//! their names. Studies that are done are not run again, and one that was stopped goes on. What the forest plots are made of stays in
//! `xtask/results/kept`, so that studies of hours can be run one by one, on any machine.

mod forest;
mod kept;
mod towers;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use forest::{Task, drawing, forest};
use kept::Kept;

use crate::Result;
use crate::process::{cargo, succeed, workspace};
use crate::python::environment;

#[derive(Debug, Args)]
pub(crate) struct Results {
    /// Runs these studies alone; a page needs all of its own to be done, but for those of a forest plot.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Writes this page alone.
    #[arg(long, value_name = "NAME", value_parser = PAGES)]
    page: Option<String>,
    /// Writes the pages from what is done.
    #[arg(long)]
    no_run: bool,
}

/// The pages, in docs and with words alone in xtask/results.
const PAGES: [&str; 2] = ["results.md", "promise.md"];

/// One comparison.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Study {
    /// The manifest of the binary, from the workspace's folder.
    manifest: String,
    /// The configuration, from the workspace's folder; the built-in one if there is none.
    config: Option<String>,
    /// Further arguments of `compare`.
    arguments: Vec<String>,
    /// A script beside the studies that makes the data, in a folder of this name below target/results.
    data: Option<Data>,
    /// What it is called among others of a group, and the group.
    forest: Option<InForest>,
}

/// Data that have to be made from files of another kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    script: String,
    folder: String,
}

/// A line of a forest plot.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InForest {
    group: String,
    name: String,
}

impl Results {
    pub(crate) fn run(&self) -> Result {
        let folder = workspace().join("xtask/results");
        let studies: BTreeMap<String, Study> =
            toml::from_str(&std::fs::read_to_string(folder.join("studies.toml"))?)?;
        if let Some(unknown) = self.only.iter().find(|name| !studies.contains_key(*name)) {
            let known: Vec<&str> = studies.keys().map(String::as_str).collect();
            return Err(format!("--only {unknown}: expected one of {}", known.join(", ")).into());
        }
        for (name, study) in &studies {
            let wanted = !self.no_run && (self.only.is_empty() || self.only.contains(name));
            let is_kept = study.forest.is_some() && Kept::read(name, study)?.is_some();
            if wanted && !is_kept {
                study.run(name)?;
                if study.forest.is_some() {
                    Kept::of(study, &Outcome::read(name)?).write(name)?;
                }
            }
        }
        for page in PAGES {
            if self.page.as_deref().is_some_and(|wanted| wanted != page) {
                continue;
            }
            let words = std::fs::read_to_string(folder.join(page))?;
            let path = workspace().join("docs").join(page);
            let filled = fill(&words, &studies).map_err(|error| format!("{page}: {error}"))?;
            std::fs::write(&path, filled)?;
            println!("wrote {}", path.display());
        }
        Ok(())
    }
}

impl Study {
    fn run(&self, name: &str) -> Result {
        let root = workspace();
        if let Some(Data { script, folder }) = &self.data {
            let folder = folder_of(folder);
            if !folder.join("table.csv").is_file() {
                let python = environment("data", &["numpy", "scipy"])?;
                let script = root.join("xtask/results").join(script);
                succeed(Command::new(python).arg(script).arg(folder))?;
            }
        }
        let mut command = cargo();
        command
            .args(["run", "--release", "--manifest-path"])
            .arg(root.join(&self.manifest));
        // An example is a workspace of its own; its build goes where the others are.
        command
            .arg("--target-dir")
            .arg(root.join("target"))
            .args(["--", "compare"]);
        command.args(self.config.iter().map(|config| root.join(config)));
        command.args(&self.arguments).arg("--out").arg(folder_of(name));
        succeed(&mut command)
    }

    /// The command as someone in the workspace's folder would type it.
    fn command(&self) -> String {
        let mut words = vec!["gblend".to_owned(), "compare".to_owned()];
        if self.manifest != "Cargo.toml" {
            words[0] = "gblend-inertial".to_owned();
        }
        words.extend(self.config.clone());
        words.extend(self.arguments.iter().map(|word| {
            if word.contains(' ') {
                format!("\"{word}\"")
            } else {
                word.clone()
            }
        }));
        words.join(" ")
    }
}

fn folder_of(name: &str) -> PathBuf {
    workspace().join("target/results").join(name)
}

/// What `compare.json` and the summaries of its runs say.
struct Outcome {
    folder: PathBuf,
    comparison: Value,
}

impl Outcome {
    fn read(name: &str) -> Result<Self> {
        let folder = folder_of(name);
        let comparison = read_json(&folder.join("compare.json"))?;
        Ok(Self { folder, comparison })
    }

    fn rows(&self) -> impl Iterator<Item = &Value> {
        items(&self.comparison["rows"])
    }

    fn row(&self, method: &str) -> Result<&Value> {
        let row = self.rows().find(|row| row["method"] == method);
        row.ok_or_else(|| format!("{}: no row `{method}`", self.folder.display()).into())
    }

    /// What each run of a row says of itself.
    fn summaries(&self, row: &Value) -> impl Iterator<Item = Result<Value>> {
        items(&row["runs"]).map(|run| read_json(&self.folder.join(text(run)).join("summary.json")))
    }

    /// Accuracy of every method, and its differences, in points.
    fn table(&self) -> String {
        let mut table = String::from(
            "| method | test accuracy | − best single | − joint | − equal | seconds |\n|---|---|---|---|---|---|\n",
        );
        for row in self.rows() {
            let differences = ["best_single", "joint", "equal"]
                .map(|to| points(&row[format!("paired_difference_to_{to}")]));
            let _ = writeln!(
                table,
                "| `{}` | {} | {} | {:.1} |",
                text(&row["method"]),
                accuracy(row),
                differences.join(" | "),
                row["seconds"].as_f64().unwrap_or(f64::NAN),
            );
        }
        table
    }

    /// The weights that each strategy gave at each estimate, as means over seeds, with their standard deviations.
    fn weights(&self) -> Result<String> {
        let mut table = String::new();
        for method in ["ogr", "ogr-online"] {
            let Ok(row) = self.row(method) else { continue };
            // [estimate] -> epoch, [head] -> name and a weight for each seed.
            let mut estimates: BTreeMap<u64, Vec<(String, Vec<f64>)>> = BTreeMap::new();
            for summary in self.summaries(row) {
                for blend in items(&summary?["blends"]) {
                    let heads = estimates.entry(blend["epoch"].as_u64().unwrap_or(0)).or_default();
                    for (place, head) in items(&blend["heads"]).enumerate() {
                        if heads.len() == place {
                            heads.push((text(&head["name"]).to_owned(), Vec::new()));
                        }
                        heads[place].1.extend(head["weight"].as_f64());
                    }
                }
            }
            for (epoch, heads) in &estimates {
                if table.is_empty() {
                    let names: Vec<&str> = heads.iter().map(|(name, _)| name.as_str()).collect();
                    let _ = writeln!(table, "| | from epoch | {} |", names.join(" | "));
                    let _ = writeln!(table, "|---|---|{}", "---|".repeat(names.len()));
                }
                let weights: Vec<String> = heads.iter().map(|(_, weights)| spread(weights)).collect();
                let _ = writeln!(table, "| `{method}` | {} | {} |", epoch + 1, weights.join(" | "));
            }
        }
        Ok(table)
    }

    /// What Gradient-Blending did here, in words that the figures choose.
    fn verdict(&self) -> Result<String> {
        let mut verdicts = Vec::new();
        let joint = &self.row("joint")?["paired_difference_to_best_single"];
        verdicts.push(format!(
            "Naive joint training is {} the best single modality (`{}`): {} points.",
            match (joint["significant"].as_bool(), joint["mean"].as_f64()) {
                (Some(true), Some(mean)) if mean < 0.0 => "below",
                (Some(true), _) => "above",
                _ => "not told apart from",
            },
            text(&joint["to"]),
            points(joint),
        ));
        for method in ["ogr", "ogr-online"] {
            let Ok(row) = self.row(method) else { continue };
            let against = ["best_single", "joint", "equal"].map(|to| {
                let difference = &row[format!("paired_difference_to_{to}")];
                let word = match (difference["significant"].as_bool(), difference["mean"].as_f64()) {
                    (Some(true), Some(mean)) if mean < 0.0 => "worse than",
                    (Some(true), _) => "better than",
                    _ => "not told apart from",
                };
                format!("{word} {} ({})", to.replace('_', " "), points(difference))
            });
            verdicts.push(format!("`{method}` is {}.", against.join(", ")));
        }
        Ok(verdicts.join(" "))
    }

    /// Accuracy over the simplex of three heads: the first weight down, the second across, the joint head the rest.
    fn simplex(&self) -> Result<String> {
        let simplex = &self.comparison["simplex"];
        let heads: Vec<&str> = items(&simplex["heads"]).map(text).collect();
        let (&[first, second, _], Some(steps)) = (&heads[..], simplex["steps"].as_u64()) else {
            return Err(format!("{}: no search over three heads", self.folder.display()).into());
        };
        let points_of = || items(&simplex["points"]);
        let weight = |point: &Value, head: usize| point["weights"][head].as_f64().unwrap_or(f64::NAN);
        let mean = |point: &Value| point["mean"].as_f64().unwrap_or(f64::NAN);
        let best = points_of()
            .max_by(|a, b| mean(a).total_cmp(&mean(b)))
            .ok_or("no point")?;
        let share = |step: u64| step as f64 / steps as f64;
        let across: Vec<String> = (0..=steps).map(|step| format!("{:.3}", share(step))).collect();
        let mut table = format!(
            "| {first} ↓ {second} → | {} |\n|---|{}\n",
            across.join(" | "),
            "---|".repeat(across.len())
        );
        for down in 0..=steps {
            let cells = (0..=steps).map(|over| {
                let near = |value: f64, step: u64| (value - share(step)).abs() < 1e-9;
                let point =
                    points_of().find(|point| near(weight(point, 0), down) && near(weight(point, 1), over));
                point.map_or_else(String::new, |point| {
                    let figure = format!("{:.1}", 100.0 * mean(point));
                    if std::ptr::eq(point, best) {
                        format!("**{figure}**")
                    } else {
                        figure
                    }
                })
            });
            let _ = writeln!(
                table,
                "| {:.3} | {} |",
                share(down),
                cells.collect::<Vec<_>>().join(" | ")
            );
        }
        let named = |point: &Value| {
            let weights = heads
                .iter()
                .enumerate()
                .map(|(head, name)| format!("{name} {:.2}", weight(point, head)));
            format!(
                "{}: {:.1} %",
                weights.collect::<Vec<_>>().join(", "),
                100.0 * mean(point)
            )
        };
        let _ = write!(
            table,
            "\nBest of {} points: {}. The estimate, as a mean over seeds: {}. Regret, with the best point for each seed chosen by the \
             other seeds: {} points.",
            points_of().count(),
            named(best),
            named(&simplex["estimate"]),
            points(&simplex["regret"]),
        );
        Ok(table)
    }
}

/// The page with every `{{figure study}}` filled in.
fn fill(page: &str, studies: &BTreeMap<String, Study>) -> Result<String> {
    let mut filled = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("{{") {
        let (inside, after) = after.split_once("}}").ok_or("`{{` without `}}`")?;
        let (figure, name) = inside
            .trim()
            .split_once(' ')
            .ok_or_else(|| format!("{{{{{inside}}}}}, expected a figure and a name"))?;
        filled.push_str(before);
        rest = after;
        if figure == "forest" {
            filled.push_str(&forest_of(name, studies)?);
            continue;
        }
        let study = studies.get(name).ok_or_else(|| format!("no study `{name}`"))?;
        let outcome = || Outcome::read(name);
        filled.push_str(
            match figure {
                "command" => study.command(),
                "table" => outcome()?.table(),
                "towers" => outcome()?.towers()?,
                "weights" => outcome()?.weights()?,
                "verdict" => outcome()?.verdict()?,
                "simplex" => outcome()?.simplex()?,
                other => return Err(format!("no figure `{other}`").into()),
            }
            .trim_end(),
        );
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The forest plot of a group: its table for the page, and its drawing beside it in docs/.
fn forest_of(group: &str, studies: &BTreeMap<String, Study>) -> Result<String> {
    let of_group = studies.iter().filter_map(|(name, study)| {
        let line = study.forest.as_ref().filter(|line| line.group == group)?;
        Some((name, line.name.as_str()))
    });
    let (mut tasks, mut open) = (Vec::new(), Vec::new());
    for (name, line) in of_group {
        match Kept::read(name, &studies[name])? {
            Some(kept) => tasks.push(Task::of(line, &kept.row("ogr").ok_or("no row `ogr`")?)),
            None => open.push(line),
        }
    }
    if tasks.is_empty() && open.is_empty() {
        return Err(format!("no study is of the group `{group}`").into());
    }
    let open = match &open[..] {
        [] => String::new(),
        open => format!("\n\nNot run yet: {}.", open.join(", ")),
    };
    let file = format!("forest-{group}.svg");
    std::fs::write(workspace().join("docs").join(&file), drawing(&tasks))?;
    Ok(format!(
        "![What the default gains over each reference]({file})\n\n{}{open}",
        forest(&tasks)
    ))
}

fn read_json(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// The items of a list, none of what is no list.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `71.7 ± 1.0`, in percent.
fn accuracy(row: &Value) -> String {
    let mean = 100.0 * row["mean"].as_f64().unwrap_or(f64::NAN);
    match row["ci95"].as_f64() {
        Some(ci95) => format!("{mean:.1} ± {:.1}", 100.0 * ci95),
        None => format!("{mean:.1}"),
    }
}

/// `**+5.3 ± 1.7**`, in points, in bold where the interval leaves out 0.
fn points(difference: &Value) -> String {
    let Some(mean) = difference["mean"].as_f64() else {
        return String::new();
    };
    let figure = match difference["ci95"].as_f64() {
        Some(ci95) => format!("{:+.1} ± {:.1}", 100.0 * mean, 100.0 * ci95),
        None => format!("{:+.1}", 100.0 * mean),
    };
    if difference["significant"] == true {
        format!("**{figure}**")
    } else {
        figure
    }
}

/// `.69 ± .04`: mean and standard deviation.
fn spread(values: &[f64]) -> String {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    format!("{mean:.2} ± {:.2}", variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_no_study_has_is_named() {
        let studies = BTreeMap::new();
        assert_eq!(fill("as it is", &studies).ok().as_deref(), Some("as it is"));
        for page in ["{{table nothing}}", "{{forest nothing}}", "{{table", "{{table}}"] {
            let problem = fill(page, &studies).map_err(|error| error.to_string());
            assert!(
                problem.is_err_and(|problem| problem.contains("nothing") || problem.contains("{{")),
                "{page}"
            );
        }
    }

    #[test]
    fn significant_differences_are_bold() {
        let difference =
            |significant: bool| serde_json::json!({"mean": 0.053, "ci95": 0.017, "significant": significant});
        assert_eq!(points(&difference(true)), "**+5.3 ± 1.7**");
        assert_eq!(points(&difference(false)), "+5.3 ± 1.7");
        assert_eq!(points(&Value::Null), "");
    }
}
