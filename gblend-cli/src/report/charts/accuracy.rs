//! Test accuracies, with how far they may be off.

use super::ink::Ink;
use super::rows::{Axis, Mark, Row, in_words, reach, rows};
use super::sheet::{Scale, around};
use super::{Chart, Drawing, Table, percent, plus_minus};
use crate::error::Result;
use crate::records::{Comparison, HeadSummary};
use crate::report::reading::{Run, label};

/// The 95 % interval of a share of so many samples.
///
/// E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the American
/// Statistical Association 22 (1927), <https://doi.org/10.1080/01621459.1927.10502953>.
pub(in crate::report) fn wilson(share: f64, samples: usize) -> Option<(f64, f64)> {
    /// The 97.5 % quantile of the normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    if samples == 0 || !(0.0..=1.0).contains(&share) {
        return None;
    }
    let count = samples as f64;
    let scale = 1.0 + Z * Z / count;
    let middle = (share + Z * Z / (2.0 * count)) / scale;
    let half = Z / scale * (share * (1.0 - share) / count + Z * Z / (4.0 * count * count)).sqrt();
    Some(((middle - half).max(0.0), (middle + half).min(1.0)))
}

const SAMPLING: &str = "Bars are the 95 % interval that the number of test samples leaves (Wilson); what another seed \
                        would have found is not in it.";

/// As many as fit on a screen; the table has all.
const MOST: usize = 60;

fn chart(title: &str, mut caption: String, drawn: &[Row], table: Table) -> Result<Option<Chart>> {
    if drawn.len() > MOST {
        caption = format!(
            "{caption} The first {MOST} of {} are drawn; the table has all.",
            drawn.len()
        );
    }
    let drawn = &drawn[..drawn.len().min(MOST)];
    let Some(range) = around(reach(drawn)) else {
        return Ok(None);
    };
    let axis = Axis {
        range: range.start.max(-0.02)..range.end.min(1.02),
        name: "test accuracy",
        scale: Scale::Percent,
        line: None,
    };
    let says = format!("Test accuracy: {}.", in_words(drawn));
    Ok(Some(Chart {
        title: title.to_owned(),
        caption,
        legend: Vec::new(),
        drawings: vec![rows(title, says, &axis, drawn)?],
        table,
    }))
}

fn interval(share: f64, samples: usize) -> String {
    wilson(share, samples).map_or_else(
        || "–".to_owned(),
        |(low, high)| format!("{:.1} – {:.1} %", 100.0 * low, 100.0 * high),
    )
}

/// The heads of a run, and its ways of predicting.
pub(in crate::report) fn of_run(run: &Run) -> Result<Option<Chart>> {
    let heads = run.trained().map(|(index, head)| Row {
        name: head.name.clone(),
        figure: percent(head.test_accuracy),
        marks: vec![Mark::Point(
            head.test_accuracy,
            wilson(head.test_accuracy, head.test_samples),
            Ink::Series(index),
        )],
    });
    let samples = run.test_samples();
    // The joint head is above already.
    let others = run.summary.predictions.iter();
    let others = others.filter(|rule| rule.rule.name() != "joint" || run.joint().is_none());
    let rules = others.map(|rule| Row {
        name: format!("{} of heads", rule.rule.name()),
        figure: percent(rule.test_accuracy),
        marks: vec![Mark::Point(
            rule.test_accuracy,
            wilson(rule.test_accuracy, samples),
            Ink::Muted,
        )],
    });
    let drawn: Vec<Row> = heads.chain(rules).collect();
    let mut table = Table::new(1, &["", "test samples", "accuracy", "95 % interval"]);
    let several = run.several_labels();
    if several {
        table
            .header
            .extend(["macro F1", "mean average precision"].map(str::to_owned));
    }
    let mut add = |name: String, samples: usize, share: f64, f1: f64, precision: Option<f64>| {
        let mut row = vec![
            name,
            samples.to_string(),
            percent(share),
            interval(share, samples),
        ];
        if several {
            row.extend([percent(f1), precision.map_or_else(|| "–".to_owned(), percent)]);
        }
        table.rows.push(row);
    };
    for (_, head) in run.trained() {
        let (share, f1) = (head.test_accuracy, head.test_macro_f1);
        add(
            head.name.clone(),
            head.test_samples,
            share,
            f1,
            head.test_mean_average_precision,
        );
    }
    for rule in &run.summary.predictions {
        let name = format!("predicting from: {}", rule.rule.name());
        let (share, f1) = (rule.test_accuracy, rule.test_macro_f1);
        add(name, samples, share, f1, rule.test_mean_average_precision);
    }
    let mut chart = chart("Accuracy on the test samples", SAMPLING.to_owned(), &drawn, table)?;
    if let Some(chart) = chart.as_mut().filter(|_| several) {
        chart
            .drawings
            .iter_mut()
            .for_each(|drawing| drawing.title = "accuracy".to_owned());
        let precisions = run
            .trained()
            .map(|(index, head)| (index, head, head.test_mean_average_precision));
        let f1 = run
            .trained()
            .map(|(index, head)| (index, head, Some(head.test_macro_f1)));
        for (name, figures) in [
            ("mean average precision", precisions.collect::<Vec<_>>()),
            ("macro F1", f1.collect()),
        ] {
            chart.drawings.extend(shares(name, &figures)?);
        }
        chart.caption = format!(
            "With several labels, a sample counts as right if all its classes are and no other, so accuracies are low; the \
             mean average precision has no threshold. {SAMPLING}"
        );
    }
    Ok(chart)
}

