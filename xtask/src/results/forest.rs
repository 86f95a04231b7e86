//! The forest plot: what the default gains over each reference, task by task.

use std::fmt::Write as _;

use serde_json::Value;

/// What the default is held against, as `compare.json` names it, and in words.
const REFERENCES: [(&str, &str); 3] = [
    ("best_single", "best single modality"),
    ("joint", "naive joint training"),
    ("equal_joint", "equal weights, joint head"),
];

/// The error that Holm's correction keeps to, over all differences together.
const LEVEL: f64 = 0.05;

/// Half the width of the narrowest interval that has its own name for being wide, in points.
const LOW: f64 = -1.0;

/// One line of the plot: a task under one optimizer.
pub(super) struct Task {
    pub(super) name: String,
    /// To each of the references; `None` where the comparison has no such row.
    pub(super) gains: [Option<Gain>; REFERENCES.len()],
}

/// A difference to a reference, in points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gain {
    mean: f64,
    half: f64,
    p: f64,
}

impl Task {
    /// What the row of the default says.
    pub(super) fn of(name: &str, row: &Value) -> Self {
        let gain = |reference: &str| {
            let difference = &row[format!("paired_difference_to_{reference}")];
            Some(Gain {
                mean: 100.0 * difference["mean"].as_f64()?,
                half: 100.0 * difference["ci95"].as_f64()?,
                p: difference["p"].as_f64()?,
            })
        };
        Self {
            name: name.to_owned(),
            gains: REFERENCES.map(|(reference, _)| gain(reference)),
        }
    }
}

impl Gain {
    fn low(self) -> f64 {
        self.mean - self.half
    }

    fn high(self) -> f64 {
        self.mean + self.half
    }
}

/// Which of these p-values stand when all of them are looked at together (S. Holm, "A Simple Sequentially Rejective Multiple
/// Test Procedure", Scandinavian Journal of Statistics 6 (1979)).
pub(super) fn holm(values: &[f64]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut stands = vec![false; values.len()];
    for (rank, &position) in order.iter().enumerate() {
        if values[position] > LEVEL / (values.len() - rank) as f64 {
            break;
        }
        stands[position] = true;
    }
    stands
}

/// The plot as a table with a bar in each cell, and what it comes to.
pub(super) fn forest(tasks: &[Task]) -> String {
    let gains = || tasks.iter().flat_map(|task| task.gains.iter().copied());
    let values: Vec<f64> = gains().flatten().map(|gain| gain.p).collect();
    let mut stands = holm(&values).into_iter();
    let stands: Vec<[bool; REFERENCES.len()]> = tasks
        .iter()
        .map(|task| {
            task.gains
                .map(|gain| gain.is_some() && stands.next().unwrap_or(false))
        })
        .collect();
    let mut text = format!(
        "| task | − {} |\n|---|{}\n",
        REFERENCES.map(|(_, words)| words).join(" | − "),
        "---|".repeat(REFERENCES.len())
    );
    for (task, stands) in tasks.iter().zip(&stands) {
        let cells = task.gains.iter().zip(stands).map(|(gain, &stands)| match gain {
            None => String::new(),
            Some(gain) => {
                let figure = format!("{:+.1} ± {:.1}", gain.mean, gain.half);
                let mark = match () {
                    () if gain.high() < 0.0 => " ▼",
                    () if stands && gain.mean > 0.0 => " ▲",
                    () => "",
                };
                match gain.low() > 0.0 || gain.high() < 0.0 {
                    true => format!("**{figure}**{mark}"),
                    false => format!("{figure}{mark}"),
                }
            }
        });
        let _ = writeln!(
            text,
            "| {} | {} |",
            task.name,
            cells.collect::<Vec<_>>().join(" | ")
        );
    }
    let below: Vec<String> = named(tasks, |gain| gain.high() < 0.0);
    let low: Vec<String> = named(tasks, |gain| gain.low() < LOW);
    let above = tasks.iter().zip(&stands).filter(|(task, stands)| {
        let pairs = task.gains.iter().zip(*stands);
        pairs
            .clone()
            .all(|(gain, &stands)| stands && gain.is_some_and(|gain| gain.mean > 0.0))
    });
    let above: Vec<&str> = above.map(|(task, _)| task.name.as_str()).collect();
    let _ = write!(
        text,
        "\nBelow a reference by an interval of 95 %: {}. Above all three after Holm's correction over {} differences: {}. \
         Intervals that reach below −1 point: {}.",
        list(&below),
        values.len(),
        list(&above),
        list(&low),
    );
    text
}

