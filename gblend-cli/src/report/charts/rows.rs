//! Things below each other: a name, marks along an axis, and the figure in words.

use std::ops::Range;

use plotters::chart::ChartBuilder;
use plotters::element::{Circle, PathElement, Rectangle};
use plotters::style::Color;

use super::Drawing;
use super::ink::Ink;
use super::plane::unplaced;
use super::sheet::{Area, Drawn, LETTERS, Scale, Side, WIDTH, draw, letters, shortened, tick, width, write};
use super::units::units;
use crate::error::Result;

/// The height of a row in pixels.
const ROW: u32 = 26;

/// The height of a row whose name stands above its marks.
const TALL_ROW: u32 = 50;

/// The widest name that stands beside its marks.
const BESIDE: u32 = 150;

/// What is below the rows: figures and a name of the axis.
const FOOT: u32 = 46;

/// One row.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) figure: String,
    pub(super) marks: Vec<Mark>,
}

/// A mark along the axis.
pub(super) enum Mark {
    /// A point, and how far it may be off.
    Point(f64, Option<(f64, f64)>, Ink),
    /// A bar.
    Bar(f64, f64, Ink),
    /// One of several small points.
    Speck(f64),
}

/// The axis below.
pub(super) struct Axis<'t> {
    pub(super) range: Range<f64>,
    pub(super) name: &'t str,
    /// How the figures are read.
    pub(super) scale: Scale,
    /// A line across all rows.
    pub(super) line: Option<f64>,
}

/// The values that marks reach.
pub(super) fn reach(rows: &[Row]) -> impl Iterator<Item = f64> + '_ {
    rows.iter()
        .flat_map(|row| &row.marks)
        .flat_map(|mark| match *mark {
            Mark::Point(value, interval, _) => {
                let (low, high) = interval.unwrap_or((value, value));
                vec![value, low, high]
            }
            Mark::Bar(from, to, _) => vec![from, to],
            Mark::Speck(value) => vec![value],
        })
}

/// `camera 21.0 %, joint 71.6 %`: what rows show, for who cannot see them.
pub(super) fn in_words(rows: &[Row]) -> String {
    let figures: Vec<String> = rows
        .iter()
        .map(|row| format!("{} {}", row.name, row.figure))
        .collect();
    figures.join(", ")
}

/// Draws rows.
pub(super) fn rows(
    title: impl Into<String>,
    says: impl Into<String>,
    axis: &Axis<'_>,
    rows: &[Row],
) -> Result<Drawing> {
    let height = row_height(rows) * rows.len() as u32 + FOOT + 4;
    draw(title, says, (WIDTH, height), |area| paint(area, axis, rows))
}

/// Long names stand above their marks: cut, they would be alike.
fn row_height(rows: &[Row]) -> u32 {
    if rows.iter().all(|row| width(&row.name) <= BESIDE) {
        ROW
    } else {
        TALL_ROW
    }
}

fn paint(area: &Area<'_>, axis: &Axis<'_>, rows: &[Row]) -> Drawn {
    let row_height = row_height(rows);
    let above = row_height == TALL_ROW;
    let widest = rows.iter().map(|row| width(&row.name)).max().unwrap_or(0);
    let left = if above { 16 } else { widest.max(30) + 10 };
    // A row is one high. Marks are as large in either kind, and in the middle or below the name.
    let (offset, size) = if above {
        (0.2, f64::from(ROW) / f64::from(TALL_ROW))
    } else {
        (0.0, 1.0)
    };
    let right = rows
        .iter()
        .map(|row| width(&row.figure))
        .max()
        .unwrap_or(0)
        .clamp(20, 130)
        + 12;
    let last = rows.len() as f64 - 0.5;
    let mut chart = ChartBuilder::on(area)
        .margin_top(units(4))
        .margin_right(units(right))
        .x_label_area_size(units(FOOT))
        .y_label_area_size(units(left))
        .build_cartesian_2d(axis.range.clone(), last..-0.5)?;
    let label = tick(axis.scale, &axis.range);
    chart
        .configure_mesh()
        .light_line_style(Ink::Grid.shade(0.0))
        .bold_line_style(Ink::Grid.line(10))
        .axis_style(Ink::Grid.line(10))
        .disable_y_mesh()
        .x_labels(if WIDTH - left - right < 190 { 4 } else { 5 })
        .y_labels(0)
        .x_label_formatter(&label)
        .x_label_style(unplaced(Ink::Muted))
        .set_all_tick_mark_size(units(3))
        .draw()?;
    if let Some(line) = axis.line.filter(|line| axis.range.contains(line)) {
        let ends = [(line, -0.5), (line, last)];
        chart.draw_series([PathElement::new(ends, Ink::Muted.line(12))])?;
    }
    for (index, row) in rows.iter().enumerate() {
        let at = index as f64 + offset;
        // Beside the interval of a point, which would hide them.
        let below = if row.marks.iter().any(|mark| matches!(mark, Mark::Point(..))) {
            0.32 * size
        } else {
            0.0
        };
        for mark in &row.marks {
            match *mark {
                Mark::Bar(from, to, ink) => {
                    let corners = [(from, at - 0.3 * size), (to, at + 0.3 * size)];
                    chart.draw_series([Rectangle::new(corners, ink.fill())])?;
                }
                Mark::Speck(value) => {
                    chart.draw_series([Circle::new(
                        (value, at + below),
                        units(2),
                        Ink::Text.shade(0.7).filled(),
                    )])?;
                }
                Mark::Point(value, interval, ink) => {
                    if let Some((low, high)) = interval {
                        let line = ink.line(20);
                        let within = |end: f64| end.clamp(axis.range.start, axis.range.end);
                        let bar = [(within(low), at), (within(high), at)];
                        chart.draw_series([PathElement::new(bar, line)])?;
                        // An end beyond the axis is open.
                        for end in [low, high].into_iter().filter(|end| axis.range.contains(end)) {
                            let cap = [(end, at - 0.18 * size), (end, at + 0.18 * size)];
                            chart.draw_series([PathElement::new(cap, line)])?;
                        }
                    }
                    chart.draw_series([Circle::new((value, at), units(4), ink.fill())])?;
                }
            }
        }
        let (_, height) = chart.backend_coord(&(axis.range.start, at));
        let (place, side, room) = if above {
            let up = units(21);
            ((units(2), height - up), Side::Left, WIDTH - right)
        } else {
            ((units(left - 8), height), Side::Right, BESIDE)
        };
        write(area, &shortened(&row.name, room), place, letters(Ink::Text, side))?;
        let figure = shortened(&row.figure, right - 8);
        write(
            area,
            &figure,
            (units(WIDTH - 2), height),
            letters(Ink::Text, Side::Right),
        )?;
    }
    let middle = (units(left) + units(WIDTH - right)) / 2;
    let bottom = units(row_height * rows.len() as u32 + FOOT + 4) - units(LETTERS) * 8 / 10;
    write(
        area,
        axis.name,
        (middle, bottom),
        letters(Ink::Muted, Side::Middle),
    )
}
