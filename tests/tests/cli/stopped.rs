//! Runs that were stopped: evaluated, reported and predicted with as far as they came.

use std::time::{Duration, Instant};

use gblend_tests::Playground;
use serde_json::Value;

use crate::playground;

/// A run of more epochs than anyone waits for, killed once it has so many whole ones.
fn stopped_after(p: &Playground, epochs: usize, settings: &[&str]) {
    let mut arguments = vec![
        "train",
        "tiny.toml",
        "--out",
        "run",
        "--set",
        "run.epochs=1000000",
    ];
    settings
        .iter()
        .for_each(|setting| arguments.extend(["--set", setting]));
    let (mut child, stderr) = p.start_heard(&arguments);
    let began = Instant::now();
    while !p.path(&format!("run/checkpoints/{epochs}.json")).is_file() {
        let said = std::fs::read_to_string(&stderr).unwrap();
        assert!(child.try_wait().unwrap().is_none(), "{said}");
        assert!(began.elapsed() < Duration::from_secs(120), "{said}");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The number before a word in a text, after another word.
fn number(text: &str, after: &str) -> usize {
    let rest = text.split(after).nth(1).unwrap_or_default();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits
        .parse()
        .unwrap_or_else(|_| unreachable!("no number after `{after}`: {text}"))
}

fn evaluated(p: &Playground, run: &str) -> (Value, String) {
    let outcome = p.run(&["evaluate", run, "--quiet", "--json"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    (serde_json::from_str(&outcome.stdout).unwrap(), outcome.stderr)
}

#[test]
fn the_model_of_a_stopped_run_is_that_of_the_epoch_that_is_told() {
    for (settings, told) in [
        (&["run.validation=0.25"][..], "its model is that of epoch "),
        (&["run.validation=0"], "its model is that of epoch "),
        // No checkpoint has what never changes.
        (
            &["run.validation=0.25", "modality.camera.freeze=true"],
            "its model is that of epoch ",
        ),
        (
            &["run.validation=0.25", "run.select=last"],
            "its model is that of epoch ",
        ),
    ] {
        let p = playground();
        stopped_after(&p, 4, settings);
        let (report, said) = evaluated(&p, "run");
        assert!(
            said.contains("the run was stopped after epoch ") && said.contains("of 1000000"),
            "{said}"
        );
        let (epochs, of_model) = (number(&said, "after epoch "), number(&said, told));
        assert!(epochs >= of_model && of_model >= 1, "{said}");
        assert_eq!(report["samples"], 40);
        let has_frozen = |run: &str| {
            let entries = std::fs::read_dir(p.path(run)).unwrap();
            let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.any(|name| name.starts_with("frozen-"))
        };
        assert_eq!(
            has_frozen("run"),
            settings.len() == 2 && settings[1].contains("freeze")
        );
        // The run that ends with that epoch has the same model.
        let epochs = format!("run.epochs={of_model}");
        let mut whole = vec![
            "train",
            "tiny.toml",
            "--quiet",
            "--out",
            "whole",
            "--set",
            &epochs,
        ];
        settings
            .iter()
            .for_each(|setting| whole.extend(["--set", setting]));
        whole.extend(["--set", "run.select=last"]);
        p.succeed(&whole);
        let (expected, said) = evaluated(&p, "whole");
        assert_eq!(said, "");
        assert_eq!(report["heads"], expected["heads"], "{settings:?}");
        assert!(!has_frozen("whole"));
    }
}

#[test]
fn a_stopped_run_is_predicted_with_and_reported_and_goes_on_all_the_same() {
    let p = playground();
    stopped_after(&p, 3, &["run.validation=0.25"]);
    let predicted = p.run(&["predict", "run", "--quiet", "scene-3", "scene-80"]);
    assert_eq!(predicted.code, Some(0), "{}", predicted.stderr);
    assert!(predicted.stdout.contains("scene-80"), "{}", predicted.stdout);
    assert!(
        predicted.stderr.contains("the run was stopped after epoch"),
        "{}",
        predicted.stderr
    );

    p.succeed(&["report", "run", "--out", "report.html"]);
    let page = std::fs::read_to_string(p.path("report.html")).unwrap();
    for part in [
        "The run was stopped after epoch",
        "The run did not end, and was not tested",
        "the best by validation so far",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // Nothing was written that a run that goes on trips over; its log may have a line that was cut off.
    let metrics = std::fs::read_to_string(p.path("run/metrics.jsonl")).unwrap();
    p.write("run/metrics.jsonl", format!("{metrics}{{\"epo"));
    p.succeed(&["report", "run", "--out", "report.html"]);
    assert!(!p.path("run/summary.json").exists());
    let (mut child, stderr) = p.start_heard(&["train", "--resume", "run"]);
    let began = Instant::now();
    while !std::fs::read_to_string(&stderr)
        .unwrap()
        .contains("going on after step")
    {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_run_that_has_come_to_no_checkpoint_says_so() {
    let p = playground();
    p.succeed(&[
        "train",
        "tiny.toml",
        "--quiet",
        "--out",
        "run",
        "--set",
        "run.epochs=1",
    ]);
    std::fs::remove_file(p.path("run/summary.json")).unwrap();
    let _ = std::fs::remove_dir_all(p.path("run/checkpoints"));
    for command in [
        &["evaluate", "run"][..],
        &["report", "run"],
        &["predict", "run", "scene-1"],
    ] {
        p.refuse_after_run(
            command,
            "did not end, and it was stopped before its first checkpoint",
        );
    }
}

#[test]
fn what_a_run_says_stands_in_its_log_with_date_and_time_however_quiet_it_was() {
    let p = playground();
    p.succeed(&["train", "tiny.toml", "--quiet", "--out", "run"]);
    let log = std::fs::read_to_string(p.path("run/log.txt")).unwrap();
    let year = |line: &str| {
        line.get(..4)
            .is_some_and(|year| year.parse::<u32>().is_ok_and(|year| year > 2000))
    };
    let first = log.lines().next().unwrap();
    assert!(
        year(first) && first.contains(&format!(" gblend {}", env!("CARGO_PKG_VERSION"))),
        "{log}"
    );
    for part in [" epoch 1/2: ", " epoch 2/2: ", "training, "] {
        let line = log.lines().find(|line| line.contains(part));
        assert!(line.is_some_and(year), "{part}: {log}");
    }
    // What ends a run is the last that it says.
    let diverging = [
        "train",
        "tiny.toml",
        "--quiet",
        "--out",
        "lost",
        "--set",
        "optimizer.learning_rate=1e30",
    ];
    assert_eq!(p.run(&diverging).code, Some(2));
    let log = std::fs::read_to_string(p.path("lost/log.txt")).unwrap();
    assert!(log.lines().last().unwrap().contains("training stopped"), "{log}");
}

#[test]
fn a_report_says_when_its_run_began_and_by_which_version() {
    let p = playground();
    p.succeed(&["train", "tiny.toml", "--quiet", "--out", "run"]);
    p.succeed(&["report", "run", "--out", "report.html"]);
    let page = std::fs::read_to_string(p.path("report.html")).unwrap();
    let begun: Value =
        serde_json::from_str(&std::fs::read_to_string(p.path("run/begun.json")).unwrap()).unwrap();
    let date = begun["begun"].as_str().unwrap()[..16].replace('T', " ");
    let version = format!("gblend {}", env!("CARGO_PKG_VERSION"));
    assert!(page.contains(&date) && page.contains(&version), "{page}");
}
