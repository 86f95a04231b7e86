//! Pictures matched with their titles beside what each tower knows alone: steps and memory beside PyTorch.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;
use serde_json::Value;

use super::job::{number, timed};
use super::statistics::{median, ratios};
use super::{Bench, binaries, record, table};
use crate::Result;
use crate::process::workspace;

/// Passes over the samples; the first one, in which memory is taken, is left out of times.
const EPOCHS: usize = 4;

/// Samples that encoders compute at once on the third side, gblend with the memory of a small batch.
const CHUNK: usize = 128;

/// What one side did in one round.
#[derive(Serialize)]
struct Outcome {
    /// Of a step.
    seconds: f64,
    megabytes: f64,
    /// Of each head, picture, title and joint, in the last epoch.
    losses: Vec<f64>,
}

#[derive(Serialize)]
struct Comparison {
    batch: usize,
    threads: usize,
    gblend: Vec<Outcome>,
    in_chunks: Vec<Outcome>,
    torch: Vec<Outcome>,
}

pub(super) fn run(bench: &Bench) -> Result {
    let data = std::env::var_os("GBLEND_DATA")
        .ok_or("GBLEND_DATA is not set; it names the folder that has fashion")?;
    let data = std::path::absolute(PathBuf::from(data))?;
    let python = bench.python(&["torch", "numpy", "pillow"])?;
    let gblend = binaries::gblend()?;
    let rounds = bench.rounds.unwrap_or(3);
    let folder = workspace().join("target/bench/towers");
    let mut comparisons = Vec::new();
    for &batch in &bench.batch {
        for &threads in &bench.threads {
            let mut comparison = Comparison {
                batch,
                threads,
                gblend: Vec::new(),
                in_chunks: Vec::new(),
                torch: Vec::new(),
            };
            for round in 0..rounds {
                let own = |chunk: Option<usize>| own(&gblend, &data, &folder, [batch, threads, round], chunk);
                comparison.gblend.push(own(None)?);
                comparison
                    .torch
                    .push(torch(&python, &data, [batch, threads, round])?);
                comparison.in_chunks.push(own(Some(CHUNK))?);
                let milliseconds = |side: &[Outcome]| side.last().map_or(f64::NAN, |last| 1e3 * last.seconds);
                eprintln!(
                    "batch {batch}, {threads} thread(s), round {round}: {:.1} ms against {:.1} ms",
                    milliseconds(&comparison.gblend),
                    milliseconds(&comparison.torch)
                );
            }
            comparisons.push(comparison);
        }
    }
    print(&comparisons);
    record::write("job-towers", Some(&python), &serde_json::to_value(comparisons)?)
}

fn own(
    gblend: &Path,
    data: &Path,
    folder: &Path,
    [batch, threads, seed]: [usize; 3],
    chunk: Option<usize>,
) -> Result<Outcome> {
    let run = folder.join("run");
    if run.exists() {
        std::fs::remove_dir_all(&run)?;
    }
    let mut command = Command::new(gblend);
    command
        .arg("train")
        .arg(workspace().join("examples/towers-fashion.toml"))
        .args(["--quiet", "--seed", &seed.to_string(), "--out"])
        .arg(&run)
        .env("GBLEND_DATA", data);
    let mut settings = vec![
        "blend.kind=equal".to_owned(),
        "run.validation=0".to_owned(),
        "run.test=false".to_owned(),
        format!("run.epochs={EPOCHS}"),
        format!("run.batch_size={batch}"),
        format!("run.threads={threads}"),
        format!("run.cache={}", folder.join("cache").display()),
    ];
    settings.extend(chunk.map(|chunk| format!("run.chunk={chunk}")));
    for setting in settings {
        command.args(["--set", &setting]);
    }
    timed(&mut command)?;
    let summary: Value = serde_json::from_str(&std::fs::read_to_string(run.join("summary.json"))?)?;
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl"))?;
    let epochs: Vec<Value> = metrics
        .lines()
        .map(serde_json::from_str)
        .collect::<std::result::Result<_, _>>()?;
    let epochs: Vec<&Value> = epochs.iter().filter(|line| line["seconds"].is_number()).collect();
    let steps = epochs.iter().scan(0.0, |before, epoch| {
        let step = number(&epoch["step"]);
        Some(number(&epoch["seconds"]) / (step - std::mem::replace(before, step)))
    });
    let steps: Vec<f64> = steps.skip(1).collect();
    let last = epochs.last().ok_or("a run without an epoch")?;
    let heads = last["heads"].as_array().into_iter().flatten();
    Ok(Outcome {
        seconds: median(&steps),
        megabytes: number(&summary["peak_rss_bytes"]) / f64::from(1 << 20),
        losses: heads.map(|head| number(&head["train"]["loss"])).collect(),
    })
}

fn torch(python: &Path, data: &Path, [batch, threads, seed]: [usize; 3]) -> Result<Outcome> {
    let mut command = Command::new(python);
    command
        .arg(workspace().join("xtask/peers/towers.py"))
        .arg("--shards");
    command.args((0..5).map(|shard| data.join(format!("fashion/products-{shard:02}.tar"))));
    for (option, value) in [
        ("--batch", batch),
        ("--epochs", EPOCHS),
        ("--threads", threads),
        ("--seed", seed),
    ] {
        command.arg(format!("{option}={value}"));
    }
    let (output, _, _) = timed(&mut command)?;
    let result: Value = serde_json::from_str(&output)?;
    let list = |key: &str| -> Vec<f64> {
        let values = result[key].as_array();
        values.into_iter().flatten().map(number).collect()
    };
    Ok(Outcome {
        seconds: median(list("seconds").get(1..).unwrap_or_default()),
        megabytes: number(&result["peak_rss_bytes"]) / f64::from(1 << 20),
        losses: list("losses"),
    })
}

fn print(comparisons: &[Comparison]) {
    table::head(&[
        "batch",
        "threads",
        "gblend ms a step",
        "PyTorch ms",
        "ratio",
        "in chunks of 128, ratio",
        "gblend peak MB",
        "in chunks",
        "PyTorch peak MB",
        "losses: picture, title, joint",
        "PyTorch's",
    ]);
    for comparison in comparisons {
        let of =
            |side: &[Outcome], figure: fn(&Outcome) -> f64| -> Vec<f64> { side.iter().map(figure).collect() };
        let [own, chunks, torch] = [&comparison.gblend, &comparison.in_chunks, &comparison.torch];
        let seconds = |side: &[Outcome]| of(side, |outcome| outcome.seconds);
        let memory = |side: &[Outcome]| median(&of(side, |outcome| outcome.megabytes));
        let losses = |side: &[Outcome]| {
            let heads = side.first().map_or(0, |outcome| outcome.losses.len());
            let mean = |head: usize| {
                let values = side.iter().filter_map(|outcome| outcome.losses.get(head));
                values.sum::<f64>() / side.len() as f64
            };
            let told: Vec<String> = (0..heads).map(|head| format!("{:.2}", mean(head))).collect();
            told.join(", ")
        };
        table::row(&[
            comparison.batch.to_string(),
            comparison.threads.to_string(),
            format!("{:.1}", 1e3 * median(&seconds(own))),
            format!("{:.1}", 1e3 * median(&seconds(torch))),
            format!("{:.2}", median(&ratios(&seconds(own), &seconds(torch)))),
            format!("{:.2}", median(&ratios(&seconds(chunks), &seconds(torch)))),
            format!("{:.0}", memory(own)),
            format!("{:.0}", memory(chunks)),
            format!("{:.0}", memory(torch)),
            losses(own),
            losses(torch),
        ]);
    }
}