/// The tasks with a gain of this kind, and to what.
fn named(tasks: &[Task], is: impl Fn(Gain) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for task in tasks {
        for (gain, (_, words)) in task.gains.iter().zip(REFERENCES) {
            if gain.is_some_and(&is) {
                found.push(format!("{} ({words})", task.name));
            }
        }
    }
    found
}

fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => "none".to_owned(),
        items => {
            let names: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
            format!("{} — {}", names.len(), names.join(", "))
        }
    }
}

/// The same as a drawing: a panel for each reference, a line for each task.
pub(super) fn drawing(tasks: &[Task]) -> String {
    const LEFT: f64 = 210.0;
    const PANEL: f64 = 200.0;
    const GAP: f64 = 24.0;
    const LINE: f64 = 22.0;
    const TOP: f64 = 48.0;
    let gains = || tasks.iter().flat_map(|task| task.gains.iter().flatten());
    let least = gains().map(|gain| gain.low()).fold(-1.0, f64::min).floor();
    let most = gains().map(|gain| gain.high()).fold(1.0, f64::max).ceil();
    let height = TOP + LINE * tasks.len() as f64 + 34.0;
    let width = LEFT + (PANEL + GAP) * REFERENCES.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\" role=\"img\" aria-label=\"Gains of the default over three references\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (panel, (_, words)) in REFERENCES.iter().enumerate() {
        let start = LEFT + panel as f64 * (PANEL + GAP);
        let at = |value: f64| start + PANEL * (value - least) / (most - least);
        let bottom = TOP + LINE * tasks.len() as f64;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"20\" text-anchor=\"middle\" font-weight=\"bold\">− {words}</text>\n\
             <line x1=\"{zero:.1}\" x2=\"{zero:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\" stroke=\"#888\"/>",
            start + PANEL / 2.0,
            TOP - 12.0,
            zero = at(0.0),
        );
        for value in [least, 0.0, most] {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{value:+.0}</text>",
                at(value),
                bottom + 18.0
            );
        }
        for (line, task) in tasks.iter().enumerate() {
            let y = TOP + LINE * line as f64;
            let Some(gain) = task.gains[panel] else { continue };
            let color = match () {
                () if gain.low() > 0.0 => "#1a7f37",
                () if gain.high() < 0.0 => "#b42318",
                () => "#57606a",
            };
            let _ = writeln!(
                svg,
                "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{color}\" stroke-width=\"2\"/>\
                 <circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{color}\"><title>{}: {:+.1} ± {:.1}</title></circle>",
                at(gain.low()),
                at(gain.high()),
                at(gain.mean),
                task.name,
                gain.mean,
                gain.half,
            );
        }
    }
    for (line, task) in tasks.iter().enumerate() {
        let y = TOP + LINE * line as f64 + 4.0;
        let _ = writeln!(svg, "<text x=\"8\" y=\"{y:.1}\">{}</text>", task.name);
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_is_statsmodels() {
        // statsmodels.stats.multitest.multipletests(values, method="holm").
        let values = [0.001, 0.04, 0.012, 0.03, 0.2];
        assert_eq!(holm(&values), [true, false, true, false, false]);
        assert_eq!(holm(&[0.04, 0.04]), [false, false]);
        assert_eq!(holm(&[0.02, 0.05]), [true, true]);
        assert!(holm(&[]).is_empty());
    }

    fn task(name: &str, of_each: [(f64, f64, f64); 3]) -> Task {
        Task {
            name: name.into(),
            gains: of_each.map(|(mean, half, p)| Some(Gain { mean, half, p })),
        }
    }

    #[test]
    fn what_is_below_is_named_and_what_is_above_has_stood_the_correction() {
        let tasks = [
            task("good", [(5.0, 1.0, 1e-6), (4.0, 1.0, 1e-6), (3.0, 1.0, 1e-5)]),
            task("bad", [(-3.0, 1.0, 1e-4), (0.5, 2.0, 0.6), (1.0, 0.9, 0.04)]),
        ];
        let text = forest(&tasks);
        assert!(text.contains("| good | **+5.0 ± 1.0** ▲ |"), "{text}");
        assert!(
            text.contains("| bad | **-3.0 ± 1.0** ▼ | +0.5 ± 2.0 | **+1.0 ± 0.9** |"),
            "{text}"
        );
        assert!(
            text.contains("of 95 %: 1 — bad (best single modality)."),
            "{text}"
        );
        assert!(text.contains("over 6 differences: 1 — good."), "{text}");
        assert!(
            text.contains("−1 point: 2 — bad (best single modality), bad (naive joint training)."),
            "{text}"
        );
        let svg = drawing(&tasks);
        assert_eq!(svg.matches("<circle").count(), 6);
        assert!(!svg.contains("NaN"), "{svg}");
    }
}
