//! Runs that are stopped and go on.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::playground;
use gblend_tests::{Playground, without_measurements};

/// Everything that has a state: several estimates, moments, dropout, a schedule, a best epoch, a pool, a second training, a
/// checkpoint after every step.
const RUN: [&str; 27] = [
    "train",
    "tiny.toml",
    "--quiet",
    "--set",
    "run.epochs=5",
    "--set",
    "run.select=best",
    "--set",
    "run.validation=0.45",
    "--set",
    "run.refit=true",
    "--set",
    "blend.kind=ogr",
    "--set",
    "blend.schedule=online",
    "--set",
    "blend.warmup=2",
    "--set",
    "blend.super_epoch=2",
    "--set",
    "blend.probe_epochs=2",
    "--set",
    "optimizer.kind=adam",
    "--set",
    "optimizer.schedule.kind=cosine",
    "--set",
    "checkpoint.every_steps=1",
];

fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&RUN[..], more].concat()
}

/// What a run leaves, without what was measured on the machine.
fn result(run: &Path) -> ([Vec<u8>; 2], Value, Vec<Value>, Value, Value) {
    let read = |name: &str| std::fs::read(run.join(name)).unwrap();
    let json = |name: &str| serde_json::from_slice::<Value>(&read(name)).unwrap();
    let lines = String::from_utf8(read("metrics.jsonl")).unwrap();
    let lines = lines.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        for key in ["seconds", "waited_seconds"] {
            line.as_object_mut().unwrap().remove(key);
        }
        line
    });
    (
        ["model.safetensors", "test_samples.csv"].map(read),
        without_measurements(json("summary.json")),
        lines.collect(),
        json("test.json"),
        json("advice.json"),
    )
}

