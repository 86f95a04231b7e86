//! Whether probabilities came true.

use plotters::element::{Circle, PathElement};
use plotters::style::Color;

use super::ink::Ink;
use super::plane::{HEIGHT, Plane};
use super::sheet::{Scale, WIDTH, draw};
use super::units::units;
use super::{Chart, Drawing, Table, figure, percent};
use crate::error::Result;
use crate::records::{Calibration, TestDetails};

/// The radius of the fullest bin's circle in pixels, and of one that has hardly any.
const RADII: [f64; 2] = [3.0, 11.0];

/// A reliability diagram of each rule of prediction; `None` where nothing says probabilities.
pub(in crate::report) fn reliability(test: &TestDetails, several_labels: bool) -> Result<Option<Chart>> {
    if test.calibration.is_empty() {
        return Ok(None);
    }
    let mut table = Table::new(1, &["", "probability said", "how often so", "how many"]);
    for of in &test.calibration {
        for bin in &of.bins {
            let row = [
                percent(bin.probability),
                percent(bin.share),
                bin.count.to_string(),
            ];
            table
                .rows
                .push([of.name.clone()].into_iter().chain(row).collect());
        }
    }
    let errors: Vec<String> = test
        .calibration
        .iter()
        .map(|of| format!("{} {}", of.name, points(of.error)))
        .collect();
    let of_what = match several_labels {
        true => "the probability of each class",
        false => "the probability of what is predicted",
    };
    Ok(Some(Chart {
        title: "Can probabilities be taken at their word?".into(),
        caption: format!(
            "{of_what}, in {} bins, beside how often it was so on the test samples; the larger a circle, the more of them. On \
             the line they are the same: below it predictions are too sure. Expected calibration error in points: {}.",
            Calibration::BINS,
            errors.join(", ")
        ),
        legend: Vec::new(),
        drawings: test.calibration.iter().map(diagram).collect::<Result<_>>()?,
        table,
    }))
}

fn points(share: f64) -> String {
    figure(100.0 * share)
}

fn diagram(of: &Calibration) -> Result<Drawing> {
    let plane = Plane {
        x: 0.0..1.0,
        y: 0.0..1.0,
        across: "probability said",
        up: "how often so",
        // Half of what stands below the right end.
        right: 14,
        across_as: Scale::Percent,
        up_as: Scale::Percent,
    };
    let most = of.bins.iter().map(|bin| bin.count).max().unwrap_or(1).max(1);
    let says = format!(
        "{}: probabilities are off by {} points as a mean over the test samples.",
        of.name,
        points(of.error)
    );
    draw(&of.name, says, (WIDTH, HEIGHT), |area| {
        let mut chart = plane.on(area)?;
        chart.draw_series([PathElement::new([(0.0, 0.0), (1.0, 1.0)], Ink::Muted.line(12))])?;
        let [least, largest] = RADII;
        let circles = of.bins.iter().map(|bin| {
            let radius = least + (largest - least) * (bin.count as f64 / most as f64).sqrt();
            let at = (bin.probability.clamp(0.0, 1.0), bin.share.clamp(0.0, 1.0));
            Circle::new(
                at,
                units(radius.round() as u32),
                Ink::Series(0).shade(0.6).filled(),
            )
        });
        chart.draw_series(circles)?;
        Ok(())
    })
}
