//! What estimates cost: how well probes side by side use two threads, and the gradient estimator beside an epoch.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;
use serde_json::Value;

use super::statistics::median;
use super::{Bench, binaries, record, table};
use crate::Result;
use crate::process::{output_of, workspace};

/// Samples of AV-MNIST: with as few as a thousand, an epoch would be too short to compare with.
const SAMPLES: usize = 6000;

/// Seconds of one run.
#[derive(Clone, Copy, Serialize)]
struct Seconds {
    estimate: f64,
    epoch: f64,
}

/// Rounds with one and with two threads.
#[derive(Serialize)]
struct Rounds {
    dataset: &'static str,
    estimator: &'static str,
    one: Vec<Seconds>,
    two: Vec<Seconds>,
}

pub(super) fn run(bench: &Bench) -> Result {
    let gblend = binaries::gblend()?;
    let folder = workspace().join("target/bench/estimate");
    let mut all = Vec::new();
    let data = std::env::var_os("GBLEND_DATA").map(PathBuf::from);
    for dataset in ["scene", "avmnist"] {
        if dataset == "avmnist" && data.is_none() {
            println!("GBLEND_DATA is not set: no AV-MNIST");
            continue;
        }
        let work = Work {
            gblend: &gblend,
            folder: &folder,
            dataset,
        };
        for estimator in ["probe", "gradient"] {
            // The first run fills the cache of prepared samples.
            work.run(estimator, 2)?;
            let mut rounds = Rounds {
                dataset,
                estimator,
                one: Vec::new(),
                two: Vec::new(),
            };
            for _ in 0..bench.rounds.unwrap_or(5) {
                rounds.one.push(work.run(estimator, 1)?);
                rounds.two.push(work.run(estimator, 2)?);
            }
            all.push(rounds);
        }
    }
    table::head(&[
        "data",
        "estimator",
        "s at 1 thread",
        "s at 2 threads",
        "parallel efficiency",
        "share of an epoch at 1 thread",
        "at 2 threads",
    ]);
    for rounds in &all {
        rounds.print();
    }
    record::write("estimate", None, &serde_json::to_value(all)?)
}

impl Rounds {
    fn print(&self) {
        let over = |rounds: &[Seconds], figure: fn(&Seconds) -> f64| {
            median(&rounds.iter().map(figure).collect::<Vec<_>>())
        };
        let efficiency: Vec<f64> = self
            .one
            .iter()
            .zip(&self.two)
            .map(|(one, two)| one.estimate / (2.0 * two.estimate))
            .collect();
        let share = |rounds| format!("{:.1} %", 100.0 * over(rounds, |run| run.estimate / run.epoch));
        table::row(&[
            self.dataset.to_owned(),
            self.estimator.to_owned(),
            format!("{:.3}", over(&self.one, |run| run.estimate)),
            format!("{:.3}", over(&self.two, |run| run.estimate)),
            format!("{:.2}", median(&efficiency)),
            share(&self.one),
            share(&self.two),
        ]);
    }
}

struct Work<'a> {
    gblend: &'a Path,
    folder: &'a Path,
    dataset: &'static str,
}

impl Work<'_> {
    /// An estimate and an epoch.
    fn run(&self, estimator: &str, threads: usize) -> Result<Seconds> {
        let out = self.folder.join("run");
        if out.exists() {
            std::fs::remove_dir_all(&out)?;
        }
        let mut command = Command::new(self.gblend);
        command.arg("train");
        if self.dataset == "avmnist" {
            command.arg(workspace().join("examples/avmnist.toml"));
            for setting in ["train_samples", "test_samples"].map(|key| format!("data.{key}={SAMPLES}")) {
                command.args(["--set", &setting]);
            }
        }
        for setting in [
            "blend.kind=ogr".to_owned(),
            format!("blend.estimator={estimator}"),
            "blend.probe_epochs=1".to_owned(),
            "run.epochs=1".to_owned(),
            format!("run.threads={threads}"),
            format!("run.cache={}", self.folder.join("cache").display()),
        ] {
            command.args(["--set", &setting]);
        }
        output_of(command.arg("--quiet").arg("--out").arg(&out))?;
        let summary: Value = serde_json::from_str(&std::fs::read_to_string(out.join("summary.json"))?)?;
        let seconds = |key: &str| summary["seconds"][key].as_f64().unwrap_or(f64::NAN);
        Ok(Seconds {
            estimate: seconds("estimate"),
            epoch: seconds("train"),
        })
    }
}
