//! What features of towers tell: small multiples of one scale, so that eyes can compare them.

use std::ops::Range;

use gblend_core::MetricKind;

use super::ink::Ink;
use super::rows::{Axis, Mark, Row, in_words, reach, rows};
use super::sheet::{Scale, around};
use super::{Chart, Drawing, Key, Stroke, Table, percent};
use crate::error::Result;
use crate::records::{Comparison, FeatureSpace, Figure, FigureDifference, SpaceRow, States};

/// More small drawings than a page is read with; the table has all.
const MOST: usize = 48;

const ALL: Range<f64> = 0.0..1.0;

/// As trained, as training began and as trained alone.
const STATES: [(&str, Ink); 3] = [
    ("as trained", Ink::Series(0)),
    ("as training began", Ink::Muted),
    ("as trained alone", Ink::Series(1)),
];

fn values(states: States) -> [Option<f64>; 3] {
    [Some(states.trained), Some(states.initial), states.alone]
}

fn is_share(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

/// Each label of each modality in a drawing of its own; `None` if there is none.
pub(in crate::report) fn labels_read(space: &FeatureSpace) -> Result<Option<Chart>> {
    let knn = format!("{} nearest", space.neighbors);
    let mut table = Table::new(3, &["features of", "label", "read by", "trained", "initial"]);
    let has_alone = space
        .towers
        .iter()
        .flat_map(|tower| &tower.labels)
        .any(|reading| reading.knn.alone.is_some());
    table.header.extend(has_alone.then(|| "alone".to_owned()));
    let mut drawings = Vec::new();
    for tower in &space.towers {
        for reading in &tower.labels {
            let figures: [(&str, States); 3] = [
                (&knn, reading.knn),
                ("probe", reading.probe),
                ("mAP", reading.retrieval),
            ];
            let mut drawn = Vec::new();
            for (name, states) in figures {
                let values = values(states);
                let cells = values.iter().take(2 + usize::from(has_alone));
                let cells = cells.map(|value| value.map_or_else(|| "–".to_owned(), percent));
                let about = [tower.name.clone(), reading.label.clone(), name.to_owned()];
                table.rows.push(about.into_iter().chain(cells).collect());
                // What is seen best lies above the others.
                let marks = values.iter().zip(STATES).rev();
                let marks = marks.filter_map(|(value, (_, ink))| Some(Mark::Point((*value)?, None, ink)));
                drawn.push(Row {
                    name: name.to_owned(),
                    figure: change(states),
                    marks: marks.collect(),
                });
            }
            let guess = 1.0 / reading.classes.max(1) as f64;
            let title = format!("{}: {}", tower.name, reading.label);
            let says = format!(
                "What can be read of {} out of the features of {}, before and after training: {}.",
                reading.label,
                tower.name,
                in_words(&drawn)
            );
            drawings.extend(drawing(&title, &says, &drawn, Some(guess))?);
        }
    }
    if table.rows.is_empty() {
        return Ok(None);
    }
    let legend = STATES.iter().take(2 + usize::from(has_alone));
    let chart = Chart {
        title: "Labels read out of features".to_owned(),
        caption: format!(
            "Labels that no head was asked for, read out of the features of {} test samples: by the vote of the {} nearest neighbors, by \
             a linear probe, and by how early samples of one class find each other (mean average precision). Where the blue point is left \
             of the gray one, the encoder has forgotten something. The line is a guess among the classes as if all were as frequent; a \
             frequent one is guessed better.",
            space.samples, space.neighbors
        ),
        legend: legend.map(|(means, ink)| Key::area(*ink, means)).collect(),
        drawings,
        table,
    };
    Ok(Some(first(chart)))
}

/// `25.9 → 67.4 %`.
fn change(states: States) -> String {
    format!("{:.1} → {}", 100.0 * states.initial, percent(states.trained))
}

/// How modalities find each other, each way in a drawing of its own; `None` where nothing is matched.
pub(in crate::report) fn recall(space: &FeatureSpace) -> Result<Option<Chart>> {
    let mut table = Table::new(2, &["from", "to", "recall@1", "recall@5", "recall@10"]);
    let mut drawings = Vec::new();
    for pair in &space.pairs {
        for (from, to, recall) in [
            (&pair.from, &pair.to, pair.recall),
            (&pair.to, &pair.from, pair.recall_back),
        ] {
            let about = [from.clone(), to.clone()];
            table
                .rows
                .push(about.into_iter().chain(recall.map(percent)).collect());
            let drawn = ["recall@1", "recall@5", "recall@10"].into_iter().zip(recall);
            let drawn = drawn.map(|(name, value)| Row {
                name: name.to_owned(),
                figure: percent(value),
                marks: vec![Mark::Bar(0.0, value, Ink::Series(0))],
            });
            let drawn: Vec<Row> = drawn.collect();
            let says = format!("How often {from} finds {to}: {}.", in_words(&drawn));
            drawings.extend(drawing(&format!("{from} to {to}"), &says, &drawn, None)?);
        }
    }
    if table.rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(first(Chart {
        title: "How modalities find each other".to_owned(),
        caption: "The share of test samples of which a match is among the nearest 1, 5 and 10 of all, by the projections that the joint \
                  head compares. What counts as the same is a match."
            .to_owned(),
        legend: Vec::new(),
        drawings,
        table,
    })))
}

