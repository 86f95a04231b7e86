//! The losses of each head over epochs, with the gap between training and validation shaded.

use plotters::element::{Circle, PathElement, Polygon};

use super::ink::Ink;
use super::plane::{HEIGHT, Plane, names, room, span, thinned};
use super::sheet::{Scale, WIDTH, around, draw};
use super::units::units;
use super::{Chart, Drawing, Table, figure};
use crate::error::Result;
use crate::report::reading::Run;

/// More points than a screen has columns show nothing more.
const MOST_POINTS: usize = 800;

/// More rows than anyone reads.
const MOST_ROWS: usize = 200;

/// One head's losses: `(epoch, loss)`.
struct Curve<'r> {
    name: &'r str,
    train: Vec<(f64, f64)>,
    validation: Vec<(f64, f64)>,
}

/// The chart; `None` if the run has no epoch.
pub(in crate::report) fn loss_curves(run: &Run) -> Result<Option<Chart>> {
    let kept = thinned(run.epochs.len(), MOST_POINTS);
    let curves: Vec<Curve<'_>> = (0..run.summary.heads.len())
        .map(|head| {
            let (mut train, mut validation) = (Vec::new(), Vec::new());
            for epoch in kept.iter().map(|&epoch| &run.epochs[epoch]) {
                let (at, metrics) = (epoch.epoch as f64, &epoch.heads[head]);
                train.extend(metrics.train.map(|score| (at, score.loss)));
                validation.extend(metrics.validation.as_ref().map(|score| (at, score.loss)));
            }
            Curve {
                name: &run.summary.heads[head].name,
                train,
                validation,
            }
        })
        .filter(|curve| !curve.train.is_empty() || !curve.validation.is_empty())
        .collect();
    let drawn = |curve: &Curve<'_>| {
        curve
            .train
            .iter()
            .chain(&curve.validation)
            .map(|(_, loss)| *loss)
            .collect()
    };
    let losses: Vec<Vec<f64>> = curves.iter().map(drawn).collect();
    let (Some(x), Some(mut y)) = (
        span(run.epochs.iter().map(|epoch| epoch.epoch)),
        around(losses.iter().flatten().copied().chain([0.0])),
    ) else {
        return Ok(None);
    };
    // Losses are not negative: their axis begins with nothing.
    y.start = if losses.iter().flatten().all(|loss| *loss >= 0.0) {
        0.0
    } else {
        y.start
    };
    let drawings = curves.iter().enumerate().map(|(index, curve)| {
        let plane = Plane {
            x: x.clone(),
            y: y.clone(),
            across: "epoch",
            up: "loss",
            right: room(["validation"]),
            across_as: Scale::Whole,
            up_as: Scale::Plain,
        };
        curve.drawing(&plane, Ink::Series(index), run.summary.selected_epoch)
    });
    let validated = run.has_validation();
    let caption = if validated {
        "Mean loss per sample. The solid line is training, in training mode (with dropout and augmentation), the dashed \
         line is validation after the epoch. The shaded gap between them is what a head has learned of the training \
         samples alone. The upright line marks the epoch whose parameters were kept."
    } else {
        "Mean loss per sample in training. This run has no validation samples, so there is no gap to show; \
         run.validation sets samples aside."
    };
    Ok(Some(Chart {
        title: "Loss curves".into(),
        caption: caption.into(),
        legend: Vec::new(),
        drawings: drawings.collect::<Result<_>>()?,
        table: table(run),
    }))
}

impl Curve<'_> {
    fn drawing(&self, plane: &Plane<'_>, ink: Ink, selected: usize) -> Result<Drawing> {
        draw(self.name, self.says(), (WIDTH, HEIGHT), |area| {
            let mut chart = plane.on(area)?;
            let both: Vec<((f64, f64), (f64, f64))> = self
                .train
                .iter()
                .filter_map(|&point| {
                    let at = self.validation.iter().find(|(epoch, _)| *epoch == point.0)?;
                    Some((point, *at))
                })
                .collect();
            if both.len() > 1 {
                let outline = both.iter().map(|(_, validation)| *validation);
                let outline = outline.chain(both.iter().rev().map(|(train, _)| *train));
                chart.draw_series([Polygon::new(outline.collect::<Vec<_>>(), ink.shade(0.2))])?;
            }
            let selected = selected as f64;
            if plane.x.start < selected && selected < plane.x.end {
                let ends = [(selected, plane.y.start), (selected, plane.y.end)];
                chart.draw_series([PathElement::new(ends, Ink::Muted.line(10))])?;
            }
            let mut ends = Vec::new();
            for (points, dash, name) in [(&self.train, 0, "training"), (&self.validation, 1, "validation")] {
                let Some(&last) = points.last() else { continue };
                chart.draw_series([PathElement::new(points.clone(), ink.dashed(22, dash))])?;
                chart.draw_series([Circle::new(last, units(3), ink.fill())])?;
                ends.push((name.to_owned(), chart.backend_coord(&last).1));
            }
            names(area, plane.right, &ends)
        })
    }

    fn says(&self) -> String {
        let course = |name: &str, points: &[(f64, f64)]| {
            let (first, last) = (points.first()?, points.last()?);
            let (first, last, at) = (figure(first.1), figure(last.1), last.0);
            Some(format!("{name} loss from {first} to {last} at epoch {at}"))
        };
        let parts = [
            course("training", &self.train),
            course("validation", &self.validation),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        format!("Loss of {}: {}.", self.name, parts.join(", "))
    }
}

fn table(run: &Run) -> Table {
    let mut table = Table::new(1, &["epoch"]);
    for head in &run.summary.heads {
        table.header.push(format!("{} training", head.name));
        if run.has_validation() {
            table.header.push(format!("{} validation", head.name));
        }
    }
    for epoch in thinned(run.epochs.len(), MOST_ROWS)
        .into_iter()
        .map(|epoch| &run.epochs[epoch])
    {
        let mut row = vec![epoch.epoch.to_string()];
        for head in &epoch.heads {
            let or_dash = |loss: Option<f64>| loss.map_or_else(|| "–".to_owned(), figure);
            row.push(or_dash(head.train.map(|score| score.loss)));
            if run.has_validation() {
                row.push(or_dash(head.validation.as_ref().map(|score| score.loss)));
            }
        }
        table.rows.push(row);
    }
    table
}
