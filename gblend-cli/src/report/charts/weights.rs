//! The blend weights over epochs, stacked.

use plotters::element::{PathElement, Polygon};

use super::ink::Ink;
use super::plane::{HEIGHT, Plane, names, room, thinned};
use super::sheet::{Scale, WIDTH, draw};
use super::{Chart, Key, Table, percent};
use crate::error::Result;
use crate::report::reading::Run;

/// More steps than a screen has columns show nothing more.
const MOST_STEPS: usize = 800;

/// More rows than anyone reads.
const MOST_ROWS: usize = 200;

/// The chart; `None` if the run has no epoch.
pub(in crate::report) fn blend_weights(run: &Run) -> Result<Option<Chart>> {
    let (Some(first), Some(last)) = (run.epochs.first(), run.epochs.last()) else {
        return Ok(None);
    };
    let heads = &run.summary.heads;
    let kept = thinned(run.epochs.len(), MOST_STEPS);
    // Each epoch is as wide as one: the weights are means over its steps. What was left out is covered by what follows.
    let mut edges = vec![first.epoch as f64 - 1.0];
    edges.extend(kept.iter().map(|&epoch| run.epochs[epoch].epoch as f64));
    let stacked: Vec<Vec<f64>> = kept
        .iter()
        .map(|&epoch| {
            let mut sum = 0.0;
            let mut levels = vec![0.0];
            levels.extend(run.epochs[epoch].heads.iter().map(|head| {
                sum += head.weight;
                sum
            }));
            levels
        })
        .collect();
    // Weights add up to 1; a damaged file must not draw outside of the sheet.
    if stacked
        .iter()
        .flatten()
        .any(|level| !(-1e-6..=1.0 + 1e-6).contains(level))
    {
        return Ok(None);
    }
    let right = room(heads.iter().map(|head| head.name.as_str()));
    let plane = Plane {
        x: edges[0]..last.epoch as f64,
        y: 0.0..1.0,
        across: "epoch",
        up: "share of the loss",
        right,
        across_as: Scale::Whole,
        up_as: Scale::Percent,
    };
    let drawing = draw("Blend weights", says(run), (WIDTH, HEIGHT), |area| {
        let mut chart = plane.on(area)?;
        let (edges, stacked) = (&edges, &stacked);
        let step = |head: usize| {
            let steps = stacked.iter().enumerate();
            steps.flat_map(move |(index, levels)| {
                [(edges[index], levels[head]), (edges[index + 1], levels[head])]
            })
        };
        for head in 0..heads.len() {
            let mut outline: Vec<(f64, f64)> = step(head + 1).collect();
            let below: Vec<(f64, f64)> = step(head).collect();
            outline.extend(below.into_iter().rev());
            chart.draw_series([Polygon::new(outline, Ink::Series(head).fill())])?;
        }
        for head in 1..heads.len() {
            let border: Vec<(f64, f64)> = step(head).collect();
            chart.draw_series([PathElement::new(border, Ink::Paper.line(8))])?;
        }
        for report in &run.summary.blends {
            let at = report.epoch as f64;
            if plane.x.start < at && at < plane.x.end {
                chart.draw_series([PathElement::new([(at, 0.0), (at, 1.0)], Ink::Text.dashed(12, 1))])?;
            }
        }
        let levels = &stacked[stacked.len() - 1];
        let mut ends = Vec::new();
        for (head, one) in heads.iter().enumerate() {
            if levels[head + 1] > levels[head] {
                let middle = (levels[head] + levels[head + 1]) / 2.0;
                ends.push((one.name.clone(), chart.backend_coord(&(plane.x.end, middle)).1));
            }
        }
        names(area, right, &ends)
    })?;
    let legend = heads
        .iter()
        .enumerate()
        .map(|(index, head)| Key::area(Ink::Series(index), &head.name));
    let estimates = if run.summary.blends.is_empty() {
        "This strategy measures no head."
    } else {
        "Dashed lines mark where heads were measured anew after the start; from one to the next is a super-epoch."
    };
    Ok(Some(Chart {
        title: "Blend weights".into(),
        caption: format!(
            "How much of the loss each head has, as a mean over the steps of an epoch, stacked to one. {estimates}"
        ),
        legend: legend.collect(),
        drawings: vec![drawing],
        table: table(run),
    }))
}

fn says(run: &Run) -> String {
    let share = |epoch: usize| {
        let heads = run.epochs[epoch].heads.iter();
        let parts = heads.map(|head| format!("{} {}", head.name, percent(head.weight)));
        parts.collect::<Vec<_>>().join(", ")
    };
    let last = run.epochs.len().saturating_sub(1);
    format!(
        "Stacked weights of the heads. In the first epoch {}; in the last {}.",
        share(0),
        share(last)
    )
}

fn table(run: &Run) -> Table {
    let mut table = Table::new(1, &["epoch"]);
    table
        .header
        .extend(run.summary.heads.iter().map(|head| head.name.clone()));
    for epoch in thinned(run.epochs.len(), MOST_ROWS)
        .into_iter()
        .map(|epoch| &run.epochs[epoch])
    {
        let weights = epoch.heads.iter().map(|head| format!("{:.3}", head.weight));
        table
            .rows
            .push([epoch.epoch.to_string()].into_iter().chain(weights).collect());
    }
    table
}
