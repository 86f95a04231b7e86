//! Figures over epochs.

use std::ops::Range;

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::SVGBackend;

use super::ink::Ink;
use super::sheet::{Area, Drawn, LETTERS, Scale, Side, letters, shortened, sized, tick, width, write};
use super::units::{SCALE, units};

pub(super) type Chart2d<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The height of a plane in pixels.
pub(super) const HEIGHT: u32 = 260;

/// Two axes.
pub(super) struct Plane<'t> {
    pub(super) x: Range<f64>,
    pub(super) y: Range<f64>,
    pub(super) across: &'t str,
    /// What the figures are; it stands above them.
    pub(super) up: &'t str,
    /// Pixels at the right for names of lines.
    pub(super) right: u32,
    /// How the figures below are read.
    pub(super) across_as: Scale,
    /// How the figures at the side are read.
    pub(super) up_as: Scale,
}

impl Plane<'_> {
    /// Draws the axes.
    pub(super) fn on<'a, 'b>(
        &self,
        area: &'a Area<'b>,
    ) -> Result<Chart2d<'a, 'b>, plotters::drawing::DrawingAreaErrorKind<std::io::Error>> {
        let (x_label, y_label) = (tick(self.across_as, &self.x), tick(self.up_as, &self.y));
        let longest = [self.y.start, self.y.end].map(|end| width(&y_label(&end)));
        let left = longest.into_iter().max().unwrap_or(0).max(30) + 12;
        let mut chart = ChartBuilder::on(area)
            .margin_top(units(24))
            .margin_right(units(self.right + 10))
            .x_label_area_size(units(40))
            .y_label_area_size(units(left))
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        chart
            .configure_mesh()
            .light_line_style(Ink::Grid.shade(0.0))
            .bold_line_style(Ink::Grid.line(10))
            .axis_style(Ink::Muted.line(10))
            .disable_x_mesh()
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&x_label)
            .y_label_formatter(&y_label)
            .x_label_style(unplaced(Ink::Muted))
            .y_label_style(unplaced(Ink::Muted))
            .set_all_tick_mark_size(units(4))
            .draw()?;
        let middle = (units(left) + units(super::sheet::WIDTH - self.right - 10)) / 2;
        let bottom = units(HEIGHT) - units(LETTERS) * 7 / 10;
        write(
            area,
            self.across,
            (middle, bottom),
            letters(Ink::Muted, Side::Middle),
        )?;
        write(
            area,
            self.up,
            (units(2), units(10)),
            letters(Ink::Muted, Side::Left),
        )?;
        Ok(chart)
    }
}

/// Text that the library places.
pub(super) fn unplaced(ink: Ink) -> plotters::style::TextStyle<'static> {
    let mut style = sized(ink, Side::Left, LETTERS - 1);
    style.pos = plotters::style::text_anchor::Pos::default();
    style
}

/// How many pixels these names take at the right.
pub(super) fn room<'t>(names: impl IntoIterator<Item = &'t str>) -> u32 {
    names.into_iter().map(width).max().unwrap_or(0).min(96) + 8
}

/// Names at the right, each beside the end of its line.
pub(super) fn names(area: &Area<'_>, right: u32, ends: &[(String, i32)]) -> Drawn {
    let heights: Vec<i32> = ends.iter().map(|(_, height)| *height).collect();
    let gap = (LETTERS * SCALE) as i32 * 11 / 10;
    let placed = super::sheet::apart(&heights, gap, units(30)..units(HEIGHT - 46));
    let left = units(super::sheet::WIDTH - right - 4);
    for ((name, _), height) in ends.iter().zip(placed) {
        let name = shortened(name, right);
        write(area, &name, (left, height), letters(Ink::Text, Side::Left))?;
    }
    Ok(())
}

/// The first and the last of some epochs, widened where there is only one.
pub(super) fn span(epochs: impl Iterator<Item = usize> + Clone) -> Option<Range<f64>> {
    let (first, last) = (epochs.clone().min()? as f64, epochs.max()? as f64);
    Some(if first < last {
        first..last
    } else {
        first - 1.0..last + 1.0
    })
}

/// At most `most` of some positions, evenly, the first and the last among them.
pub(super) fn thinned(length: usize, most: usize) -> Vec<usize> {
    if length <= most {
        return (0..length).collect();
    }
    let last = length - 1;
    (0..most)
        .map(|step| (step as f64 * last as f64 / (most - 1) as f64).round() as usize)
        .collect()
}
