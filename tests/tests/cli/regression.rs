//! Numbers as labels.

use std::path::Path;

use gblend_tests::{Playground, TINY, predicted, without_measurements, write_clips};
use serde_json::Value;

use crate::export::open;
use crate::playground;

/// The tiny world, asked how far away its object is.
fn prepared() -> Playground {
    let p = playground();
    let text = TINY.replace("kind = \"scene\"", "kind = \"scene\"\ntarget = \"distance\"");
    p.write("distance.toml", text);
    p
}

fn train(p: &Playground, more: &[&str]) -> Value {
    p.json(&[&["train", "distance.toml", "--quiet", "--json"], more].concat())
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_objective_follows_from_the_labels_and_may_be_named() {
    let p = prepared();
    let implied = train(&p, &["--out", "implied"]);
    let named = train(&p, &["--out", "named", "--set", "objective.kind=regression"]);
    assert_eq!(implied["objective"]["kind"], "regression");
    let model = |run: &str| std::fs::read(p.path(run).join("model.safetensors")).unwrap();
    assert!(model("implied") == model("named"));
    assert_eq!(
        without_measurements(implied)["heads"],
        without_measurements(named)["heads"]
    );
    for kind in ["single-label", "multi-label"] {
        p.refuse_after_run(
            &[
                "train",
                "distance.toml",
                "--set",
                &format!("objective.kind={kind}"),
            ],
            "objective.kind",
        );
    }
    p.refuse_after_run(
        &["train", "tiny.toml", "--set", "objective.kind=regression"],
        "single-label",
    );
}

#[test]
fn every_strategy_blends_errors() {
    let p = prepared();
    for strategy in p.strategies() {
        let more: Vec<&str> = strategy.iter().map(String::as_str).collect();
        let summary = train(&p, &more);
        for head in summary["heads"].as_array().unwrap() {
            if head["weight"] == 0.0 {
                continue;
            }
            assert!(
                head["test_metrics"]["mae"].as_f64().unwrap() > 0.0,
                "{strategy:?}: {head}"
            );
            assert!(
                head["test_metrics"]["rmse"].as_f64().unwrap() > 0.0,
                "{strategy:?}: {head}"
            );
            assert!(head.get("test_accuracy").is_none(), "{strategy:?}: {head}");
        }
    }
}

#[test]
fn training_brings_the_error_below_that_of_the_mean() {
    let p = prepared();
    let error = |epochs: &str, loss: &str| {
        let sets = [
            epochs,
            loss,
            "data.train_samples=240",
            "optimizer.kind=adam",
            "optimizer.learning_rate=0.01",
        ];
        let sets: Vec<&str> = sets.into_iter().flat_map(|set| ["--set", set]).collect();
        let summary = train(&p, &sets);
        let told = &summary["predictions"][0]["test_metrics"];
        (told["mae"].as_f64().unwrap(), told["pearson_r"].as_f64().unwrap())
    };
    let objective = |loss: &str| format!("objective={{ kind = \"regression\", loss = \"{loss}\" }}");
    for loss in ["squared", "absolute"] {
        let (late, alike) = error("run.epochs=30", &objective(loss));
        let (early, _) = error("run.epochs=1", &objective(loss));
        assert!(late < early && alike > 0.5, "{loss}: {early} {late} {alike}");
    }
}

#[test]
fn a_run_that_goes_on_ends_as_one_that_was_never_stopped() {
    let p = prepared();
    let sets = [
        "--set",
        "run.epochs=4",
        "--set",
        "run.select=best",
        "--set",
        "blend.kind=ogr",
        "--set",
        "blend.probe_epochs=1",
    ];
    train(&p, &[&["--out", "whole"], &sets[..]].concat());
    let arguments = [
        &[
            "train",
            "distance.toml",
            "--out",
            "part",
            "--set",
            "checkpoint.every_steps=1",
        ],
        &sets[..],
    ]
    .concat();
    let mut child = p.start(&arguments);
    while !p.path("part/checkpoints/4.json").is_file() && !p.path("part/summary.json").is_file() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    if !p.path("part/summary.json").is_file() {
        p.succeed(&["train", "--resume", "part", "--quiet"]);
    }
    let file = |run: &str, name: &str| std::fs::read(p.path(run).join(name)).unwrap();
    for name in ["model.safetensors", "test.json"] {
        assert!(file("whole", name) == file("part", name), "{name}");
    }
    let summary = |run: &str| without_measurements(json(&p.path(run).join("summary.json")));
    assert_eq!(summary("whole"), summary("part"));
}

#[test]
fn predictions_are_numbers_in_the_unit_of_the_labels() {
    let p = prepared();
    train(&p, &["--out", "run", "--set", "run.epochs=4"]);
    let text = p.succeed(&["evaluate", "run", "--subsets", "--quiet"]);
    for part in ["MAE", "RMSE", "Pearson"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let test: Vec<String> = (72..112).map(|sample| format!("scene-{sample}")).collect();
    let test = test.iter().map(String::as_str);
    let predictions = p.json(
        &["predict", "run", "--quiet", "--json"]
            .into_iter()
            .chain(test)
            .collect::<Vec<_>>(),
    );
    let predictions = predictions.as_array().unwrap();
    assert_eq!(predictions.len(), 40);
    let error: f64 = predictions
        .iter()
        .map(|prediction| {
            let number = |key: &str| prediction[key].as_f64().unwrap();
            (number("predicted") - number("label")).abs()
        })
        .sum();
    let told = json(&p.path("run/summary.json"));
    let told = predicted(&told)["test_metrics"]["mae"].as_f64().unwrap();
    assert!((error / 40.0 - told).abs() < 1e-4, "{} {told}", error / 40.0);
}

#[test]
fn a_report_has_predictions_against_what_is_true_and_no_confusions() {
    let p = prepared();
    train(&p, &["--out", "run"]);
    p.succeed(&["report", "run"]);
    let page = std::fs::read_to_string(p.path("run/report.html")).unwrap();
    assert!(
        page.contains("true distance") || page.contains("true value"),
        "{page}"
    );
    assert!(
        page.contains("MAE") && !page.contains("accuracy"),
        "no `MAE`, or an accuracy"
    );
    assert!(!page.contains("predicted class"));
}

#[test]
fn a_comparison_takes_the_least_error_for_the_best() {
    let p = prepared();
    let compared = p.json(&[
        "compare",
        "distance.toml",
        "--quiet",
        "--json",
        "--seeds",
        "3",
        "--methods",
        "joint,equal",
        "--set",
        "run.epochs=2",
        "--out",
        "c",
        "--set",
        "data.audio_noise=3",
    ]);
    let rows = compared["rows"].as_array().unwrap();
    let mean = |row: &Value| row["mean"].as_f64().unwrap();
    let singles = rows
        .iter()
        .filter(|row| row["method"].as_str().unwrap().starts_with("single:"));
    let best = singles.min_by(|a, b| mean(a).total_cmp(&mean(b))).unwrap();
    let joint = rows.iter().find(|row| row["method"] == "joint").unwrap();
    let difference = &joint["paired_difference_to_best_single"];
    assert_eq!(difference["to"], best["method"], "{compared}");
    assert!((mean(difference) - (mean(joint) - mean(best))).abs() < 1e-12);
    assert_eq!(compared["objective"]["metrics"][0]["better"], "lower");
    p.succeed(&["report", "c"]);
}

const TABLE: &str = concat!(
    r#"
[run]
epochs = 2
batch_size = 4
validation = 0.2

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "age"
label_kind = "number"
split = "split"
"#,
    gblend_tests::clip_streams!(),
    gblend_tests::clip_modalities!()
);

/// Twenty samples with a number, the last five for the test; two have none.
fn table(p: &Playground) {
    write_clips(&p.path(""), 20);
    let mut table = "id,age,split\n".to_owned();
    for number in 1..=20_u32 {
        let split = if number > 15 { "test" } else { "train" };
        let age = match number {
            3 | 9 => String::new(),
            _ => format!("{}", f64::from(number) * 0.5 - 3.0),
        };
        table += &format!("s{number},{age},{split}\n");
    }
    p.write("table.csv", table);
    p.write("table.toml", TABLE);
}

#[test]
fn numbers_of_a_table_are_learned_and_their_lack_is_counted() {
    let p = playground();
    table(&p);
    let outcome = p.run(&["train", "table.toml", "--json", "--out", "run"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .contains("2 of 20 samples, such as s3, have no label"),
        "{}",
        outcome.stderr
    );
    let summary: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(summary["objective"]["kind"], "regression");
    p.succeed(&["predict", "run", "s1", "s20", "--quiet"]);
    p.write("table.csv", "id,age,split\ns1,12 years,train\n");
    p.refuse_after_run(&["check", "table.toml"], "12 years");
    p.write("table.csv", "id,age,split\ns1,inf,train\n");
    p.refuse_after_run(&["check", "table.toml"], "`inf`, expected a number");
    // As in Parquet it is what is missing.
    p.write("table.csv", "id,age,split\ns1,NaN,train\ns2,NaN,test\n");
    p.refuse_after_run(&["check", "table.toml"], "no test sample with a label");
}

#[test]
fn numbers_come_back_from_an_export_as_they_were() {
    let p = prepared();
    let sets = [
        "data.target=distance",
        "data.train_samples=24",
        "data.test_samples=16",
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> = ["data", "export", "scene", "world", "--seed", "0"]
        .into_iter()
        .chain(sets)
        .collect();
    p.succeed(&arguments);
    let checked = p.succeed(&["check", "world/config.toml", "--quiet"]);
    assert!(checked.contains("16 test"), "{checked}");
    p.write(
        "small.toml",
        "[data]\nkind = \"scene\"\ntarget = \"distance\"\ntrain_samples = 24\ntest_samples = 16\n[modality.camera]\nkind = \"rgb\"",
    );
    let (memory, export) = (open(&p.path("small.toml")), open(&p.path("world/config.toml")));
    assert_eq!(memory.label_kind(), export.label_kind());
    for index in 0..memory.len() {
        assert_eq!(memory.sample(index), export.sample(index));
    }
}