fn drawing(title: &str, says: &str, drawn: &[Row], line: Option<f64>) -> Result<Option<Drawing>> {
    if !reach(drawn).all(is_share) {
        return Ok(None);
    }
    let axis = Axis {
        range: ALL,
        name: "",
        scale: Scale::Percent,
        line,
    };
    rows(title, says, &axis, drawn).map(Some)
}

/// A chart with as many drawings as anyone looks at.
fn first(mut chart: Chart) -> Chart {
    if chart.drawings.len() > MOST {
        chart.caption = format!(
            "{} The first {MOST} of {} are drawn; the table has all.",
            chart.caption,
            chart.drawings.len()
        );
        chart.drawings.truncate(MOST);
    }
    chart
}

/// What figures of a comparison's feature spaces are called.
fn called(figure: &str) -> &str {
    match figure {
        "knn" => "nearest neighbors",
        "probe" => "linear probe",
        "retrieval" => "retrieval, mAP",
        _ => "recall@1",
    }
}

/// The figures of a comparison that belong together, in the order of modalities and labels, each with all of its methods.
fn figures(comparison: &Comparison) -> Vec<Vec<&SpaceRow>> {
    let mut all: Vec<Vec<&SpaceRow>> = Vec::new();
    for row in &comparison.feature_spaces {
        let same =
            |of: &&SpaceRow| (&of.tower, &of.label, &of.figure) == (&row.tower, &row.label, &row.figure);
        match all.iter_mut().find(|rows| rows.first().is_some_and(same)) {
            Some(rows) => rows.push(row),
            None => all.push(vec![row]),
        }
    }
    all.sort_by(|a, b| {
        let key = |rows: &[&SpaceRow]| {
            rows.first()
                .map(|row| (row.label.is_empty(), row.tower.clone(), row.label.clone()))
        };
        key(a).cmp(&key(b))
    });
    all
}

/// `camera: look, linear probe`.
fn name(row: &SpaceRow) -> String {
    match row.label.as_str() {
        "" => format!("{}, {}", row.tower, called(&row.figure)),
        label => format!("{}: {label}, {}", row.tower, called(&row.figure)),
    }
}

/// Every figure of a comparison's feature spaces in a drawing of its own, method by method; `None` if there is none.
pub(in crate::report) fn spaces_of_methods(comparison: &Comparison) -> Result<Option<Chart>> {
    let mut table = Table::new(
        4,
        &[
            "features of",
            "label",
            "read by",
            "method",
            "mean",
            &format!("each {}", comparison.repeat()),
        ],
    );
    let mut drawings = Vec::new();
    for figure in figures(comparison) {
        let Some(one) = figure.first() else { continue };
        let mut drawn = Vec::new();
        for row in &figure {
            let ends = row.ci95.map(|half| (row.mean - half, row.mean + half));
            let told = Figure::new(row.mean, &share()).with_interval(row.ci95);
            let each: Vec<String> = row.values.iter().map(|&value| percent(value)).collect();
            table.rows.push(vec![
                row.tower.clone(),
                row.label.clone(),
                called(&row.figure).to_owned(),
                row.method.clone(),
                told.clone(),
                each.join(", "),
            ]);
            let specks = row.values.iter().map(|&value| Mark::Speck(value));
            let ink = match row.method.as_str() {
                "joint" => Ink::Muted,
                _ => Ink::Series(0),
            };
            drawn.push(Row {
                name: row.method.clone(),
                figure: told,
                marks: [Mark::Point(row.mean, ends, ink)]
                    .into_iter()
                    .chain(specks)
                    .collect(),
            });
        }
        if figure
            .iter()
            .all(|row| is_share(row.mean) && row.values.iter().copied().all(is_share))
        {
            let says = format!("{}: {}.", name(one), in_words(&drawn));
            let axis = Axis {
                range: ALL,
                name: "",
                scale: Scale::Percent,
                line: None,
            };
            drawings.push(rows(name(one), says, &axis, &drawn)?);
        }
    }
    if table.rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(first(Chart {
        title: "What features tell, method by method".to_owned(),
        caption: format!(
            "The large point is the mean over {0}s, the bar its 95 % interval by Student’s t, each small point one {0}. Labels are \
             those that no head was asked for; recall is of each modality in another.",
            comparison.repeat()
        ),
        legend: Vec::new(),
        drawings,
        table,
    })))
}

