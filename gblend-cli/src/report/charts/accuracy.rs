//! The main figure on the test samples, the accuracy of classification, with how far it may be off.

use gblend_core::{Better, MetricFormat, MetricKind};

use super::ink::Ink;
use super::rows::{Axis, Mark, Row, in_words, reach, rows};
use super::sheet::{Scale, around};
use super::{Chart, Drawing, Table, of_kind, of_kind_within};
use crate::error::Result;
use crate::records::{Comparison, Metrics};
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

/// How the figures of a kind are read on an axis.
pub(super) fn scale(kind: &MetricKind) -> Scale {
    match kind.format {
        MetricFormat::Percent => Scale::Percent,
        _ => Scale::Plain,
    }
}

/// What of a kind of figures everyone has to know: that less is better.
pub(super) fn direction(kind: &MetricKind) -> String {
    match kind.better {
        Better::Higher => String::new(),
        Better::Lower => format!(" Of the {} less is better.", kind.label),
    }
}

/// The heading of a chart of figures.
pub(super) fn heading(kind: &MetricKind, of: &str) -> String {
    let mut letters = kind.label.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{} {of}", first.unwrap_or_default(), letters.as_str())
}

fn chart(
    kind: &MetricKind,
    title: &str,
    mut caption: String,
    drawn: &[Row],
    table: Table,
) -> Result<Option<Chart>> {
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
    let name = format!("test {}", kind.label);
    let axis = Axis {
        range: match kind.format {
            MetricFormat::Percent => range.start.max(-0.02)..range.end.min(1.02),
            _ => range,
        },
        name: &name,
        scale: scale(kind),
        line: None,
    };
    let says = format!("Test {}: {}.", kind.label, in_words(drawn));
    Ok(Some(Chart {
        title: title.to_owned(),
        caption,
        legend: Vec::new(),
        drawings: vec![rows(title, says, &axis, drawn)?],
        table,
    }))
}

/// The 95 % interval of a figure, where it is a share of the samples that are right.
fn sampling(value: f64, samples: usize, kind: &MetricKind) -> Option<(f64, f64)> {
    (kind.name == "accuracy")
        .then(|| wilson(value, samples))
        .flatten()
}

fn interval(value: f64, samples: usize, kind: &MetricKind) -> String {
    sampling(value, samples, kind).map_or_else(
        || "–".to_owned(),
        |(low, high)| format!("{:.1} – {:.1} %", 100.0 * low, 100.0 * high),
    )
}

/// The heads of a run, and its ways of predicting.
pub(in crate::report) fn of_run(run: &Run) -> Result<Option<Chart>> {
    let main = run.main();
    let heads = run.trained().filter_map(|(index, head)| {
        let value = head.metrics()?.get(&main.name)?;
        Some(Row {
            name: head.name.clone(),
            figure: of_kind(value, main),
            marks: vec![Mark::Point(
                value,
                sampling(value, head.test_samples, main),
                Ink::Series(index),
            )],
        })
    });
    let samples = run.test_samples();
    // The joint head is above already.
    let others = run.summary.predictions.iter();
    let others = others.filter(|rule| rule.rule.name() != "joint" || run.joint().is_none());
    let rules = others.filter_map(|rule| {
        let value = rule.metrics().get(&main.name)?;
        Some(Row {
            name: format!("{} of heads", rule.rule.name()),
            figure: of_kind(value, main),
            marks: vec![Mark::Point(value, sampling(value, samples, main), Ink::Muted)],
        })
    });
    let drawn: Vec<Row> = heads.chain(rules).collect();
    let several = run.several_labels();
    let kinds = run.kinds();
    let one_class = run.is_classification() && !several;
    // With one label the others say much the same as the accuracy, unless some classes are rare.
    let others = kinds.iter().filter(|kind| match one_class {
        true => kind.name == "balanced_accuracy" && run.has_weighted_classes(),
        false => kind.name != main.name,
    });
    let others: Vec<&&MetricKind> = others.collect();
    let mut table = Table::new(1, &["", "test samples", &main.label]);
    table
        .header
        .extend(is_share(main).then(|| "95 % interval".to_owned()));
    table
        .header
        .extend(others.iter().map(|kind| match kind.name.as_ref() {
            "mean_average_precision" => "mean average precision".to_owned(),
            _ => kind.label.to_string(),
        }));
    let mut add = |name: String, samples: usize, metrics: &Metrics| {
        let or_dash = |kind: &MetricKind| {
            let value = metrics.get(&kind.name);
            value.map_or_else(|| "–".to_owned(), |value| of_kind(value, kind))
        };
        let mut row = vec![name, samples.to_string(), or_dash(main)];
        if is_share(main) {
            let share = metrics.get(&main.name);
            row.push(share.map_or_else(|| "–".to_owned(), |share| interval(share, samples, main)));
        }
        row.extend(others.iter().map(|kind| or_dash(kind)));
        table.rows.push(row);
    };
    for (_, head) in run.trained() {
        add(
            head.name.clone(),
            head.test_samples,
            &head.metrics().unwrap_or_default(),
        );
    }
    for rule in &run.summary.predictions {
        let name = format!("predicting from: {}", rule.rule.name());
        add(name, samples, &rule.metrics());
    }
    let caption = match is_share(main) {
        true => SAMPLING.to_owned(),
        false => format!("Of the test samples.{}", direction(main)),
    };
    let title = heading(main, "on the test samples");
    let mut chart = chart(main, &title, caption, &drawn, table)?;
    if let Some(chart) = &mut chart {
        let first = chart.drawings.iter_mut().filter(|_| !others.is_empty());
        first.for_each(|drawing| drawing.title = main.label.to_string());
        let mut further = others;
        // The figure by which heads compare comes first.
        further.sort_by_key(|kind| kind.name != "mean_average_precision");
        for kind in further {
            chart.drawings.extend(figures(run, kind)?);
        }
        if several {
            chart.caption = format!(
                "With several labels, a sample counts as right if all its classes are and no other, so accuracies are low; the \
                 mean average precision has no threshold. {SAMPLING}"
            );
        }
    }
    Ok(chart)
}