/// A share of each head.
fn shares(name: &str, figures: &[(usize, &HeadSummary, Option<f64>)]) -> Result<Option<Drawing>> {
    let shares = figures
        .iter()
        .filter_map(|(index, head, share)| Some((*index, *head, (*share)?)));
    let drawn: Vec<Row> = shares
        .map(|(index, head, share)| Row {
            name: head.name.clone(),
            figure: percent(share),
            marks: vec![Mark::Point(share, None, Ink::Series(index))],
        })
        .take(MOST)
        .collect();
    let Some(range) = around(reach(&drawn)) else {
        return Ok(None);
    };
    let axis = Axis {
        range,
        name,
        scale: Scale::Percent,
        line: None,
    };
    let says = format!("The {name} on the test samples: {}.", in_words(&drawn));
    rows(name, says, &axis, &drawn).map(Some)
}

/// Several runs.
pub(in crate::report) fn of_runs(runs: &[&Run]) -> Result<Option<Chart>> {
    let mut table = Table::new(1, &["run", "test samples", "accuracy", "95 % interval"]);
    let mut drawn = Vec::new();
    for run in runs {
        let Some(rule) = run.prediction() else { continue };
        let (share, samples) = (rule.test_accuracy, run.test_samples());
        drawn.push(Row {
            name: run.name.clone(),
            figure: percent(share),
            marks: vec![Mark::Point(share, wilson(share, samples), Ink::Series(0))],
        });
        table.rows.push(vec![
            run.name.clone(),
            samples.to_string(),
            percent(share),
            interval(share, samples),
        ]);
    }
    chart(
        "Accuracy of the runs",
        format!("What each run predicts from decides. {SAMPLING}"),
        &drawn,
        table,
    )
}

/// The methods of a comparison.
pub(in crate::report) fn of_comparison(comparison: &Comparison) -> Result<Option<Chart>> {
    let mut table = Table::new(2, &["method", "seeds", "mean", "95 % interval"]);
    let mut drawn = Vec::new();
    for row in &comparison.rows {
        let name = label(row, comparison);
        let ends = row.ci95.map(|half| (row.mean - half, row.mean + half));
        let ink = match &row.paired_difference_to_best_single {
            _ if row.single().is_some() => Ink::Muted,
            Some(difference) if difference.significant && difference.mean > 0.0 => Ink::Gain,
            Some(difference) if difference.significant && difference.mean < 0.0 => Ink::Loss,
            _ => Ink::Series(0),
        };
        let specks = row.test_accuracy.iter().map(|&share| Mark::Speck(share));
        drawn.push(Row {
            name: name.clone(),
            figure: plus_minus(row.mean, row.ci95),
            marks: [Mark::Point(row.mean, ends, ink)]
                .into_iter()
                .chain(specks)
                .collect(),
        });
        let each: Vec<String> = row.test_accuracy.iter().map(|&share| percent(share)).collect();
        let interval = ends.map_or_else(
            || "–".to_owned(),
            |(low, high)| format!("{:.1} – {:.1} %", 100.0 * low, 100.0 * high),
        );
        table
            .rows
            .push(vec![name, each.join(", "), percent(row.mean), interval]);
    }
    let caption = "The large point is the mean over seeds, the bar its 95 % interval by Student's t, each small point one \
                   seed. Methods that are better than the best single modality beyond chance are green and their table \
                   row says “better”, those that are worse are red and say “worse”.";
    chart("Accuracy of the methods", caption.to_owned(), &drawn, table)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_interval_is_as_by_statsmodels() {
        // proportion_confint(count, nobs, method="wilson")
        let (low, high) = wilson(0.5, 100).unwrap();
        assert!(
            (low - 0.403_831_530_365_995_6).abs() < 1e-9 && (high - 0.596_168_469_634_004_5).abs() < 1e-9
        );
        let (low, high) = wilson(0.0, 10).unwrap();
        assert!(
            low.abs() < 1e-12 && (high - 0.277_532_799_862_889_2).abs() < 1e-9,
            "{low} {high}"
        );
    }

    #[test]
    fn what_is_no_share_has_no_interval() {
        assert_eq!(wilson(0.5, 0), None);
        assert_eq!(wilson(1.5, 10), None);
        assert_eq!(wilson(f64::NAN, 10), None);
    }
}
