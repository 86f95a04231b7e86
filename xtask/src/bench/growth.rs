//! How time and memory grow with the size of the work.

use std::path::Path;
use std::process::Command;

use serde::Serialize;
use serde_json::Value;

use super::code_path::CodePath;
use super::side::Side;
use super::statistics::{exponent, median, quantile};
use super::{Bench, binaries, record, table, usage};
use crate::Result;
use crate::process::{output_of, workspace};

/// One thing that grows: a network of the example, the option that sets it, and its sizes.
struct Axis {
    name: &'static str,
    net: &'static str,
    option: &'static str,
    sizes: &'static [usize],
}

const AXES: [Axis; 4] = [
    Axis {
        name: "batch size",
        net: "reference",
        option: "--batch",
        sizes: &[8, 16, 32, 64, 128],
    },
    Axis {
        name: "frames",
        net: "video",
        option: "--frames",
        sizes: &[4, 8, 16, 32],
    },
    Axis {
        name: "classes",
        net: "reference",
        option: "--classes",
        sizes: &[10, 100, 1000, 10_000],
    },
    Axis {
        name: "modalities",
        net: "flows",
        option: "--modalities",
        sizes: &[2, 3, 4, 6, 8],
    },
];

/// Training samples of runs in which no sample stays in memory.
const SAMPLES: [usize; 4] = [1000, 10_000, 100_000, 1_000_000];

/// How long a round of one size is to be, in seconds.
const ROUND: f64 = 0.3;

/// One size.
#[derive(Serialize)]
struct Point {
    size: usize,
    /// Milliseconds that the processor computed for a step, or for the run.
    milliseconds: f64,
    megabytes: f64,
    /// Milliseconds on the clock: the median over rounds of a step, or of the run.
    clock: f64,
}

#[derive(Serialize)]
struct Curve {
    axis: &'static str,
    net: &'static str,
    points: Vec<Point>,
    exponent_of_time: f64,
    exponent_of_memory: f64,
}

impl Curve {
    fn new(axis: &'static str, net: &'static str, points: Vec<Point>) -> Self {
        let over = |figure: fn(&Point) -> f64| {
            let points: Vec<_> = points
                .iter()
                .map(|point| (point.size as f64, figure(point)))
                .collect();
            exponent(&points)
        };
        Self {
            axis,
            net,
            exponent_of_time: over(|point| point.milliseconds),
            exponent_of_memory: over(|point| point.megabytes),
            points,
        }
    }

    fn print(&self) {
        let list =
            |figure: &dyn Fn(&Point) -> String| self.points.iter().map(figure).collect::<Vec<_>>().join(", ");
        table::row(&[
            self.axis.to_owned(),
            self.net.to_owned(),
            list(&|point| point.size.to_string()),
            list(&|point| significant(point.milliseconds)),
            format!("{:.2}", self.exponent_of_time),
            list(&|point| format!("{:.0}", point.megabytes)),
            format!("{:.2}", self.exponent_of_memory),
        ]);
    }
}

/// Three digits that count.
fn significant(value: f64) -> String {
    let digits = 2 - value.abs().log10().floor().clamp(-3.0, 2.0) as i32;
    format!("{value:.*}", digits.max(0) as usize)
}

pub(super) fn run(bench: &Bench) -> Result {
    let built = binaries::examples(&["training_step", "streamed"], CodePath::Widest)?;
    let folder = workspace().join("target/bench/growth");
    std::fs::create_dir_all(&folder)?;
    let (steps, streamed) = (&built[0], &built[1]);
    let mut courses = Vec::new();
    for axis in &AXES {
        courses.push(axis.measure(steps, bench.rounds.unwrap_or(7))?);
    }
    courses.push(samples(streamed, &folder)?);
    table::head(&[
        "what grows",
        "net",
        "sizes",
        "ms",
        "exponent",
        "peak MB",
        "exponent",
    ]);
    for course in &courses {
        course.print();
    }
    record::write("growth", None, &serde_json::to_value(courses)?)
}

impl Axis {
    /// Steps on one thread, so that processor time is the time that they would take alone; the sizes take turns.
    fn measure(&self, program: &Path, rounds: usize) -> Result<Curve> {
        let mut sides = Vec::new();
        for &size in self.sizes {
            let mut command = Command::new(program);
            command.args(["--net", self.net, self.option, &size.to_string()]);
            sides.push(Side::start(&mut command)?);
        }
        let mut counts = Vec::new();
        for side in &mut sides {
            let first = side.steps(3)?.seconds;
            counts.push(((ROUND / quantile(&first, 0.0)) as usize).clamp(2, 60));
        }
        let mut clock = vec![Vec::new(); sides.len()];
        let mut computed = vec![0.0; sides.len()];
        for _ in 0..rounds {
            for (position, side) in sides.iter_mut().enumerate() {
                let taken = side.steps(counts[position])?;
                clock[position].push(1e3 * median(&taken.seconds));
                computed[position] += taken.processor_seconds;
            }
        }
        let mut points = Vec::new();
        for (position, side) in sides.iter_mut().enumerate() {
            points.push(Point {
                size: self.sizes[position],
                milliseconds: 1e3 * computed[position] / (rounds * counts[position]) as f64,
                megabytes: side.memory()?,
                clock: median(&clock[position]),
            });
        }
        eprintln!("{} done", self.name);
        Ok(Curve::new(self.name, self.net, points))
    }
}

/// Whole runs of one epoch over samples that are read from the cache, each when it is needed.
fn samples(program: &Path, folder: &Path) -> Result<Curve> {
    let mut points = Vec::new();
    for size in SAMPLES {
        let folder = folder.join("streamed");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        let mut command = Command::new(program);
        command
            .args(["--samples", &size.to_string(), "--folder"])
            .arg(&folder);
        let before = usage::of_children().unwrap_or(f64::NAN);
        let summary: Value = serde_json::from_str(&output_of(&mut command)?)?;
        let computed = usage::of_children().unwrap_or(f64::NAN) - before;
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        points.push(Point {
            size,
            milliseconds: 1e3 * computed,
            megabytes: number(&summary["peak_rss_bytes"]) / f64::from(1 << 20),
            clock: 1e3 * number(&summary["seconds"]["total"]),
        });
        std::fs::remove_dir_all(&folder)?;
        eprintln!("{size} samples done");
    }
    Ok(Curve::new("samples, streamed", "one small picture", points))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        let found = [0.01234, 1.234, 12.34, 123.4, 12_345.0].map(significant);
        assert_eq!(found, ["0.0123", "1.23", "12.3", "123", "12345"]);
    }
}
