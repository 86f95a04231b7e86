//! A whole job, from a cold start to a written model, beside a plain implementation in PyTorch.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use super::statistics::{median, ratios};
use super::{Bench, binaries, record, table, usage};
use crate::Result;
use crate::process::{output_of, workspace};

/// Jobs that both sides do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Job {
    /// Offline Gradient-Blending on degraded AV-MNIST; GBLEND_DATA names the folder that has its files.
    Avmnist,
    /// Equal weights on four vectors of WISDM-51; GBLEND_DATA names the folder that has its file.
    Vectors,
    /// Steps of matching pictures with titles, beside what each tower knows alone; GBLEND_DATA names the folder that has fashion.
    Towers,
}

/// The benchmark's difficulty, and sizes that a round fits into a minute with.
const TRAIN_SAMPLES: usize = 6000;
const TEST_SAMPLES: usize = 2000;
const EPOCHS: usize = 4;
const PROBE_EPOCHS: usize = 2;
const IMAGE_ENERGY: f64 = 0.25;
const AUDIO_SNR: f64 = -1.0;

/// Heads in the order of the tables.
const HEADS: [&str; 3] = ["image", "audio", "joint"];

/// What one side did in one round.
#[derive(Serialize)]
struct Outcome {
    seconds: f64,
    processor_seconds: f64,
    megabytes: f64,
    accuracies: [f64; 3],
    weights: [f64; 3],
    /// Where the side says that the time went.
    parts: Value,
}

#[derive(Serialize)]
struct Comparison {
    threads: usize,
    gblend: Vec<Outcome>,
    torch: Vec<Outcome>,
}

pub(super) fn run(bench: &Bench) -> Result {
    let data = std::env::var_os("GBLEND_DATA")
        .ok_or("GBLEND_DATA is not set; it names the folder that has avmnist")?;
    let data = std::path::absolute(PathBuf::from(data))?;
    let python = bench.python(&["torch", "numpy"])?;
    let gblend = binaries::gblend()?;
    let rounds = bench.rounds.unwrap_or(3);
    let mut comparisons = Vec::new();
    for &threads in &bench.threads {
        let mut comparison = Comparison {
            threads,
            gblend: Vec::new(),
            torch: Vec::new(),
        };
        for round in 0..rounds {
            let folder = workspace().join("target/bench/job");
            if folder.exists() {
                std::fs::remove_dir_all(&folder)?;
            }
            std::fs::create_dir_all(&folder)?;
            // Another seed in each round, so that accuracies can be compared as means.
            comparison
                .gblend
                .push(own(&gblend, &data, &folder, threads, round)?);
            comparison
                .torch
                .push(torch(&python, &data, &folder, threads, round)?);
            eprintln!(
                "{threads} thread(s), round {round}: {:.1} s against {:.1} s",
                last(&comparison.gblend),
                last(&comparison.torch)
            );
        }
        comparisons.push(comparison);
    }
    print(&comparisons);
    record::write("job-avmnist", Some(&python), &serde_json::to_value(comparisons)?)
}

fn last(outcomes: &[Outcome]) -> f64 {
    outcomes.last().map_or(f64::NAN, |outcome| outcome.seconds)
}

/// What a command printed, its seconds on the clock and those of the processor.
pub(super) fn timed(command: &mut Command) -> Result<(String, f64, f64)> {
    let before = usage::of_children().unwrap_or(f64::NAN);
    let started = Instant::now();
    let output = output_of(command)?;
    let seconds = started.elapsed().as_secs_f64();
    Ok((output, seconds, usage::of_children().unwrap_or(f64::NAN) - before))
}

fn own(gblend: &Path, data: &Path, folder: &Path, threads: usize, seed: usize) -> Result<Outcome> {
    let run = folder.join("run");
    let mut command = Command::new(gblend);
    command
        .arg("train")
        .arg(workspace().join("examples/avmnist.toml"));
    command
        .args(["--quiet", "--seed", &seed.to_string(), "--out"])
        .arg(&run);
    for setting in [
        format!("data.train_samples={TRAIN_SAMPLES}"),
        format!("data.test_samples={TEST_SAMPLES}"),
        format!("data.image_energy={IMAGE_ENERGY}"),
        format!("data.audio_snr={AUDIO_SNR}"),
        "blend.kind=ogr".to_owned(),
        format!("blend.probe_epochs={PROBE_EPOCHS}"),
        format!("run.epochs={EPOCHS}"),
        format!("run.threads={threads}"),
        format!("run.cache={}", folder.join("cache").display()),
    ] {
        command.args(["--set", &setting]);
    }
    let (_, seconds, processor_seconds) = timed(command.env("GBLEND_DATA", data))?;
    let summary: Value = serde_json::from_str(&std::fs::read_to_string(run.join("summary.json"))?)?;
    let head = |position: usize, key: &str| number(&summary["heads"][position][key]);
    Ok(Outcome {
        seconds,
        processor_seconds,
        megabytes: number(&summary["peak_rss_bytes"]) / f64::from(1 << 20),
        accuracies: [0, 1, 2].map(|position| head(position, "test_accuracy")),
        weights: [0, 1, 2].map(|position| head(position, "weight")),
        parts: summary["seconds"].clone(),
    })
}