fn is_share(kind: &MetricKind) -> bool {
    kind.name == "accuracy"
}

/// A figure of each head that has it.
fn figures(run: &Run, kind: &MetricKind) -> Result<Option<Drawing>> {
    let name = match kind.name.as_ref() {
        "mean_average_precision" => "mean average precision",
        _ => &kind.label,
    };
    let drawn = run.trained().filter_map(|(index, head)| {
        let value = head.metrics()?.get(&kind.name)?;
        Some(Row {
            name: head.name.clone(),
            figure: of_kind(value, kind),
            marks: vec![Mark::Point(value, None, Ink::Series(index))],
        })
    });
    let drawn: Vec<Row> = drawn.take(MOST).collect();
    let Some(range) = around(reach(&drawn)) else {
        return Ok(None);
    };
    let axis = Axis {
        range,
        name,
        scale: scale(kind),
        line: None,
    };
    let says = format!("The {name} on the test samples: {}.", in_words(&drawn));
    rows(name, says, &axis, &drawn).map(Some)
}

/// Several runs, as far as they have the main figure of the first one.
pub(in crate::report) fn of_runs(runs: &[&Run]) -> Result<Option<Chart>> {
    let Some(main) = runs.first().map(|run| run.main()) else {
        return Ok(None);
    };
    let mut table = Table::new(1, &["run", "test samples", &main.label]);
    table
        .header
        .extend(is_share(main).then(|| "95 % interval".to_owned()));
    let mut drawn = Vec::new();
    for run in runs {
        let Some(rule) = run.prediction() else { continue };
        let Some(value) = rule.metrics().get(&main.name) else {
            continue;
        };
        let samples = run.test_samples();
        drawn.push(Row {
            name: run.name.clone(),
            figure: of_kind(value, main),
            marks: vec![Mark::Point(value, sampling(value, samples, main), Ink::Series(0))],
        });
        let mut row = vec![run.name.clone(), samples.to_string(), of_kind(value, main)];
        row.extend(is_share(main).then(|| interval(value, samples, main)));
        table.rows.push(row);
    }
    let caption = match is_share(main) {
        true => format!("What each run predicts from decides. {SAMPLING}"),
        false => format!("What each run predicts from decides.{}", direction(main)),
    };
    chart(main, &heading(main, "of the runs"), caption, &drawn, table)
}

/// The methods of a comparison.
pub(in crate::report) fn of_comparison(comparison: &Comparison) -> Result<Option<Chart>> {
    let main = comparison.main();
    let mut table = Table::new(
        2,
        &[
            "method",
            &format!("{}s", comparison.repeat()),
            "mean",
            "95 % interval",
        ],
    );
    let mut drawn = Vec::new();
    for row in &comparison.rows {
        let name = label(row, comparison);
        let ends = row.ci95.map(|half| (row.mean - half, row.mean + half));
        let ink = match &row.paired_difference_to_best_single {
            _ if row.single().is_some() => Ink::Muted,
            Some(difference) if difference.significant => match main.better.gain(difference.mean) {
                gain if gain > 0.0 => Ink::Gain,
                gain if gain < 0.0 => Ink::Loss,
                _ => Ink::Series(0),
            },
            _ => Ink::Series(0),
        };
        let figures = row.figures(&main.name);
        let specks = figures.iter().map(|&figure| Mark::Speck(figure));
        drawn.push(Row {
            name: name.clone(),
            figure: of_kind_within(row.mean, row.ci95, main),
            marks: [Mark::Point(row.mean, ends, ink)]
                .into_iter()
                .chain(specks)
                .collect(),
        });
        let each: Vec<String> = figures.iter().map(|&figure| of_kind(figure, main)).collect();
        let interval = ends.map_or_else(
            || "–".to_owned(),
            |(low, high)| match main.format {
                MetricFormat::Percent => format!("{:.1} – {:.1} %", 100.0 * low, 100.0 * high),
                _ => format!("{} – {}", of_kind(low, main), of_kind(high, main)),
            },
        );
        table
            .rows
            .push(vec![name, each.join(", "), of_kind(row.mean, main), interval]);
    }
    let caption = format!(
        "The large point is the mean over {0}s, the bar its 95 % interval over {1}, each small point one {0}. \
         Methods that are better than the best single modality beyond chance are green and their table row says “better”, \
         those that are worse are red and say “worse”.{2}",
        comparison.repeat(),
        comparison.intervals_are_over(),
        direction(main)
    );
    chart(main, &heading(main, "of the methods"), caption, &drawn, table)
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
