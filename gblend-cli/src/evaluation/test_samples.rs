//! What the main figure is the mean of, test sample by test sample.

use gblend_core::objective::losses_of_all_scores;
use gblend_core::{Label, Source};

use super::{Ensemble, Evaluation};
use crate::error::Result;
use crate::records::{PredictionRule, TestSample, TestSamples};

impl TestSamples {
    /// Of an evaluation of the samples of a dataset. Rules that predict no sample are left out.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`](crate::evaluation::evaluate()) and the criteria of its network.
    pub fn measured(evaluation: &Evaluation, ensemble: &Ensemble<'_>, source: &dyn Source) -> Result<Self> {
        let criterion = ensemble.lead().get();
        let mut rules = Vec::new();
        let mut columns: Vec<Vec<Option<f64>>> = Vec::new();
        for rule in PredictionRule::ALL {
            let scores = rule.scores(evaluation, ensemble)?.into_iter().enumerate();
            let (rows, scores): (Vec<usize>, Vec<Vec<f64>>) =
                scores.filter_map(|(row, scores)| Some((row, scores?))).unzip();
            let targets = evaluation.targets.select(&rows);
            let losses = losses_of_all_scores(criterion, &scores, &targets)?;
            let Some(figures) = criterion.main_figure_of_each(&scores, &losses, &targets)? else {
                continue;
            };
            if figures.iter().all(Option::is_none) {
                continue;
            }
            let mut column = vec![None; evaluation.samples.len()];
            for (&row, figure) in rows.iter().zip(figures) {
                // What is not finite is no measurement; the rest is not the figure then, and readers see it.
                column[row] = figure.filter(|figure| figure.is_finite());
            }
            rules.push(rule);
            columns.push(column);
        }
        let samples = evaluation.samples.iter().enumerate().map(|(row, &index)| {
            let sample = source.sample(index);
            TestSample {
                name: sample.id,
                group: sample.group,
                label: written(&sample.label, source.classes()),
                figures: columns.iter().map(|column| column[row]).collect(),
            }
        });
        let main = criterion.metric_kinds().first().filter(|_| !rules.is_empty());
        Ok(Self {
            figure: main.map_or_else(String::new, |main| main.name.to_string()),
            rules,
            samples: samples.collect(),
        })
    }
}

/// A label as people read it: classes by name.
fn written(label: &Label, classes: &[String]) -> String {
    match label {
        Label::Number(number) => number.to_string(),
        label => {
            let named = label.classes().iter();
            let named = named.map(|&class| classes.get(class).map_or("?", String::as_str));
            named.collect::<Vec<_>>().join("|")
        }
    }
}
