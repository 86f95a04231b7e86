//! How good predictions are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How good a head is on the samples of a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Share of samples that it is right about; absent where nothing is right or wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Mean loss.
    pub loss: f64,
}

/// How good predictions are on the samples of a split: the mean loss, and the figures of the objective that are defined.
///
/// The figures of classification have fields of their own, as they had before there were other objectives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Share of samples that are right; with several labels, exactly right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Mean loss.
    pub loss: f64,
    /// The mean over classes of the F1 score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macro_f1: Option<f64>,
    /// With several labels, the mean over classes of the average precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_average_precision: Option<f64>,
    /// Further figures, by name: those of other objectives, and of classification the balanced accuracy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
}

impl Metrics {
    /// A mean loss and figures by name. What is not finite is left out: it is no measurement, and JSON has no word for it.
    pub fn new<'a>(loss: f64, figures: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        let mut metrics = Self {
            loss,
            ..Self::default()
        };
        for (name, figure) in figures.into_iter().filter(|(_, figure)| figure.is_finite()) {
            match name {
                "accuracy" => metrics.accuracy = Some(figure),
                "macro_f1" => metrics.macro_f1 = Some(figure),
                "mean_average_precision" => metrics.mean_average_precision = Some(figure),
                name => {
                    metrics.metrics.insert(name.to_owned(), figure);
                }
            }
        }
        metrics
    }

    /// A figure by its name.
    pub fn get(&self, name: &str) -> Option<f64> {
        match name {
            "accuracy" => self.accuracy,
            "macro_f1" => self.macro_f1,
            "mean_average_precision" => self.mean_average_precision,
            name => self.metrics.get(name).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_figures_of_classification_are_written_as_before_and_others_in_a_map() {
        let classes = Metrics::new(0.5, [("macro_f1", 0.75), ("accuracy", 0.25)]);
        let text = serde_json::to_string(&classes).unwrap();
        assert_eq!(text, r#"{"accuracy":0.25,"loss":0.5,"macro_f1":0.75}"#);
        let number = Metrics::new(0.5, [("mae", 2.0), ("rmse", f64::NAN)]);
        let text = serde_json::to_string(&number).unwrap();
        assert_eq!(text, r#"{"loss":0.5,"metrics":{"mae":2.0}}"#);
        assert_eq!(serde_json::from_str::<Metrics>(&text).unwrap(), number);
        assert_eq!(
            (number.get("mae"), number.get("rmse"), classes.get("accuracy")),
            (Some(2.0), None, Some(0.25))
        );
    }
}
