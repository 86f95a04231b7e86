//! A loss that reads the feature vectors of all modalities at once, as an objective of a plugin's.

use std::path::Path;

use gblend_tests::{Playground, TINY, without_measurements, write_clips};
use serde_json::Value;

use crate::playground;

/// The joint head matches, the modalities' own heads name classes.
const OBJECTIVES: &str = r#"
[objective]
kind = "info-nce"
block = 6

[modality.camera.objective]
kind = "single-label"

[modality.motion.objective]
kind = "single-label"

[modality.microphone.objective]
kind = "single-label"
"#;

fn prepared() -> Playground {
    let p = playground();
    p.write("matching.toml", format!("{TINY}{OBJECTIVES}"));
    p
}

fn train(p: &Playground, more: &[&str]) -> Value {
    p.json(&[&["train", "matching.toml", "--quiet", "--json"], more].concat())
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_strategy_blends_a_loss_that_matches_with_losses_that_classify() {
    let p = prepared();
    for strategy in p.strategies() {
        let more: Vec<&str> = strategy.iter().map(String::as_str).collect();
        let summary = train(&p, &[&["--out", "run"], &more[..]].concat());
        let heads = summary["heads"].as_array().unwrap();
        let matched = heads.last().unwrap()["weight"] != 0.0;
        assert_eq!(
            summary["objective"]["kind"] == "info-nce",
            matched,
            "{strategy:?}"
        );
        for head in heads {
            if head["weight"] == 0.0 {
                continue;
            }
            assert!(
                head["test_loss"].as_f64().unwrap().is_finite(),
                "{strategy:?}: {head}"
            );
            let own = head["name"] != "joint";
            assert_eq!(head["test_accuracy"].is_f64(), own, "{strategy:?}: {head}");
            assert_eq!(
                head["test_metrics"]["recall_at_1"].is_f64(),
                !own,
                "{strategy:?}: {head}"
            );
        }
        p.succeed(&["report", "run"]);
        std::fs::remove_dir_all(p.path("run")).unwrap();
    }
}

#[test]
fn a_loss_is_measured_among_as_many_samples_as_its_objective_says() {
    let p = prepared();
    let loss = |block: &str| {
        let set = format!("objective.block={block}");
        let summary = train(&p, &["--set", &set, "--set", "run.epochs=1"]);
        let heads = summary["heads"].as_array().unwrap();
        heads.last().unwrap()["test_loss"].as_f64().unwrap()
    };
    // Among one there is nothing else to be taken for, among ten there is more than among two.
    assert_eq!(loss("1"), 0.0);
    assert!(loss("2") < loss("10"));
}

#[test]
fn a_run_that_goes_on_ends_as_one_that_was_never_stopped_and_keeps_what_the_loss_has_learned() {
    let p = prepared();
    let sets = [
        "--set",
        "run.epochs=3",
        "--set",
        "blend.kind=ogr",
        "--set",
        "blend.probe_epochs=1",
    ];
    let model = whole_and_resumed(&p, "matching.toml", &sets);
    let tensors = safetensors::SafeTensors::deserialize(&model).unwrap();
    let sharpness = tensors.tensor("joint.objective.sharpness").unwrap();
    let sharpness = f32::from_le_bytes(sharpness.data().try_into().unwrap());
    assert!(sharpness.is_finite() && sharpness != 2.0_f32.ln(), "{sharpness}");
}

/// The parameters of a run that was never stopped, which one that is killed in its third step or later and goes on has to the bit.
pub(crate) fn whole_and_resumed(p: &Playground, config: &str, sets: &[&str]) -> Vec<u8> {
    p.succeed(&[&["train", config, "--quiet", "--out", "whole"], sets].concat());
    let every_step = ["--out", "part", "--set", "checkpoint.every_steps=1"];
    let mut child = p.start(&[&["train", config], &every_step[..], sets].concat());
    while !p.path("part/checkpoints/3.json").is_file() && !p.path("part/summary.json").is_file() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    if !p.path("part/summary.json").is_file() {
        p.succeed(&["train", "--resume", "part", "--quiet"]);
    }
    let model = |run: &str| std::fs::read(p.path(run).join("model.safetensors")).unwrap();
    assert!(model("whole") == model("part"));
    let summary = |run: &str| without_measurements(json(&p.path(run).join("summary.json")));
    assert_eq!(summary("whole"), summary("part"));
    model("whole")
}

#[test]
fn what_is_asked_of_a_finished_run_is_told_of_each_head_in_its_own_figures() {
    let p = prepared();
    train(&p, &["--out", "run"]);
    let text = p.succeed(&["evaluate", "run", "--subsets", "--quiet"]);
    assert!(text.contains("recall@1") && text.contains("accuracy"), "{text}");
    let predicted = p.json(&["predict", "run", "scene-80", "scene-90", "--quiet", "--json"]);
    assert!(predicted.to_string().contains("scene-"), "{predicted}");
    p.succeed(&["check", "matching.toml"]);
    let compared = p.json(&[
        "compare",
        "matching.toml",
        "--quiet",
        "--json",
        "--seeds",
        "2",
        "--methods",
        "joint,equal",
        "--set",
        "run.epochs=1",
        "--out",
        "c",
    ]);
    assert_eq!(compared["objective"]["kind"], "info-nce");
    // It does not say what its figure is the mean of, so intervals are over seeds alone.
    let rows = compared["rows"].as_array().unwrap();
    assert!(
        rows.iter()
            .all(|row| row["parts"].is_null() && row["ci95"].is_f64())
    );
    let problem = compared["seeds_alone"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("`recall_at_1`"), "{problem}");
    p.succeed(&["report", "c"]);
}

#[test]
fn a_head_that_cannot_match_is_named() {
    let p = prepared();
    let lines: Vec<&str> = OBJECTIVES.lines().take(4).collect();
    p.write("alone.toml", format!("{TINY}{}", lines.join("\n")));
    p.refuse(
        &["train", "alone.toml"],
        &["objective.kind", "info-nce", "a modality's own head"],
    );
    p.refuse(
        &[
            "train",
            "matching.toml",
            "--set",
            "modality.motion.objective={kind=\"info-nce\"}",
        ],
        &["modality.motion.objective.kind"],
    );
    p.refuse(
        &[
            "train",
            "matching.toml",
            "--set",
            "modality.motion.objective={kind=\"regression\"}",
        ],
        &["modality.motion.objective.kind", "single-label"],
    );
    p.refuse(
        &["train", "matching.toml", "--set", "objective.kind=info-nc"],
        &["did you mean `info-nce`"],
    );
}

const TABLE: &str = concat!(
    r#"
[run]
epochs = 2
batch_size = 4
validation = 0

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
split = "split"
"#,
    gblend_tests::clip_streams!(),
    gblend_tests::clip_modalities!()
);

const TABLE_OBJECTIVES: &str = r#"
[objective]
kind = "info-nce"
block = 4

[modality.camera.objective]
kind = "single-label"

[modality.microphone.objective]
kind = "single-label"
"#;

/// Twenty samples, the last six for the test; of the others two thirds have no label.
fn mostly_unlabeled() -> Playground {
    let p = playground();
    write_clips(&p.path(""), 20);
    let mut table = "id,label,split\n".to_owned();
    for number in 1..=20 {
        let test = number > 14;
        let label = match number % 2 {
            _ if !test && number % 3 != 1 => "",
            0 => "even",
            _ => "odd",
        };
        table += &format!("s{number},{label},{}\n", if test { "test" } else { "train" });
    }
    p.write("table.csv", table);
    p.write("labels.toml", TABLE);
    p.write("matching.toml", format!("{TABLE}{TABLE_OBJECTIVES}"));
    p
}

#[test]
fn samples_without_a_label_teach_the_heads_that_need_none() {
    let p = mostly_unlabeled();
    let run = |name: &str| {
        let config = format!("{name}.toml");
        let outcome = p.run(&["train", &config, "--json", "--out", name]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome
    };
    let labels = run("labels");
    for part in ["9 of 20 samples, such as s2, have no label", "5 training"] {
        assert!(labels.stderr.contains(part), "{part}: {}", labels.stderr);
    }
    let matching = run("matching");
    assert!(matching.stderr.contains("14 training"), "{}", matching.stderr);
    let unlabeled = |name: &str| json(&p.path(name).join("summary.json"))["samples_unlabeled"].clone();
    assert_eq!(
        (unlabeled("labels"), unlabeled("matching")),
        (9.into(), Value::Null)
    );
    for head in json(&p.path("matching/summary.json"))["heads"]
        .as_array()
        .unwrap()
    {
        assert!(head["test_loss"].as_f64().unwrap().is_finite(), "{head}");
    }
    for strategy in p.strategies() {
        let more: Vec<&str> = strategy.iter().map(String::as_str).collect();
        train(&p, &more);
    }
}

#[test]
fn a_model_that_predicts_by_matching_is_not_exported_and_one_that_does_not_is() {
    let p = prepared();
    train(&p, &["--out", "run", "--set", "blend.kind=equal"]);
    p.refuse_after_run(
        &["export", "run", "--onnx", "model.onnx"],
        "`info-nce` of head `joint`",
    );
    assert!(!p.path("model.onnx").exists());
    train(
        &p,
        &[
            "--out",
            "alone",
            "--set",
            "blend.kind=unimodal",
            "--set",
            "blend.head=motion",
        ],
    );
    p.succeed(&["export", "alone", "--onnx", "model.onnx"]);
}