fn torch(python: &Path, data: &Path, folder: &Path, threads: usize, seed: usize) -> Result<Outcome> {
    let mut command = Command::new(python);
    command.arg(workspace().join("xtask/peers/avmnist_gblend.py"));
    command.arg("--mnist").arg(data.join("avmnist/mnist"));
    command.arg("--fsdd").arg(data.join("avmnist/fsdd/recordings"));
    command.arg("--out").arg(folder.join("torch"));
    for (option, value) in [
        ("--train-samples", TRAIN_SAMPLES.to_string()),
        ("--test-samples", TEST_SAMPLES.to_string()),
        ("--epochs", EPOCHS.to_string()),
        ("--probe-epochs", PROBE_EPOCHS.to_string()),
        ("--image-energy", IMAGE_ENERGY.to_string()),
        ("--audio-snr", AUDIO_SNR.to_string()),
        ("--threads", threads.to_string()),
        ("--seed", seed.to_string()),
    ] {
        command.arg(format!("{option}={value}"));
    }
    let (output, seconds, processor_seconds) = timed(&mut command)?;
    let result: Value = serde_json::from_str(&output)?;
    Ok(Outcome {
        seconds,
        processor_seconds,
        megabytes: number(&result["peak_rss_bytes"]) / f64::from(1 << 20),
        accuracies: HEADS.map(|head| number(&result["accuracies"][head])),
        weights: HEADS.map(|head| number(&result["weights"][head])),
        parts: result["seconds"].clone(),
    })
}

pub(super) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn print(comparisons: &[Comparison]) {
    table::head(&[
        "threads",
        "gblend s",
        "PyTorch s",
        "ratio",
        "ratio of processor time",
        "gblend peak MB",
        "PyTorch peak MB",
        "ratio",
    ]);
    for comparison in comparisons {
        let of = |figure: fn(&Outcome) -> f64| {
            let [own, torch] = [&comparison.gblend, &comparison.torch]
                .map(|side| side.iter().map(figure).collect::<Vec<_>>());
            (median(&own), median(&torch), median(&ratios(&own, &torch)))
        };
        let seconds = of(|outcome| outcome.seconds);
        let memory = of(|outcome| outcome.megabytes);
        table::row(&[
            comparison.threads.to_string(),
            format!("{:.1}", seconds.0),
            format!("{:.1}", seconds.1),
            format!("{:.2}", seconds.2),
            format!("{:.2}", of(|outcome| outcome.processor_seconds).2),
            format!("{:.0}", memory.0),
            format!("{:.0}", memory.1),
            format!("1/{:.1}", memory.1 / memory.0),
        ]);
    }
    table::head(&[
        "",
        "accuracy: image",
        "audio",
        "joint",
        "weight: image",
        "audio",
        "joint",
    ]);
    for (name, side) in [("gblend", 0), ("PyTorch", 1)] {
        // Threads change no bit of gblend's result and little of PyTorch's, so every round counts once.
        let outcomes: Vec<&Outcome> = comparisons
            .first()
            .map(|comparison| [&comparison.gblend, &comparison.torch][side].iter().collect())
            .unwrap_or_default();
        let cell = |figures: fn(&Outcome) -> [f64; 3], scale: f64, digits: usize| {
            [0, 1, 2].map(|head| {
                let values: Vec<f64> = outcomes
                    .iter()
                    .map(|outcome| scale * figures(outcome)[head])
                    .collect();
                let (mean, deviation) = mean_and_deviation(&values);
                format!("{mean:.digits$} ± {deviation:.digits$}")
            })
        };
        let mut cells = vec![name.to_owned()];
        cells.extend(cell(|outcome| outcome.accuracies, 100.0, 1));
        cells.extend(cell(|outcome| outcome.weights, 1.0, 2));
        table::row(&cells);
    }
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}
