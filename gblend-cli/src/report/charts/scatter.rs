//! What number was said of which.

use gblend_core::Axes;
use plotters::element::{Circle, PathElement};
use plotters::style::Color;

use super::ink::Ink;
use super::plane::{HEIGHT, Plane};
use super::sheet::{Scale, WIDTH, around, draw};
use super::units::units;
use super::{Chart, Drawing, Table, figure};
use crate::error::Result;
use crate::records::{Confusion, Counts, ObjectiveDescription, TestDetails};

/// More points than these hide each other.
const MOST_POINTS: usize = 600;

/// More rows than anyone reads.
const MOST_ROWS: usize = 200;

/// Of what the run predicts from, and of the heads that are not the same; `None` if there is nothing to draw.
pub(in crate::report) fn scatters(
    test: &TestDetails,
    objective: Option<&ObjectiveDescription>,
) -> Result<Option<Chart>> {
    let axes = objective.map_or_else(
        || Axes::new("true value", "predicted value"),
        |objective| objective.axes.clone(),
    );
    let mut shown: Vec<(String, &[[f64; 2]])> = Vec::new();
    let all = [(true, &test.prediction)].into_iter();
    for (predicts, confusion) in all.chain(test.heads.iter().map(|head| (false, head))) {
        let Counts::Pairs(pairs) = &confusion.counts else {
            continue;
        };
        if !shown.iter().any(|(_, one)| one == pairs) {
            shown.push((name(confusion, predicts), pairs));
        }
    }
    // All on the same axes, so that heads compare; numbers that cannot be drawn leave the table.
    let range = around(
        shown
            .iter()
            .flat_map(|(_, pairs)| pairs.iter().flatten().copied()),
    );
    let Some(range) = range else { return Ok(None) };
    let plane = Plane {
        x: range.clone(),
        y: range,
        across: &axes.truth,
        up: &axes.prediction,
        right: 0,
        across_as: Scale::Plain,
        up_as: Scale::Plain,
    };
    let drawings = shown.iter().map(|(name, pairs)| scatter(name, pairs, &plane));
    let mut table = Table::new(1, &["", &axes.truth, &axes.prediction]);
    for (name, pairs) in &shown {
        for [right, said] in evenly(pairs, MOST_ROWS) {
            table.rows.push(vec![name.clone(), figure(*right), figure(*said)]);
        }
    }
    Ok(Some(Chart {
        title: "Predicted against true".into(),
        caption: format!(
            "A point for each test sample, at most {MOST_POINTS} of them, evenly taken. On the line the {} is the {}.",
            axes.prediction, axes.truth
        ),
        legend: Vec::new(),
        drawings: drawings.collect::<Result<_>>()?,
        table,
    }))
}

fn name(confusion: &Confusion, predicts: bool) -> String {
    match (predicts, confusion.name.as_str()) {
        (true, "joint") => "joint (predicts)".to_owned(),
        (true, rule) => format!("{rule} of heads (predicts)"),
        (false, name) => name.to_owned(),
    }
}

/// At most so many, evenly taken.
fn evenly(pairs: &[[f64; 2]], most: usize) -> impl Iterator<Item = &[f64; 2]> {
    let count = pairs.len().min(most);
    (0..count).map(move |place| &pairs[place * pairs.len() / count])
}

fn scatter(name: &str, pairs: &[[f64; 2]], plane: &Plane<'_>) -> Result<Drawing> {
    let error: f64 = pairs.iter().map(|[right, said]| (said - right).abs()).sum();
    let says = format!(
        "{name}: {} test samples; the {} is off by {} as a mean.",
        pairs.len(),
        plane.up,
        figure(error / pairs.len().max(1) as f64)
    );
    draw(name, says, (WIDTH, HEIGHT), |area| {
        let mut chart = plane.on(area)?;
        let ends = [plane.x.start, plane.x.end].map(|end| (end, end));
        chart.draw_series([PathElement::new(ends, Ink::Muted.line(12))])?;
        let dot = |&[right, said]: &[f64; 2]| {
            Circle::new((right, said), units(2), Ink::Series(0).shade(0.6).filled())
        };
        chart.draw_series(evenly(pairs, MOST_POINTS).map(dot))?;
        Ok(())
    })
}
