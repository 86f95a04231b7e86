//! What was measured of each head: ΔG, ΔO, OGR, and the weight that it gets.

use gblend_core::ogr::Interval;
use gblend_core::{BlendReport, HeadReport};
use plotters::element::{Circle, PathElement};

use super::ink::Ink;
use super::plane::{HEIGHT, Plane, names, room};
use super::rows::{Axis, Mark, Row, reach, rows};
use super::sheet::{Scale, WIDTH, around, draw};
use super::units::units;
use super::{Chart, Drawing, Key, Stroke, Table, figure};
use crate::error::Result;
use crate::report::reading::Run;

/// A figure of a head, and where it lies.
type Figure = fn(&HeadReport) -> Option<(f64, Option<Interval>)>;

const FIGURES: [(&str, &str, Figure); 4] = [
    ("ΔG, how much better it generalizes", "ΔG, loss", |head| {
        Some((head.delta_g, head.delta_g_interval))
    }),
    ("ΔO, how much more it overfits", "ΔO, loss", |head| {
        Some((head.delta_o, head.delta_o_interval))
    }),
    ("OGR = |ΔO / ΔG|", "OGR", |head| {
        Some((head.ogr?, head.ogr_interval))
    }),
    ("Weight that the head gets", "weight", |head| {
        let interval = head.weight_low.zip(head.weight_high);
        Some((head.weight, interval.map(|(low, high)| Interval { low, high })))
    }),
];

/// A ratio may be anything: beyond this one of the largest to the smallest, it is drawn in powers of ten.
const WIDE: f64 = 30.0;

/// How a figure is drawn: in powers of ten where it is a ratio and its values are far apart.
struct Drawn {
    scale: Scale,
    least: f64,
}

impl Drawn {
    fn new(blends: &[BlendReport], name: &str, of: Figure) -> Self {
        let values = blends.iter().flat_map(|blend| &blend.heads).filter_map(of);
        let ends = values.flat_map(|(value, interval)| {
            let (low, high) = ends(value, interval);
            [value, low, high]
        });
        let positive: Vec<f64> = ends.filter(|value| *value > 0.0).collect();
        let least = positive.iter().copied().fold(f64::INFINITY, f64::min);
        let most = positive.iter().copied().fold(0.0, f64::max);
        Self {
            scale: if name == "OGR" && most > WIDE * least {
                Scale::Decades
            } else {
                Scale::Plain
            },
            // An end of an interval at nothing would be infinitely far away.
            least: least.max(most / 1e4),
        }
    }

    fn at(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Decades => value.max(self.least).log10(),
            _ => value,
        }
    }

    /// What belongs on the axis in any case.
    fn zero(&self) -> Option<f64> {
        (self.scale == Scale::Plain).then_some(0.0)
    }

    fn title(&self, title: &str) -> String {
        match self.scale {
            Scale::Decades => format!("{title}, logarithmic"),
            _ => title.to_owned(),
        }
    }
}

/// The chart; `None` if the strategy measures nothing.
pub(in crate::report) fn estimates(run: &Run) -> Result<Option<Chart>> {
    let blends = &run.summary.blends;
    let drawings = FIGURES.iter().map(|(title, name, of)| match blends.as_slice() {
        [] => Ok(None),
        [only] => once(only, title, name, *of),
        several => over_epochs(several, run, title, name, *of),
    });
    let drawings: Vec<Drawing> = drawings
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    if drawings.is_empty() {
        return Ok(None);
    }
    let heads = run.summary.heads.iter().enumerate();
    let legend = heads.map(|(index, head)| Key {
        ink: Ink::Series(index),
        stroke: Stroke::Line,
        means: head.name.clone(),
    });
    let resampled = blends
        .iter()
        .flat_map(|blend| &blend.heads)
        .any(|head| head.delta_g_interval.is_some());
    let intervals = if resampled {
        "Bars reach over 95 % of a bootstrap; they do not know what another seed would have found."
    } else {
        "Nothing was resampled, so there are no intervals; blend.resamples asks for some."
    };
    Ok(Some(Chart {
        title: "What was measured of each head".into(),
        caption: format!(
            "Gradient-Blending wants heads with a large ΔG for a small ΔO: a low OGR is a cheap head. An OGR that is not \
             finite, of a head that gains nothing, has no point. {intervals}{}",
            reservations(blends)
        ),
        legend: legend.collect(),
        drawings,
        table: table(blends),
    }))
}

/// What estimates said against themselves, each thing once.
fn reservations(blends: &[BlendReport]) -> String {
    let mut said: Vec<&str> = Vec::new();
    for warning in blends.iter().flat_map(|blend| &blend.warnings) {
        if !said.contains(&warning.as_str()) {
            said.push(warning);
        }
    }
    match said.as_slice() {
        [] => String::new(),
        said => format!(" With reservations: {}.", said.join("; ")),
    }
}

fn ends(value: f64, interval: Option<Interval>) -> (f64, f64) {
    interval.map_or((value, value), |interval| (interval.low, interval.high))
}

