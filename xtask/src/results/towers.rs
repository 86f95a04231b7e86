//! What became of the feature spaces of two towers, method by method.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Outcome, accuracy, points, read_json, text};
use crate::Result;

/// Figures that are shown of what can be read of a label, and what they are called.
const FIGURES: [(&str, &str); 2] = [("knn", "k-NN"), ("probe", "probe")];

/// Matching alone, which the others are compared with.
const ALONE: &str = "joint";

impl Outcome {
    /// Recall of every method, and what can be read of each label out of each tower, with differences to matching alone.
    pub(super) fn towers(&self) -> Result<String> {
        let spaces: Vec<&Value> = self.comparison["feature_spaces"]
            .as_array()
            .into_iter()
            .flatten()
            .collect();
        let mut methods: Vec<&str> = self.rows().map(|row| text(&row["method"])).collect();
        for space in &spaces {
            let method = text(&space["method"]);
            if !methods.contains(&method) && !method.starts_with("single:") {
                methods.push(method);
            }
        }
        let mut table = format!(
            "| | as training began | `{}` |\n|---|---|{}\n",
            methods.join("` | `"),
            "---|".repeat(methods.len())
        );
        let cells = methods.iter().map(|method| {
            let row = self.rows().find(|row| row["method"] == *method);
            row.map_or_else(String::new, cell)
        });
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(table, "| recall@1, both ways | | {} |", cells.join(" | "));
        let began = self.initial()?;
        for (figure, name) in FIGURES {
            let of_figure = spaces.iter().filter(|space| space["figure"] == figure);
            let mut shown: Vec<(&str, &str)> = Vec::new();
            for space in of_figure {
                let place = (text(&space["tower"]), text(&space["label"]));
                if shown.contains(&place) {
                    continue;
                }
                shown.push(place);
                let cells = methods.iter().map(|method| {
                    let found = spaces.iter().find(|space| {
                        space["method"] == *method
                            && space["figure"] == figure
                            && (text(&space["tower"]), text(&space["label"])) == place
                    });
                    found.map_or_else(String::new, |space| cell(space))
                });
                let cells: Vec<String> = cells.collect();
                let (tower, label) = place;
                let initial = began
                    .iter()
                    .find(|(what, _)| *what == [tower, label, figure])
                    .map_or_else(String::new, |(_, mean)| format!("{:.1}", 100.0 * mean));
                let _ = writeln!(
                    table,
                    "| {tower}: {label}, {name} | {initial} | {} |",
                    cells.join(" | ")
                );
            }
        }
        Ok(table)
    }

    /// What could be read before training, of tower, label and figure, in the mean over seeds.
    fn initial(&self) -> Result<Vec<([String; 3], f64)>> {
        let mut sums: Vec<([String; 3], f64, f64)> = Vec::new();
        for run in self.row(ALONE)?["runs"].as_array().into_iter().flatten() {
            let summary = read_json(&self.folder.join(text(run)).join("summary.json"))?;
            for tower in summary["feature_space"]["towers"]
                .as_array()
                .into_iter()
                .flatten()
            {
                for label in tower["labels"].as_array().into_iter().flatten() {
                    for (figure, _) in FIGURES {
                        let Some(value) = label[figure]["initial"].as_f64() else {
                            continue;
                        };
                        let what = [text(&tower["name"]), text(&label["label"]), figure].map(str::to_owned);
                        match sums.iter_mut().find(|(known, ..)| *known == what) {
                            Some((_, sum, count)) => {
                                *sum += value;
                                *count += 1.0;
                            }
                            None => sums.push((what, value, 1.0)),
                        }
                    }
                }
            }
        }
        let means = sums.into_iter().map(|(what, sum, count)| (what, sum / count));
        Ok(means.collect())
    }
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
