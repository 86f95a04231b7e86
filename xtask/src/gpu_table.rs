//! `cargo xtask gpu-table`: what a GPU showed, from the results of a bundle to a table of docs/performance.md.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use crate::Result;
use crate::process::workspace;

#[derive(Debug, Args)]
pub(crate) struct GpuTable {
    /// What `run.sh` of the bundle wrote on the GPU machine. Default: target/gpu-bundle/results.json.
    results: Option<PathBuf>,
}

/// The page, and what stands before and behind the table in it.
const PAGE: &str = "docs/performance.md";
const MARKS: [&str; 2] = ["<!-- gpu-table -->\n", "<!-- end of gpu-table -->\n"];

/// What each part of the bundle shows, in their order.
const PARTS: [(&str, &str); 5] = [
    (
        "parity",
        "every operation, layer, loss and optimizer beside the CPU",
    ),
    ("reference_step", "the reference step beside PyTorch's"),
    ("quickstart", "the quickstart beside the CPU"),
    ("equal", "the same with equal weights"),
    ("avmnist", "two epochs of AV-MNIST beside the CPU"),
];

impl GpuTable {
    pub(crate) fn run(&self) -> Result {
        let file = self
            .results
            .clone()
            .unwrap_or_else(|| workspace().join("target/gpu-bundle/results.json"));
        let text = std::fs::read_to_string(&file).map_err(|error| {
            format!(
                "{}: {error}; run.sh of the bundle writes it on the machine with the GPU",
                file.display()
            )
        })?;
        let results = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let page = workspace().join(PAGE);
        let written = filled(&std::fs::read_to_string(&page)?, &table(&results)?)?;
        std::fs::write(&page, written)?;
        println!("wrote {}", page.display());
        Ok(())
    }
}

/// The page with another table.
fn filled(page: &str, table: &str) -> Result<String> {
    let missing = || {
        format!(
            "{PAGE}: no {} and {} in this order",
            MARKS[0].trim(),
            MARKS[1].trim()
        )
    };
    let (before, rest) = page.split_once(MARKS[0]).ok_or_else(missing)?;
    let (_, after) = rest.split_once(MARKS[1]).ok_or_else(missing)?;
    Ok(format!("{before}{}{table}{}{after}", MARKS[0], MARKS[1]))
}

#[derive(Deserialize)]
struct Machine {
    gpus: Vec<String>,
    build: Value,
}

#[derive(Default, Deserialize)]
struct Part {
    agrees: Option<bool>,
    skipped: Option<String>,
    problem: Option<String>,
    took: Option<f64>,
    cases: Option<u64>,
    largest_distance: Option<f64>,
    #[serde(default)]
    wrong: Vec<Value>,
    largest_difference_of_first_epoch: Option<f64>,
    seconds: Option<f64>,
    milliseconds: Option<serde_json::Map<String, Value>>,
    ratio_to_pytorch_f32: Option<f64>,
    ratio_to_pytorch_tf32: Option<f64>,
    #[serde(default)]
    problems: serde_json::Map<String, Value>,
}

impl Part {
    fn verdict(&self) -> &'static str {
        match (self.agrees, &self.skipped) {
            (Some(true), _) => "yes",
            (None, Some(_)) => "not run",
            _ => "**no**",
        }
    }

    /// What there is to tell, failures first.
    fn found(&self) -> String {
        let mut found: Vec<String> = self
            .skipped
            .iter()
            .chain(&self.problem)
            .map(|text| one_line(text))
            .collect();
        for (side, problem) in &self.problems {
            found.push(format!(
                "{side}: {}",
                one_line(problem.as_str().unwrap_or_default())
            ));
        }
        if let Some(cases) = self.cases {
            let distance = self
                .largest_distance
                .map(|distance| format!(", at most {distance:.1e} apart"));
            let wrong = self.wrong.len();
            found.push(format!(
                "{cases} cases, {wrong} unlike{}",
                distance.unwrap_or_default()
            ));
        }
        if let Some(difference) = self.largest_difference_of_first_epoch {
            found.push(format!(
                "losses of the first epoch at most {:.2} % apart",
                100.0 * difference
            ));
        }
        if let Some(seconds) = self.seconds {
            found.push(format!("{seconds:.1} s with the start of the process"));
        }
        for (side, milliseconds) in self.milliseconds.iter().flatten() {
            found.push(format!(
                "{side} {:.2} ms",
                milliseconds.as_f64().unwrap_or(f64::NAN)
            ));
        }
        for (ratio, to) in [
            (self.ratio_to_pytorch_f32, "PyTorch"),
            (self.ratio_to_pytorch_tf32, "PyTorch with TF32"),
        ] {
            found.extend(ratio.map(|ratio| format!("{ratio:.2} of the time of {to}")));
        }
        found.join("; ")
    }
}

