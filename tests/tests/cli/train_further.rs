//! Runs that are trained further.

use gblend_tests::{Playground, without_measurements};
use serde_json::Value;

use crate::playground;

fn train(p: &Playground, out: &str, settings: &[&str]) {
    let mut arguments = vec!["train", "tiny.toml", "--quiet", "--out", out];
    settings
        .iter()
        .for_each(|setting| arguments.extend(["--set", setting]));
    p.succeed(&arguments);
}

fn summary(p: &Playground, run: &str) -> Value {
    let text = std::fs::read_to_string(p.path(run).join("summary.json")).unwrap();
    without_measurements(serde_json::from_str(&text).unwrap())
}

fn model(p: &Playground, run: &str) -> Vec<u8> {
    std::fs::read(p.path(run).join("model.safetensors")).unwrap()
}

const SCHEDULE: &str = "optimizer.schedule={ kind = \"step\", every_epochs = 3.0, factor = 0.5 }";

#[test]
fn a_run_that_is_trained_further_ends_with_the_bits_of_one_that_was_planned_so() {
    for settings in [
        &["run.validation=0.25", SCHEDULE][..],
        &["run.validation=0", "optimizer.kind=adam"],
        &["run.validation=0.25", "blend.kind=uncertainty"],
        &["run.validation=0.25", "modality.motion.freeze=true"],
        &[
            "run.validation=0.25",
            "blend.kind=ogr",
            "blend.probe_epochs=1",
            "blend.resamples=10",
        ],
    ] {
        let p = playground();
        train(&p, "run", &[settings, &["run.epochs=2"]].concat());
        let before = summary(&p, "run");
        let said = p.run(&["train", "--resume", "run", "--epochs", "5"]);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert!(
            said.stderr.contains("training further, to 5 epochs in all")
                && said.stderr.contains("summary-2.json"),
            "{}",
            said.stderr
        );
        train(&p, "whole", &[settings, &["run.epochs=5"]].concat());
        assert!(model(&p, "run") == model(&p, "whole"), "{settings:?}");
        let (mut further, whole) = (summary(&p, "run"), summary(&p, "whole"));
        assert_eq!(
            further.as_object_mut().unwrap().remove("ended_before"),
            Some(serde_json::json!([2]))
        );
        assert_eq!(further, whole, "{settings:?}");
        let kept = std::fs::read_to_string(p.path("run/summary-2.json")).unwrap();
        assert_eq!(without_measurements(serde_json::from_str(&kept).unwrap()), before);
        // What is asked of the run is asked of the new model, on the same test.
        let evaluated = p.json(&["evaluate", "run", "--quiet", "--json"]);
        gblend_tests::assert_same_losses(&further, &evaluated);
        p.succeed(&["report", "run", "--out", "report.html"]);
        let page = std::fs::read_to_string(p.path("report.html")).unwrap();
        assert!(
            page.contains("5, trained further after 2, parameters of epoch"),
            "{page}"
        );
        let splits = |run: &str| std::fs::read(p.path(run).join("splits.csv")).unwrap();
        assert!(splits("run") == splits("whole"));
    }
}

#[test]
fn what_cannot_be_trained_further_says_why_and_stays_as_it_is() {
    let p = playground();
    let cosine = "optimizer.schedule={ kind = \"cosine\" }";
    for (run, settings, parts) in [
        (
            "cosine",
            &[cosine][..],
            &["`cosine`", "the 2 epochs that the run was planned for"][..],
        ),
        (
            "refit",
            &["run.refit=true", "run.validation=0.25"],
            &["run.refit"],
        ),
        (
            "gone",
            &["checkpoint.keep=false"],
            &["gone or damaged", "checkpoint.keep"],
        ),
    ] {
        train(&p, run, &[settings, &["run.epochs=2"]].concat());
        let before = (summary(&p, run), model(&p, run));
        for part in parts {
            p.refuse_after_run(&["train", "--resume", run, "--epochs", "4"], part);
        }
        assert_eq!((summary(&p, run), model(&p, run)), before);
    }
    train(&p, "run", &["run.epochs=2"]);
    for (arguments, part) in [
        (&["--epochs", "2"][..], "has 2 epochs already"),
        (&["--epochs", "4", "--set", "run.batch_size=8"], "run.batch_size"),
        (&[], "--epochs N"),
    ] {
        p.refuse_after_run(&[&["train", "--resume", "run"], arguments].concat(), part);
    }
    p.refuse_after_run(&["train", "--epochs", "4"], "--resume");
}

#[test]
fn a_run_that_patience_ended_is_trained_further_once_it_may_wait_longer() {
    let p = playground();
    // No step gets anything better.
    let still = [
        "run.epochs=9",
        "run.patience=1",
        "run.validation=0.25",
        "optimizer.learning_rate=0.0",
    ];
    let still = match p.run(&["check", "tiny.toml", "--quiet", "--set", still[3]]).code {
        Some(0) => still,
        _ => [
            "run.epochs=9",
            "run.patience=1",
            "run.validation=0.25",
            "optimizer.learning_rate=1e-30",
        ],
    };
    train(&p, "run", &still);
    assert!(summary(&p, "run")["epochs"].as_u64().unwrap() < 9);
    p.refuse_after_run(&["train", "--resume", "run", "--epochs", "12"], "run.patience");
    p.succeed(&[
        "train",
        "--resume",
        "run",
        "--quiet",
        "--epochs",
        "12",
        "--set",
        "run.patience=20",
    ]);
    assert_eq!(summary(&p, "run")["epochs"], 12);
}

#[test]
fn a_run_that_stops_while_it_is_trained_further_is_one_that_was_stopped() {
    let p = playground();
    train(&p, "run", &["run.epochs=2", "run.validation=0.25"]);
    let (mut child, stderr) = p.start_heard(&["train", "--resume", "run", "--epochs", "1000000"]);
    let began = std::time::Instant::now();
    while !std::fs::read_to_string(&stderr).unwrap().contains("epoch 4/") {
        assert!(began.elapsed() < std::time::Duration::from_secs(60));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let said = p.run(&["evaluate", "run", "--quiet"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stderr.contains("was stopped after epoch"), "{}", said.stderr);
    // To fewer epochs than it was to have, and more than it has.
    p.refuse_after_run(&["train", "--resume", "run", "--epochs", "2"], "epochs already");
}