fn resume(p: &Playground, run: &str) {
    let outcome = p.run(&["train", "--quiet", "--resume", run]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

#[test]
fn a_run_killed_at_any_moment_ends_as_if_it_had_never_been() {
    let stopped = stopped_in(&[], 50, "checkpoints");
    assert!(stopped >= 10, "{stopped} of 50 were stopped in training");
}

#[test]
fn a_run_killed_while_its_pool_is_fitted_in_folds_ends_as_if_it_had_never_been() {
    let stopped = stopped_in(&["--set", "blend.pool=cross"], 16, "checkpoints/fold-2");
    assert!(stopped >= 2, "{stopped} of 16 were stopped within the folds");
}

#[test]
fn a_run_with_encoders_that_are_frozen_for_some_epochs_ends_as_if_it_had_never_been_killed() {
    let frozen = [
        "modality.camera.freeze={ stages = 1, from = 2, epochs = 2 }",
        "modality.motion.freeze=3",
        "modality.microphone.freeze=true",
        "modality.camera.learning_rate_scale=0.5",
    ];
    let frozen: Vec<&str> = frozen.iter().flat_map(|set| ["--set", set]).collect();
    let stopped = stopped_in(&frozen, 12, "checkpoints");
    assert!(stopped >= 2, "{stopped} of 12 were stopped in training");
}

/// Kills so many runs, spread over the whole length of one, and expects that each ends alike when it goes on. How many had
/// come so far that this folder was there, and not the result.
fn stopped_in(more: &[&str], kills: u32, folder: &str) -> u32 {
    let p = playground();
    let began = Instant::now();
    p.succeed(&[&arguments(more)[..], &["--out", "whole"]].concat());
    let whole = result(&p.path("whole"));
    let length = began.elapsed();
    let mut stopped = 0;
    for trial in 0..kills {
        // Multiples of the golden ratio fall everywhere.
        let share = (f64::from(trial) * 0.618_033_988_749_895).fract();
        let name = format!("killed-{trial}");
        let mut child = p.start(&[&arguments(more)[..], &["--out", &name]].concat());
        std::thread::sleep(length.mul_f64(share));
        child.kill().unwrap();
        child.wait().unwrap();
        let run = p.path(&name);
        if !run.join("config.toml").is_file() {
            // Before there was anything to resume.
            continue;
        }
        if !run.join("summary.json").is_file() {
            stopped += u32::from(run.join(folder).is_dir());
            if trial % 3 == 0 {
                // What goes on may be killed as well.
                let mut child = p.start(&["train", "--quiet", "--resume", &name]);
                std::thread::sleep(length.mul_f64(share / 2.0));
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
        if !run.join("summary.json").is_file() {
            resume(&p, &name);
        }
        assert_eq!(result(&run), whole, "killed after {share} of {length:?}");
        std::fs::remove_dir_all(run).unwrap();
    }
    stopped
}

/// Starts a run that takes long, and kills it once it has a few checkpoints.
fn stopped(p: &Playground, run: &str) {
    let mut child = p.start(&arguments(&["--set", "run.epochs=400", "--out", run]));
    let folder = p.path(run).join("checkpoints");
    let began = Instant::now();
    while !folder.join("6.json").is_file() && !folder.join("7.json").is_file() {
        assert!(child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The numbers of the checkpoints, the newest last.
fn checkpoints(p: &Playground, run: &str) -> Vec<u64> {
    let entries = std::fs::read_dir(p.path(run).join("checkpoints")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut numbers: Vec<u64> = names
        .filter_map(|name| name.strip_suffix(".json")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_it_is_taken() {
    let p = playground();
    p.succeed(&arguments(&["--out", "whole"]));
    let whole = result(&p.path("whole"));
    for (trial, file) in ["json", "safetensors"].into_iter().enumerate() {
        let run = format!("run-{trial}");
        // Killed at the end, so that the rest is short.
        p.succeed(&arguments(&["--out", &run, "--set", "checkpoint.keep=true"]));
        let folder = p.path(&run);
        std::fs::remove_file(folder.join("summary.json")).unwrap();
        let newest = *checkpoints(&p, &run).last().unwrap();
        let damaged = folder.join("checkpoints").join(format!("{newest}.{file}"));
        let mut bytes = std::fs::read(&damaged).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&damaged, bytes).unwrap();
        let outcome = p.run(&["train", "--resume", &run]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains("a checkpoint is damaged"),
            "{}",
            outcome.stderr
        );
        assert!(
            outcome.stderr.contains(&format!("{newest}.")),
            "{}",
            outcome.stderr
        );
        assert_eq!(result(&folder), whole);
    }
}

#[test]
fn a_run_without_any_whole_checkpoint_says_so_and_changes_nothing() {
    let p = playground();
    stopped(&p, "run");
    for number in checkpoints(&p, "run") {
        std::fs::write(p.path("run/checkpoints").join(format!("{number}.json")), "{").unwrap();
    }
    let metrics = std::fs::read(p.path("run/metrics.jsonl")).unwrap();
    p.refuse_after_run(&["train", "--resume", "run"], "no checkpoint can be read");
    assert_eq!(std::fs::read(p.path("run/metrics.jsonl")).unwrap(), metrics);
}

#[test]
fn a_checkpoint_of_another_format_configuration_or_dataset_is_refused_by_name() {
    let p = playground();
    stopped(&p, "run");
    let resume =
        |more: &[&'static str]| -> Vec<&'static str> { [&["train", "--resume", "run"], more].concat() };
    p.refuse_after_run(
        &resume(&["--set", "run.batch_size=8"]),
        "another configuration (run.batch_size)",
    );
    p.refuse_after_run(
        &["train", "tiny.toml", "--resume", "run"],
        "another configuration (blend.kind, optimizer.kind, run.epochs",
    );
    p.refuse_after_run(&resume(&["--out", "other"]), "--out");
    p.refuse_after_run(&["train", "--resume", "nothing"], "no config.toml");
    let newest = checkpoints(&p, "run").pop().unwrap();
    let path = p.path("run/checkpoints").join(format!("{newest}.json"));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("gblend-checkpoint-1", "gblend-checkpoint-2")).unwrap();
    p.refuse_after_run(&resume(&[]), "gblend-checkpoint-2");
    std::fs::write(&path, &text).unwrap();
    let config = std::fs::read_to_string(p.path("run/config.toml")).unwrap();
    std::fs::write(
        p.path("run/config.toml"),
        config.replace("train_samples = 72", "train_samples = 80"),
    )
    .unwrap();
    p.refuse_after_run(&resume(&[]), "not what the run began with");
}

#[test]
fn a_run_that_has_ended_is_not_resumed() {
    let p = playground();
    p.succeed(&["train", "tiny.toml", "--quiet", "--out", "run"]);
    p.refuse_after_run(&["train", "--resume", "run"], "the run has ended");
}

#[test]
fn two_processes_do_not_write_to_one_run() {
    let p = playground();
    stopped(&p, "run");
    let before = checkpoints(&p, "run");
    let mut child = p.start(&["train", "--quiet", "--resume", "run"]);
    // A new checkpoint is a sign that it is at work: whoever comes first has the folder.
    let began = Instant::now();
    while checkpoints(&p, "run").last() <= before.last() {
        assert!(child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    let outcome = p.run(&["train", "--resume", "run", "--quiet"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("another gblend is writing"),
        "{}",
        outcome.stderr
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn threads_and_logs_may_differ_when_a_run_goes_on() {
    let p = playground();
    let more = ["--set", "log.tensorboard=true", "--set", "run.threads=1", "--out"];
    p.succeed(&arguments(&[&more[..], &["whole"]].concat()));
    let mut child = p.start(&arguments(&[&more[..], &["run"]].concat()));
    while !p.path("run/checkpoints/3.json").is_file() && !p.path("run/checkpoints/4.json").is_file() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it could be killed"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    p.succeed(&["train", "--quiet", "--resume", "run", "--set", "run.threads=2"]);
    assert_eq!(result(&p.path("run")), result(&p.path("whole")));
    let events = |run: &str| -> Vec<u64> {
        let files = std::fs::read_dir(p.path(run).join("tensorboard")).unwrap();
        files
            .map(|file| file.unwrap().metadata().unwrap().len())
            .collect()
    };
    // As many bytes of events in one file: none was written twice.
    assert_eq!(events("run"), events("whole"));
}

/// Estimates of long probes, one after the other.
const PROBING: [&str; 4] = ["--set", "blend.probe_epochs=40", "--set", "run.threads=1"];

/// The files of probes that are over, or under way, of an estimate before the first epoch.
fn probes(p: &Playground, run: &str) -> Vec<String> {
    let entries = std::fs::read_dir(p.path(run).join("checkpoints"))
        .into_iter()
        .flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with("probe-") && name.ends_with(".json"))
        .collect()
}

#[test]
fn a_run_killed_in_an_estimate_goes_on_within_its_probes() {
    let p = playground();
    p.succeed(&arguments(&[&PROBING[..], &["--out", "whole"]].concat()));
    assert_eq!(probes(&p, "whole"), [""; 0], "nobody needs them any more");
    let mut child = p.start(&arguments(&[&PROBING[..], &["--out", "run"]].concat()));
    let began = Instant::now();
    // On one thread a second file means that the first probe is over.
    while probes(&p, "run").len() < 2 {
        assert!(child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let outcome = p.run(&["train", "--resume", "run"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let said = |words: &str| outcome.stderr.lines().filter(|line| line.contains(words)).count();
    assert_eq!(said("was over before the run stopped"), 1, "{}", outcome.stderr);
    assert_eq!(said("goes on in its epoch"), 1, "{}", outcome.stderr);
    assert_eq!(result(&p.path("run")), result(&p.path("whole")));
}

#[test]
fn a_damaged_probe_is_made_again() {
    let p = playground();
    p.succeed(&arguments(&[&PROBING[..], &["--out", "whole"]].concat()));
    for extension in ["json", "safetensors"] {
        let run = format!("run-{extension}");
        let mut child = p.start(&arguments(&[&PROBING[..], &["--out", &run]].concat()));
        while probes(&p, &run).len() < 2 {
            assert!(
                child.try_wait().unwrap().is_none(),
                "it ended before it could be killed"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for entry in std::fs::read_dir(p.path(&run).join("checkpoints"))
            .unwrap()
            .flatten()
        {
            if entry.path().extension().is_some_and(|found| found == extension) {
                let mut bytes = std::fs::read(entry.path()).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                std::fs::write(entry.path(), bytes).unwrap();
            }
        }
        resume(&p, &run);
        assert_eq!(result(&p.path(&run)), result(&p.path("whole")), "{extension}");
    }
}