/// The differences of methods to matching alone, a drawing for each figure; `None` where nothing was matched alone.
pub(in crate::report) fn spaces_beside_joint(comparison: &Comparison) -> Result<Option<Chart>> {
    let mut table = Table::new(
        4,
        &["features of", "label", "read by", "method", "− joint, in points"],
    );
    let mut told: Vec<(String, Vec<Row>)> = Vec::new();
    for rows in figures(comparison) {
        let mut drawn = Vec::new();
        for row in &rows {
            let Some(difference) = &row.paired_difference_to_joint else {
                continue;
            };
            let figure = FigureDifference::new(difference.mean, &share());
            let signed = super::difference(difference.mean, &share());
            let mark = if difference.significant { " *" } else { "" };
            let written = match difference.ci95 {
                Some(half) => format!("{signed} ± {}{mark}", figure.width(half)),
                None => signed,
            };
            let about = [&row.tower, &row.label].map(Clone::clone);
            let cells = [
                called(&row.figure).to_owned(),
                row.method.clone(),
                written.clone(),
            ];
            table.rows.push(about.into_iter().chain(cells).collect());
            let ink = match difference.significant {
                true if difference.mean > 0.0 => Ink::Gain,
                true => Ink::Loss,
                false => Ink::Series(0),
            };
            let ends = difference
                .ci95
                .map(|half| (difference.mean - half, difference.mean + half));
            drawn.push(Row {
                name: row.method.clone(),
                figure: written,
                marks: vec![Mark::Point(difference.mean, ends, ink)],
            });
        }
        if let (Some(first), false) = (rows.first(), drawn.is_empty()) {
            told.push((name(first), drawn));
        }
    }
    if told.is_empty() {
        return Ok(None);
    }
    // Means tell the scale; an interval of two seeds would leave nothing to see of the others.
    let means = told.iter().flat_map(|(_, rows)| rows).flat_map(|row| &row.marks);
    let widest = means.filter_map(|mark| match mark {
        Mark::Point(mean, ends, _) => {
            let half = ends.map_or(0.0, |(low, high)| (high - low) / 2.0);
            Some(mean.abs() + half.min(2.0 * mean.abs().max(0.05)))
        }
        _ => None,
    });
    let widest = widest.fold(0.0, f64::max);
    let mut drawings = Vec::new();
    if let Some(range) = around([-widest, widest]).filter(|_| widest <= 3.0) {
        for (name, drawn) in &told {
            let axis = Axis {
                range: range.clone(),
                name: "difference to joint",
                scale: Scale::Percent,
                line: Some(0.0),
            };
            let says = format!("{name}, beside matching alone, in points: {}.", in_words(drawn));
            drawings.push(rows(name.as_str(), says, &axis, drawn)?);
        }
    }
    Ok(Some(first(Chart {
        title: "Beside matching alone".to_owned(),
        caption: "The difference of each method to the joint loss alone, seed by seed, in points, with its 95 % interval; * the interval \
                  leaves out 0. Right of the line features tell more than those of matching alone. All drawings have one scale; an end of an \
                  interval beyond it is open. Intervals are not corrected for the number of figures."
            .to_owned(),
        legend: [
            (Ink::Gain, "more, beyond chance"),
            (Ink::Loss, "less, beyond chance"),
            (Ink::Series(0), "the interval has 0 in it"),
        ]
        .map(|(ink, means)| Key {
            ink,
            stroke: Stroke::Line,
            means: means.to_owned(),
        })
        .into(),
        drawings,
        table,
    })))
}

fn share() -> MetricKind {
    MetricKind::share("share", "share")
}
