//! What became of the feature spaces of two towers, method by method.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::{Outcome, accuracy, items, points, text};
use crate::Result;

/// Figures that are shown of what can be read of a label, and what they are called.
const FIGURES: [(&str, &str); 2] = [("knn", "k-NN"), ("probe", "probe")];

/// Matching alone, which the others are compared with.
const ALONE: &str = "joint";

impl Outcome {
    /// Recall of every method, and what can be read of each label out of each tower, with differences to matching alone.
    pub(super) fn towers(&self) -> Result<String> {
        let spaces = || items(&self.comparison["feature_spaces"]);
        let mut methods: Vec<&str> = self.rows().map(|row| text(&row["method"])).collect();
        for method in spaces().map(|space| text(&space["method"])) {
            if !methods.contains(&method) && !method.starts_with("single:") {
                methods.push(method);
            }
        }
        let mut table = format!(
            "| | as training began | `{}` |\n|---|---|{}\n",
            methods.join("` | `"),
            "---|".repeat(methods.len())
        );
        let recall = cells(&methods, |method| self.rows().find(|row| row["method"] == method));
        let _ = writeln!(table, "| recall@1, both ways | | {recall} |");
        let began = self.initial()?;
        for (figure, name) in FIGURES {
            for place in spaces().filter(|space| space["method"] == ALONE && space["figure"] == figure) {
                let (tower, label) = (text(&place["tower"]), text(&place["label"]));
                let began = began.get(&[tower, label, figure].map(str::to_owned));
                let began = began.map_or_else(String::new, |values| {
                    format!("{:.1}", 100.0 * values.iter().sum::<f64>() / values.len() as f64)
                });
                let trained = cells(&methods, |method| {
                    spaces().find(|space| {
                        space["method"] == method
                            && ["tower", "label", "figure"]
                                .iter()
                                .all(|key| space[key] == place[key])
                    })
                });
                let _ = writeln!(table, "| {tower}: {label}, {name} | {began} | {trained} |");
            }
        }
        Ok(table)
    }

    /// What could be read before training with each seed, by tower, label and figure.
    fn initial(&self) -> Result<BTreeMap<[String; 3], Vec<f64>>> {
        let mut initial: BTreeMap<[String; 3], Vec<f64>> = BTreeMap::new();
        for summary in self.summaries(self.row(ALONE)?) {
            let summary = summary?;
            let towers = items(&summary["feature_space"]["towers"]);
            let labels = towers.flat_map(|tower| items(&tower["labels"]).map(move |label| (tower, label)));
            for (tower, label) in labels {
                for (figure, _) in FIGURES {
                    let what = [text(&tower["name"]), text(&label["label"]), figure].map(str::to_owned);
                    initial
                        .entry(what)
                        .or_default()
                        .extend(label[figure]["initial"].as_f64());
                }
            }
        }
        Ok(initial)
    }
}

/// The figures that are found of all methods, in their columns.
fn cells<'a>(methods: &[&str], find: impl Fn(&str) -> Option<&'a Value>) -> String {
    let cells = methods
        .iter()
        .map(|method| find(method).map_or_else(String::new, cell));
    cells.collect::<Vec<_>>().join(" | ")
}

/// A figure, with its difference to matching alone.
fn cell(row: &Value) -> String {
    match points(&row["paired_difference_to_joint"]) {
        difference if difference.is_empty() => accuracy(row),
        difference => format!("{} ({difference})", accuracy(row)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_of_another_method_has_its_difference_to_matching_alone() {
        let difference = serde_json::json!({"mean": 0.1, "ci95": 0.02, "significant": true});
        let row = serde_json::json!({"mean": 0.5, "ci95": 0.01, "paired_difference_to_joint": difference});
        assert_eq!(cell(&row), "50.0 ± 1.0 (**+10.0 ± 2.0**)");
        assert_eq!(
            cell(&serde_json::json!({"mean": 0.4, "ci95": 0.01})),
            "40.0 ± 1.0"
        );
    }
}
