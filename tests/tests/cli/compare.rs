//! `gblend compare`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::playground;
use gblend_tests::{Playground, predicted};

/// One epoch each, so that a cell takes no longer than opening the data does.
const SHORT: [&str; 7] = [
    "compare",
    "tiny.toml",
    "--quiet",
    "--json",
    "--set",
    "run.epochs=1",
    "--jobs=2",
];

fn compare(p: &Playground, more: &[&str]) -> Value {
    p.json(&[&SHORT, more].concat())
}

fn rows(comparison: &Value) -> BTreeMap<String, &Value> {
    let rows = comparison["rows"].as_array().unwrap().iter();
    rows.map(|row| {
        let modalities: Vec<&str> = row["modalities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m.as_str().unwrap())
            .collect();
        let [method, fusion] = ["method", "fusion"].map(|key| row[key].as_str().unwrap());
        (format!("{method} {} {fusion}", modalities.join("+")), row)
    })
    .collect()
}

fn accuracies(row: &Value) -> Vec<f64> {
    row["test_accuracy"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_f64().unwrap())
        .collect()
}

#[test]
fn a_comparison_is_not_written_into_the_folder_of_a_run() {
    let p = playground();
    let train = [
        "train",
        "tiny.toml",
        "--quiet",
        "--set",
        "run.epochs=1",
        "--out",
        "r",
    ];
    p.succeed(&train);
    let compare = [&SHORT[..], &["--seeds", "1", "--methods", "equal", "--out", "r"]].concat();
    p.refuse_after_run(&compare, "is a run's, and no comparison's");
    assert!(!p.path("r/cells").exists());
    p.succeed(&["evaluate", "r", "--quiet"]);
}

#[test]
fn a_cell_is_the_run_that_train_makes_with_the_same_seed() {
    let p = playground();
    let comparison = compare(&p, &["--seeds", "2", "--methods", "equal,ogr", "--out", "c"]);
    assert_eq!(
        std::fs::read_to_string(p.path("c/compare.json")).unwrap().trim(),
        { serde_json::to_string_pretty(&comparison).unwrap() }
    );
    let rows = rows(&comparison);
    for (method, kind) in [("equal", "equal"), ("ogr", "ogr"), ("joint", "joint")] {
        let row = rows[&format!("{method} camera+motion+microphone concat")];
        for (seed, &found) in accuracies(row).iter().enumerate() {
            let (seed, out) = (seed.to_string(), format!("{method}-{seed}"));
            let kind = format!("blend.kind={kind}");
            let arguments = [
                "train",
                "tiny.toml",
                "--quiet",
                "--json",
                "--seed",
                &seed,
                "--out",
                &out,
                "--set",
            ];
            let summary = p.json(&[&arguments[..], &[&kind, "--set", "run.epochs=1"]].concat());
            assert_eq!(
                predicted(&summary)["test_accuracy"].as_f64().unwrap(),
                found,
                "{method} {seed}"
            );
        }
    }
}

#[test]
fn rows_have_their_differences_seed_by_seed() {
    let p = playground();
    let comparison = compare(&p, &["--seeds", "3", "--methods", "joint", "--out", "c"]);
    let rows = rows(&comparison);
    let singles =
        ["camera", "motion", "microphone"].map(|name| rows[&format!("single:{name} {name} concat")]);
    let mean = |row: &Value| row["mean"].as_f64().unwrap();
    let best = singles
        .into_iter()
        .max_by(|a, b| mean(a).total_cmp(&mean(b)))
        .unwrap();
    let equal = rows["equal camera+motion+microphone concat"];
    let joint = rows["joint camera+motion+microphone concat"];
    for (key, other) in [
        ("paired_difference_to_best_single", best),
        ("paired_difference_to_equal", equal),
    ] {
        let difference = &joint[key];
        assert_eq!(difference["to"], other["method"]);
        assert!(
            (mean(difference) - (mean(joint) - mean(other))).abs() < 1e-12,
            "{difference}"
        );
        let ci95 = difference["ci95"].as_f64().unwrap();
        assert_eq!(
            difference["significant"].as_bool().unwrap(),
            mean(difference).abs() > ci95
        );
    }
    assert_eq!(equal["paired_difference_to_equal"], Value::Null);
    assert_eq!(joint["seeds"], serde_json::json!([0, 1, 2]));
}

#[test]
fn a_comparison_that_was_killed_goes_on_and_runs_no_finished_cell_again() {
    let p = playground();
    let arguments = [&SHORT[..], &["--seeds", "4", "--methods", "ogr", "--out", "c"]].concat();
    let mut child = p.start(&arguments);
    let finished = || -> BTreeMap<String, std::time::SystemTime> {
        let cells = std::fs::read_dir(p.path("c/cells"))
            .into_iter()
            .flatten()
            .flatten();
        let seeds = cells.flat_map(|cell| std::fs::read_dir(cell.path()).unwrap().flatten());
        let summaries = seeds.filter_map(|seed| {
            let path = seed.path().join("summary.json");
            let written = path.metadata().ok()?.modified().unwrap();
            Some((path.display().to_string(), written))
        });
        summaries.collect()
    };
    // Somewhere in the middle of the 24 cells.
    while finished().len() < 7 {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it could be killed"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = finished();
    assert!(before.len() < 24, "it ended before it could be killed");

    let comparison = p.json(&arguments);
    let after = finished();
    assert_eq!(after.len(), 24);
    assert!(before.iter().all(|(path, written)| after[path] == *written));
    let whole = compare(&p, &["--seeds", "4", "--methods", "ogr", "--out", "never-killed"]);
    let without_seconds = |comparison: &Value| -> Vec<(String, Vec<f64>)> {
        rows(comparison)
            .into_iter()
            .map(|(name, row)| (name, accuracies(row)))
            .collect()
    };
    assert_eq!(without_seconds(&comparison), without_seconds(&whole));
}

#[test]
fn a_folder_of_another_configuration_is_refused_and_kept() {
    let p = playground();
    compare(&p, &["--seeds", "1", "--methods", "joint", "--out", "c"]);
    let before = std::fs::read(p.path("c/compare.json")).unwrap();
    let other = [
        &SHORT[..],
        &["--seeds", "1", "--set", "run.batch_size=8", "--out", "c"],
    ]
    .concat();
    p.refuse_after_run(&other, "another configuration (run.batch_size)");
    assert_eq!(std::fs::read(p.path("c/compare.json")).unwrap(), before);
    // Threads change nothing, and one more seed is no other configuration.
    let more = compare(
        &p,
        &[
            "--seeds",
            "2",
            "--methods",
            "joint",
            "--set",
            "run.threads=2",
            "--out",
            "c",
        ],
    );
    assert_eq!(accuracies(&more["rows"][0]).len(), 2);
}

#[test]
fn what_cannot_be_compared_is_said_before_anything_is_trained() {
    let p = playground();
    let refuse = |more: &[&str], parts: &[&str]| p.refuse(&[&SHORT[..], more].concat(), parts);
    refuse(
        &["--methods", "gradnrm"],
        &["unknown method `gradnrm`", "`gradnorm`", "ogr-online"],
    );
    refuse(&["--methods", "fixed"], &["weights"]);
    refuse(&["--variant", "no/name run.seed=1"], &["--variant", "no/name"]);
    refuse(
        &["--variant", "wide run.sed=1"],
        &["run.sed", "did you mean `seed`"],
    );
    refuse(
        &["--variant", "ogr blend.kind=ogr"],
        &["two methods are called `ogr`"],
    );
    refuse(&["--seeds", "0"], &["--seeds 0"]);
    refuse(&["--simplex", "0"], &["--simplex 0"]);
    refuse(&["--simplex", "100"], &["at most 1000 points"]);
    p.write("full/file", "mine");
    refuse(&["--out", "full"], &["is not empty"]);
}

#[test]
fn a_run_that_fails_is_left_out_and_named_and_the_others_count() {
    let p = playground();
    let variant = "steep optimizer.kind=sgd optimizer.learning_rate=1e30";
    let arguments = [
        &SHORT[..],
        &[
            "--seeds",
            "1",
            "--methods",
            "joint",
            "--variant",
            variant,
            "--out",
            "c",
        ],
    ]
    .concat();
    let outcome = p.run(&arguments);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("1 runs are left out") && outcome.stderr.contains("steep, seed 0"),
        "{}",
        outcome.stderr
    );
    let comparison: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(comparison["left_out"][0]["method"], "steep");
    assert_eq!(rows(&comparison).len(), 5);
}

#[test]
fn subsets_and_fusions_are_rows_of_their_own() {
    let p = playground();
    let comparison = compare(
        &p,
        &[
            "--seeds",
            "1",
            "--methods",
            "joint",
            "--subsets",
            "--fusions",
            "--out",
            "c",
        ],
    );
    let rows = rows(&comparison);
    assert!(
        rows.contains_key("ogr camera+microphone concat"),
        "{:?}",
        rows.keys()
    );
    assert!(
        rows.contains_key("equal camera+motion+microphone sum"),
        "{:?}",
        rows.keys()
    );
    // A pair is measured by the better one of its own two.
    let pair = rows["joint camera+motion concat"];
    let to = pair["paired_difference_to_best_single"]["to"].as_str().unwrap();
    assert!(["single:camera", "single:motion"].contains(&to), "{to}");
    assert_eq!(
        pair["paired_difference_to_equal"]["to"],
        "equal on camera + motion"
    );
}

#[test]
fn a_search_of_the_weights_tells_the_regret_of_the_estimate() {
    let p = playground();
    let comparison = compare(
        &p,
        &[
            "--seeds",
            "2",
            "--methods",
            "joint",
            "--simplex",
            "2",
            "--out",
            "c",
        ],
    );
    let simplex = &comparison["simplex"];
    assert_eq!(simplex["points"].as_array().unwrap().len(), 10);
    assert_eq!(simplex["steps"], 2);
    let corner = |weights: [f64; 4]| {
        let points = simplex["points"].as_array().unwrap().iter();
        points
            .clone()
            .find(|point| point["weights"] == serde_json::json!(weights))
            .unwrap()
    };
    let rows = rows(&comparison);
    assert_eq!(
        accuracies(corner([0.0, 1.0, 0.0, 0.0])),
        accuracies(rows["single:motion motion concat"])
    );
    assert_eq!(
        accuracies(corner([0.0, 0.0, 0.0, 1.0])),
        accuracies(rows["joint camera+motion+microphone concat"])
    );
    assert!(simplex["regret"]["mean"].is_f64());
    // The points are no rows.
    assert_eq!(rows.len(), 6);
}

#[test]
fn uni_modal_teachers_are_the_runs_of_each_modality_alone() {
    let p = playground();
    let comparison = compare(&p, &["--methods", "umt", "--seeds=2", "--out", "c"]);
    let taught = rows(&comparison)["umt camera+motion+microphone concat"];
    assert_eq!(accuracies(taught).len(), 2);
    for seed in ["seed-0", "seed-1"] {
        let folder = p.path("c/cells/umt").join(seed);
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let config: toml::Table = read("config.toml").parse().unwrap();
        for modality in ["camera", "motion", "microphone"] {
            let objective = &config["modality"][modality]["objective"];
            let teacher = objective["to"]["run"].as_str().unwrap();
            assert!(
                teacher.ends_with(&format!("cells/single-{modality}/{seed}")),
                "{teacher}"
            );
        }
        // The joint loss counts once, and so does each teacher.
        let summary: Value = serde_json::from_str(&read("summary.json")).unwrap();
        for head in summary["heads"].as_array().unwrap() {
            assert!((head["weight"].as_f64().unwrap() - 0.25).abs() < 1e-9, "{head}");
        }
    }
}

#[test]
fn pretrained_encoders_are_those_of_the_run_that_is_named() {
    let p = playground();
    let train = |more: &[&str]| p.succeed(&[&["train", "tiny.toml", "--quiet"], more].concat());
    train(&[
        "--out",
        "alone",
        "--set",
        "blend.kind=unimodal",
        "--set",
        "blend.head=motion",
    ]);
    // Steps too short to change a parameter leave the encoders as they came.
    let still = [
        "--set",
        "optimizer.learning_rate=1e-30",
        "--set",
        "run.epochs=1",
        "--out",
        "joint",
    ];
    train(&[&["--set", "modality.motion.pretrained=alone"], &still[..]].concat());
    let parameter = |run: &str, path: &str| {
        let bytes = std::fs::read(p.path(run).join("model.safetensors")).unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        let tensors = header.as_object().unwrap().iter();
        let (_, tensor) = tensors
            .clone()
            .find(|(name, _)| name.starts_with(path) && name.ends_with("weight"))
            .unwrap();
        let at = |end: usize| tensor["data_offsets"][end].as_u64().unwrap() as usize + 8 + length;
        bytes[at(0)..at(1)].to_vec()
    };
    assert_eq!(
        parameter("joint", "motion.encoder"),
        parameter("alone", "motion.encoder")
    );
    assert_ne!(
        parameter("joint", "camera.encoder"),
        parameter("alone", "motion.encoder")
    );
    let wide = [
        "train",
        "tiny.toml",
        "--set",
        "modality.motion.pretrained=alone",
        "--set",
    ];
    p.refuse_after_run(
        &[&wide[..], &["modality.motion.encoder.channels=[4, 9]"]].concat(),
        "modality.motion.pretrained",
    );
    p.refuse_after_run(
        &[
            "train",
            "tiny.toml",
            "--set",
            "modality.motion.pretrained=nothing",
        ],
        "config.toml",
    );
}

#[test]
fn training_without_progress_ends_when_patience_does() {
    let p = playground();
    let early = [
        "--set",
        "run.patience=1",
        "--set",
        "run.epochs=50",
        "--set",
        "optimizer.learning_rate=1e-12",
    ];
    let summary = p.json(
        &[
            &["train", "tiny.toml", "--quiet", "--json", "--out", "run"],
            &early[..],
        ]
        .concat(),
    );
    // The first epoch is the best so far, and no step is long enough for a better one.
    assert_eq!(summary["epochs"], 2);
    let metrics = std::fs::read_to_string(p.path("run/metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().count(), 2);
    let nothing = ["--set", "run.validation=0", "--out", "blind"];
    p.refuse_after_run(
        &[&["train", "tiny.toml"], &early[..], &nothing[..]].concat(),
        "no validation samples",
    );
}