/// Text that does not leave its cell: its end, where a traceback says what it was.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ").replace('|', "\\|");
    let from = line.char_indices().rev().nth(299).map_or(0, |(at, _)| at);
    line[from..].to_owned()
}

/// The table, from `results.json`. A part that is not there was not run.
fn table(results: &Value) -> Result<String> {
    let of = |name: &str| results.get(name).cloned();
    let machine: Machine = serde_json::from_value(of("machine").ok_or("results without `machine`")?)?;
    let revision = machine
        .build
        .get("revision")
        .and_then(Value::as_str)
        .unwrap_or("unknown");
    let mut text = format!(
        "{}; gblend {:.10}:\n\n",
        one_line(&machine.gpus.join(", ")),
        revision
    );
    text.push_str("| part | agrees | found | took s |\n|---|---|---|---|\n");
    for (name, what) in PARTS {
        let part: Part = match of(name) {
            Some(part) => serde_json::from_value(part).map_err(|error| format!("`{name}`: {error}"))?,
            None => Part {
                skipped: Some("no result".to_owned()),
                ..Part::default()
            },
        };
        let took = part.took.map_or_else(String::new, |took| format!("{took:.0}"));
        writeln!(
            text,
            "| {what} | {} | {} | {took} |",
            part.verdict(),
            part.found()
        )?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn results() -> Value {
        json!({
            "machine": { "gpus": ["Some GPU, 580.1, 1 MiB, 9.0"], "processors": 4, "build": { "revision": "0123456789abcdef" } },
            "parity": { "agrees": false, "cases": 90, "largest_distance": 0.002, "wrong": [{ "name": "gelu" }], "took": 31.4 },
            "reference_step": {
                "agrees": true, "problems": { "pytorch_tf32": "out of\nmemory | swap" },
                "milliseconds": { "gblend": 3.5, "pytorch_f32": 7.0 }, "ratio_to_pytorch_f32": 0.5, "took": 60.0,
            },
            "quickstart": { "agrees": false, "problem": "TimeoutError: the time was up before it began" },
            "avmnist": { "skipped": "the bundle was made without this dataset" },
        })
    }

    #[test]
    fn a_part_that_failed_or_did_not_run_is_told_to_have_and_never_left_out() {
        let table = table(&results()).unwrap();
        let rows: Vec<&str> = table.lines().skip(4).collect();
        assert_eq!(rows.len(), PARTS.len());
        assert!(
            table.starts_with("Some GPU, 580.1, 1 MiB, 9.0; gblend 0123456789:"),
            "{table}"
        );
        assert!(
            rows[0].contains("| **no** | 90 cases, 1 unlike, at most 2.0e-3 apart | 31 |"),
            "{}",
            rows[0]
        );
        assert!(
            rows[1].contains(
                "| yes | pytorch_tf32: out of memory \\| swap; gblend 3.50 ms; pytorch_f32 7.00 ms; 0.50 of"
            ),
            "{}",
            rows[1]
        );
        assert!(
            rows[2].contains("| **no** | TimeoutError: the time was up"),
            "{}",
            rows[2]
        );
        assert!(rows[3].contains("| not run | no result |"), "{}", rows[3]);
        assert!(
            rows[4].contains("| not run | the bundle was made without"),
            "{}",
            rows[4]
        );
    }

    #[test]
    fn the_page_keeps_what_is_around_the_table() {
        let page = std::fs::read_to_string(workspace().join(PAGE)).unwrap();
        let once = filled(&page, "| one |\n").unwrap();
        let again = filled(&once, "| two |\n").unwrap();
        assert_eq!(again, once.replace("| one |", "| two |"));
        assert!(filled("no marks", "").is_err());
    }
}
