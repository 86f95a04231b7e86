//! Four vectors of a table, from a cold start to a written model, beside PyTorch with its data in memory.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;
use serde_json::Value;

use super::job::{number, timed};
use super::statistics::{median, ratios};
use super::{Bench, binaries, record, table};
use crate::Result;
use crate::process::{output_of, workspace};

const EPOCHS: usize = 20;

/// What one side did in one round.
#[derive(Serialize)]
struct Outcome {
    /// Of the whole process.
    seconds: f64,
    /// With the data in memory and everything loaded; of gblend the same as the whole.
    seconds_in_memory: f64,
    processor_seconds: f64,
    megabytes: f64,
    /// Of what predicts, on the test samples.
    accuracy: f64,
    /// Where the side says that the time went.
    parts: Value,
}

#[derive(Serialize)]
struct Comparison {
    threads: usize,
    gblend: Vec<Outcome>,
    torch: Vec<Outcome>,
}

/// Samples of each split.
struct Sizes {
    train: usize,
    validation: usize,
    test: usize,
}

pub(super) fn run(bench: &Bench) -> Result {
    let data = std::env::var_os("GBLEND_DATA")
        .ok_or("GBLEND_DATA is not set; it names the folder that has features/wisdm51")?;
    let data = std::path::absolute(PathBuf::from(data))?;
    let python = bench.python(&["torch", "numpy", "pyarrow"])?;
    let gblend = binaries::gblend()?;
    let rounds = bench.rounds.unwrap_or(5);
    let folder = workspace().join("target/bench/vectors");
    let sizes = sizes(&gblend, &data, &folder)?;
    let mut comparisons = Vec::new();
    for &threads in &bench.threads {
        let mut comparison = Comparison {
            threads,
            gblend: Vec::new(),
            torch: Vec::new(),
        };
        for round in 0..rounds {
            if folder.exists() {
                std::fs::remove_dir_all(&folder)?;
            }
            std::fs::create_dir_all(&folder)?;
            let own = own(&gblend, &data, &folder, threads, round)?;
            let torch = torch(&python, &data, &folder, &sizes, threads, round)?;
            eprintln!(
                "{threads} thread(s), round {round}: {:.2} s against {:.2} s",
                own.seconds, torch.seconds_in_memory
            );
            comparison.gblend.push(own);
            comparison.torch.push(torch);
        }
        comparisons.push(comparison);
    }
    print(&comparisons);
    record::write("job-vectors", Some(&python), &serde_json::to_value(comparisons)?)
}

/// gblend's command on the example with equal weights.
fn command(gblend: &Path, data: &Path, folder: &Path, verb: &str) -> Command {
    let mut command = Command::new(gblend);
    command
        .arg(verb)
        .arg(workspace().join("examples/wisdm51.toml"))
        .arg("--quiet")
        .env("GBLEND_DATA", data);
    for setting in [
        "blend.kind=equal".to_owned(),
        format!("run.epochs={EPOCHS}"),
        format!("run.cache={}", folder.join("cache").display()),
    ] {
        command.args(["--set", &setting]);
    }
    command
}

/// How gblend divides the samples, so that the other side does as much.
fn sizes(gblend: &Path, data: &Path, folder: &Path) -> Result<Sizes> {
    let checked = output_of(&mut command(gblend, data, folder, "check"))?;
    let line = checked.lines().find_map(|line| line.strip_prefix("samples: "));
    let of = |name: &str| {
        let part = line?.split(", ").find_map(|part| part.strip_suffix(name))?;
        part.trim().parse().ok()
    };
    match (of("training"), of("validation"), of("test")) {
        (Some(train), Some(validation), Some(test)) => Ok(Sizes {
            train,
            validation,
            test,
        }),
        _ => Err(format!("`gblend check` tells no sizes of splits: {checked}").into()),
    }
}

fn own(gblend: &Path, data: &Path, folder: &Path, threads: usize, seed: usize) -> Result<Outcome> {
    let run = folder.join("run");
    let mut command = command(gblend, data, folder, "train");
    command
        .args(["--seed", &seed.to_string(), "--out"])
        .arg(&run)
        .args(["--set", &format!("run.threads={threads}")]);
    let (_, seconds, processor_seconds) = timed(&mut command)?;
    let summary: Value = serde_json::from_str(&std::fs::read_to_string(run.join("summary.json"))?)?;
    let predictions = summary["predictions"].as_array();
    let rule = predictions
        .into_iter()
        .flatten()
        .find(|prediction| prediction["rule"] == summary["predict"]);
    Ok(Outcome {
        seconds,
        seconds_in_memory: seconds,
        processor_seconds,
        megabytes: number(&summary["peak_rss_bytes"]) / f64::from(1 << 20),
        accuracy: rule.map_or(f64::NAN, |prediction| number(&prediction["test_accuracy"])),
        parts: summary["seconds"].clone(),
    })
}

fn torch(
    python: &Path,
    data: &Path,
    folder: &Path,
    sizes: &Sizes,
    threads: usize,
    seed: usize,
) -> Result<Outcome> {
    let mut command = Command::new(python);
    command.arg(workspace().join("xtask/peers/vectors.py"));
    command
        .arg("--table")
        .arg(data.join("features/wisdm51/windows.parquet"));
    command.arg("--out").arg(folder.join("torch.pt"));
    for (option, value) in [
        ("--train", sizes.train),
        ("--validation", sizes.validation),
        ("--test", sizes.test),
        ("--epochs", EPOCHS),
        ("--threads", threads),
        ("--seed", seed),
    ] {
        command.arg(format!("{option}={value}"));
    }
    let (output, seconds, processor_seconds) = timed(&mut command)?;
    let result: Value = serde_json::from_str(&output)?;
    Ok(Outcome {
        seconds,
        seconds_in_memory: number(&result["seconds"]["in_memory"]),
        processor_seconds,
        megabytes: number(&result["peak_rss_bytes"]) / f64::from(1 << 20),
        accuracy: number(&result["accuracy"]),
        parts: result["seconds"].clone(),
    })
}

fn print(comparisons: &[Comparison]) {
    table::head(&[
        "threads",
        "gblend s, end to end",
        "PyTorch s, data in memory",
        "ratio",
        "PyTorch s, end to end",
        "ratio",
        "gblend peak MB",
        "PyTorch peak MB",
        "accuracy",
        "PyTorch's",
    ]);
    for comparison in comparisons {
        let of = |figure: fn(&Outcome) -> f64| {
            let [own, torch] = [&comparison.gblend, &comparison.torch]
                .map(|side| side.iter().map(figure).collect::<Vec<_>>());
            (median(&own), median(&torch), median(&ratios(&own, &torch)))
        };
        let in_memory = of(|outcome| outcome.seconds_in_memory);
        let whole = of(|outcome| outcome.seconds);
        let memory = of(|outcome| outcome.megabytes);
        let accuracy = of(|outcome| outcome.accuracy);
        table::row(&[
            comparison.threads.to_string(),
            format!("{:.2}", in_memory.0),
            format!("{:.2}", in_memory.1),
            format!("{:.2}", in_memory.2),
            format!("{:.2}", whole.1),
            format!("{:.2}", whole.2),
            format!("{:.0}", memory.0),
            format!("{:.0}", memory.1),
            format!("{:.3}", accuracy.0),
            format!("{:.3}", accuracy.1),
        ]);
    }
}