fn words(value: f64, interval: Option<Interval>) -> String {
    match interval {
        Some(Interval { low, high }) => format!("{} [{}, {}]", figure(value), figure(low), figure(high)),
        None => figure(value),
    }
}

fn says(report: &BlendReport, name: &str, of: Figure) -> String {
    let heads = report.heads.iter().map(|head| match of(head) {
        Some((value, interval)) => format!("{} {}", head.name, words(value, interval)),
        None => format!("{} not finite", head.name),
    });
    let heads: Vec<String> = heads.collect();
    format!("{name} after epoch {}: {}.", report.epoch, heads.join(", "))
}

fn once(report: &BlendReport, title: &str, name: &str, of: Figure) -> Result<Option<Drawing>> {
    let how = Drawn::new(std::slice::from_ref(report), name, of);
    let heads = report.heads.iter().enumerate();
    let drawn: Vec<Row> = heads
        .map(|(index, head)| {
            let found = of(head);
            let mark = |(value, interval): (f64, Option<Interval>)| {
                let (low, high) = ends(value, interval);
                let ends = interval.map(|_| (how.at(low), how.at(high)));
                Mark::Point(how.at(value), ends, Ink::Series(index))
            };
            Row {
                name: head.name.clone(),
                figure: found.map_or_else(|| "∞".to_owned(), |(value, _)| figure(value)),
                marks: found.into_iter().map(mark).collect(),
            }
        })
        .collect();
    let Some(range) = around(reach(&drawn).chain(how.zero())) else {
        return Ok(None);
    };
    let axis = Axis {
        range,
        name,
        scale: how.scale,
        line: how.zero(),
    };
    rows(how.title(title), says(report, name, of), &axis, &drawn).map(Some)
}

fn over_epochs(
    blends: &[BlendReport],
    run: &Run,
    title: &str,
    name: &str,
    of: Figure,
) -> Result<Option<Drawing>> {
    let values = blends.iter().flat_map(|blend| &blend.heads).filter_map(of);
    let how = Drawn::new(blends, name, of);
    let values = values.flat_map(|(value, interval)| {
        let (low, high) = ends(value, interval);
        [how.at(value), how.at(low), how.at(high)]
    });
    let (Some(y), Some(first), Some(last)) =
        (around(values.chain(how.zero())), blends.first(), blends.last())
    else {
        return Ok(None);
    };
    let heads = &run.summary.heads;
    // Heads stand beside each other at every estimate, so that their intervals do not hide one another.
    let length = (last.epoch as f64 - first.epoch as f64).max(1.0);
    let beside = 0.012 * length;
    let right = room(heads.iter().map(|head| head.name.as_str()));
    let plane = Plane {
        x: first.epoch as f64 - 0.06 * length..last.epoch as f64 + 0.06 * length,
        y,
        across: "epochs trained before",
        up: name,
        right,
        across_as: Scale::Whole,
        up_as: how.scale,
    };
    let says = [first, last].map(|blend| says(blend, name, of)).join(" ");
    let drawing = draw(how.title(title), says, (WIDTH, HEIGHT), |area| {
        let mut chart = plane.on(area)?;
        if let Some(zero) = how.zero() {
            let zero = [(plane.x.start, zero), (plane.x.end, zero)];
            chart.draw_series([PathElement::new(zero, Ink::Muted.line(10))])?;
        }
        let mut labels = Vec::new();
        for (index, head) in heads.iter().enumerate() {
            let offset = beside * (index as f64 - (heads.len() - 1) as f64 / 2.0);
            let mut points = Vec::new();
            for blend in blends {
                let found = blend.heads.iter().find(|one| one.name == head.name).and_then(of);
                let Some((found_value, interval)) = found else {
                    continue;
                };
                let (at, value) = (blend.epoch as f64 + offset, how.at(found_value));
                if interval.is_some() {
                    let (low, high) = ends(found_value, interval);
                    let bar = [(at, how.at(low)), (at, how.at(high))];
                    chart.draw_series([PathElement::new(bar, Ink::Series(index).line(14))])?;
                }
                chart.draw_series([Circle::new((at, value), units(3), Ink::Series(index).fill())])?;
                points.push((at, value));
            }
            if let Some(last) = points.last() {
                labels.push((head.name.clone(), chart.backend_coord(last).1));
            }
            if points.len() > 1 {
                chart.draw_series([PathElement::new(points, Ink::Series(index).dashed(16, index))])?;
            }
        }
        names(area, right, &labels)
    })?;
    Ok(Some(drawing))
}

fn table(blends: &[BlendReport]) -> Table {
    let mut table = Table::new(2, &["after epoch", "head", "ΔG", "ΔO", "OGR", "weight"]);
    for report in blends {
        for head in &report.heads {
            let mut row = vec![report.epoch.to_string(), head.name.clone()];
            row.extend(FIGURES.iter().map(|(_, _, of)| {
                of(head).map_or_else(|| "∞".to_owned(), |(value, interval)| words(value, interval))
            }));
            table.rows.push(row);
        }
    }
    table
}
