//! Several ranks train what one process trains. Here they are threads; `tests/mpi` has them as processes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod equality;
mod spread;
mod towers;

use std::path::{Path, PathBuf};

use gblend_cli::config::{Config, Override};
use gblend_cli::process::Interrupt;
use gblend_cli::progress::Reporter;
use gblend_cli::ranks::{Ranks, between_threads};
use gblend_cli::run_folder::Destination;
use gblend_cli::training::pipeline::{self, ProcessUse, Start};
use gblend_cli::training::session::with_threads;
use gblend_tests::Playground;
use serde_json::Value;

fn playground() -> Playground {
    Playground::new(env!("CARGO_BIN_EXE_gblend-under-test"))
}

/// A run of several ranks in a folder of the playground, and what came of it for each of them.
fn try_train(p: &Playground, size: usize, out: &str, set: &[String]) -> Vec<gblend_cli::Result<PathBuf>> {
    let mut overrides: Vec<Override> = set.iter().map(|set| set.parse().unwrap()).collect();
    let cache = format!("run.cache={}", p.path("cache").display());
    overrides.push(cache.parse().unwrap());
    on_ranks(size, |ranks| {
        let config = Config::load(Some(&p.path("tiny.toml")), &overrides)?;
        let start = Start::New(Destination::Folder(p.path(out)));
        let reporter = Reporter::new(true).muted();
        let interrupt = Interrupt::never();
        let ran = with_threads(1, || {
            pipeline::run(&config, &start, ProcessUse::Shared, ranks, &interrupt, &reporter)
        });
        ran.map(|(_, path)| path)
    })
}

/// As [`try_train`], of a run that ends well.
fn train(p: &Playground, size: usize, out: &str, set: &[String]) {
    for ran in try_train(p, size, out, set) {
        assert_eq!(ran.unwrap(), p.path(out));
    }
}

/// Runs something on every rank of so many.
fn on_ranks<T: Send>(size: usize, work: impl Fn(&Ranks) -> T + Sync) -> Vec<T> {
    let ranks = match size {
        1 => vec![Ranks::alone()],
        size => between_threads(size),
    };
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = ranks
            .into_iter()
            .map(|ranks| scope.spawn(move || work(&ranks)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// The losses of each epoch, in training and validation, by head.
fn losses(run: &Path) -> Vec<(String, f64)> {
    let lines = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut losses = Vec::new();
    for line in lines.filter(|line| line.get("blend").is_none()) {
        for head in line["heads"].as_array().unwrap() {
            for part in ["train", "validation"] {
                if let Some(loss) = head[part]["loss"].as_f64() {
                    losses.push((format!("epoch {} {} {part}", line["epoch"], head["name"]), loss));
                }
            }
        }
    }
    let summary = std::fs::read_to_string(run.join("summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    for head in summary["heads"].as_array().unwrap() {
        if let Some(loss) = head["test_loss"].as_f64() {
            losses.push((format!("{} test", head["name"]), loss));
        }
    }
    assert!(!losses.is_empty());
    losses
}

/// Makes sure that two runs have the same losses but for a share of them.
fn assert_equal_to_rounding(of_one: &Path, of_many: &Path, share: f64, what: &str) {
    let (one, many) = (losses(of_one), losses(of_many));
    assert_eq!(one.len(), many.len(), "{what}");
    for ((name, one), (other, many)) in one.into_iter().zip(many) {
        assert_eq!(name, other, "{what}");
        let difference = (one - many).abs();
        assert!(
            difference <= share * one.abs().max(0.1),
            "{what}: {name}: {one} by one process, {many} by several"
        );
    }
}

fn model(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("model.safetensors")).unwrap()
}

#[cfg(not(feature = "mpi"))]
#[test]
fn a_binary_without_mpi_says_how_to_get_it() {
    let p = playground();
    for command in [
        &["train", "tiny.toml"][..],
        &["compare", "tiny.toml"],
        &["estimate", "tiny.toml"],
    ] {
        let arguments = [command, &["--distributed"]].concat();
        p.refuse(
            &arguments,
            &["--features mpi", "libopenmpi-dev", "docs/cluster.md"],
        );
    }
}
