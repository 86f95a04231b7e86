//! The ranks of an MPI job on one machine: that they train what one process trains, and what comes of it when one of them does not
//! go on. What is computed is tested between threads, in `tests/ranks`; here is what only processes do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod equality;
mod faults;

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use gblend_tests::Playground;
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_gblend-under-test");

fn playground() -> Playground {
    let p = Playground::new(BINARY);
    // Nothing is dropped at random, so that ranks can be held against one process.
    let tiny = std::fs::read_to_string(p.path("tiny.toml")).unwrap();
    p.write("tiny.toml", tiny.replace(", dropout = 0.2", ""));
    p
}

/// A job of so many ranks in the playground.
fn mpirun(p: &Playground, ranks: usize, arguments: &[&str]) -> Command {
    let mut command = Command::new("mpirun");
    command
        .current_dir(p.path(""))
        .env_remove("GBLEND_DATA")
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .args([
            "--oversubscribe",
            "--bind-to",
            "none",
            "-n",
            &ranks.to_string(),
            BINARY,
        ])
        .args(arguments);
    command
}

/// What a job said to its end.
fn ended(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Runs a job that must end well.
fn succeed(p: &Playground, ranks: usize, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = ended(&mpirun(p, ranks, arguments).output().unwrap());
    assert_eq!(code, Some(0), "{arguments:?}\n{stdout}\n{stderr}");
    stdout
}

/// Starts a job, and gives the process of `mpirun`.
fn start(p: &Playground, ranks: usize, arguments: &[&str]) -> Child {
    let mut command = mpirun(p, ranks, arguments);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a job that has to end by itself within so many seconds.
fn wait(mut child: Child, seconds: u64) -> (Option<i32>, String, String) {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > Duration::from_secs(seconds) {
            let _ = child.kill();
            panic!("the job has not ended within {seconds} s");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    ended(&child.wait_with_output().unwrap())
}

/// The processes of the ranks of a job, in their order.
fn ranks_of(job: &Child) -> Vec<u32> {
    let mut found: Vec<(usize, u32)> = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let status = String::from_utf8_lossy(&read("status")).into_owned();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        if parent.and_then(|parent| parent.trim().parse().ok()) != Some(job.id()) {
            continue;
        }
        let environment = String::from_utf8_lossy(&read("environ")).into_owned();
        let rank = environment
            .split('\0')
            .find_map(|variable| variable.strip_prefix("OMPI_COMM_WORLD_RANK="));
        if let Some(rank) = rank.and_then(|rank| rank.parse().ok()) {
            found.push((rank, id));
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(_, id)| id).collect()
}

/// Waits until a run has a checkpoint.
fn wait_for_checkpoint(p: &Playground, run: &str) {
    let began = Instant::now();
    let folder = p.path(run).join("checkpoints");
    let has = || {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "json")
        })
    };
    while !has() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "there is no checkpoint"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// The test losses of a run, by head.
fn test_losses(p: &Playground, run: &str) -> Vec<f64> {
    let summary = std::fs::read_to_string(p.path(run).join("summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let heads = summary["heads"].as_array().unwrap();
    heads
        .iter()
        .map(|head| head["test_loss"].as_f64().unwrap())
        .collect()
}

fn assert_equal_to_rounding(one: &[f64], many: &[f64]) {
    assert_eq!(one.len(), many.len());
    for (one, many) in one.iter().zip(many) {
        assert!((one - many).abs() < 1e-3 * one.abs().max(0.1), "{one} and {many}");
    }
}

fn model(p: &Playground, run: &str) -> Vec<u8> {
    std::fs::read(p.path(run).join("model.safetensors")).unwrap()
}
