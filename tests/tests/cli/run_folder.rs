//! What a run leaves, and what later commands make of it.

use crate::playground;
use gblend_tests::predicted;
use serde_json::Value;

#[test]
fn a_run_folder_has_every_file_and_evaluate_finds_the_summarys_figures() {
    let p = playground();
    let summary = p.json(&["train", "tiny.toml", "--quiet", "--json", "--out", "run"]);
    for file in [
        "config.toml",
        "metrics.jsonl",
        "summary.json",
        "model.safetensors",
        "model.json",
    ] {
        assert!(p.path("run").join(file).is_file(), "{file}");
    }
    let metrics = std::fs::read_to_string(p.path("run/metrics.jsonl")).unwrap();
    let lines: Vec<Value> = metrics
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["epoch"], 2);
    assert_eq!(lines[1]["heads"].as_array().unwrap().len(), 4);
    let waited: f64 = lines
        .iter()
        .map(|line| line["waited_seconds"].as_f64().unwrap())
        .sum();
    let [waiting, train] = ["waiting", "train"].map(|part| summary["seconds"][part].as_f64().unwrap());
    assert!(
        (waiting - waited).abs() < 1e-6 && waiting <= train,
        "{waiting} of {train}, {waited} in the epochs"
    );

    let evaluated = p.json(&["evaluate", "run", "--quiet", "--json"]);
    for (head, found) in summary["heads"]
        .as_array()
        .unwrap()
        .iter()
        .zip(evaluated["heads"].as_array().unwrap())
    {
        assert_eq!(head["name"], found["name"]);
        assert_eq!(head["test_accuracy"], found["accuracy"]);
        assert_eq!(head["test_loss"], found["loss"]);
    }
    assert_eq!(summary["heads"][3]["name"], "joint");
    assert_eq!(
        p.json(&["evaluate", "run", "--quiet", "--json", "--split", "validation"])["samples"],
        8
    );
}

#[test]
fn predictions_are_probabilities_and_agree_with_the_evaluation() {
    let p = playground();
    p.succeed(&["train", "tiny.toml", "--quiet", "--out", "run"]);
    let ids: Vec<String> = (72..112).map(|index| format!("scene-{index}")).collect();
    let mut arguments = vec!["predict", "run", "--quiet", "--json"];
    arguments.extend(ids.iter().map(String::as_str));
    let predictions = p.json(&arguments);
    let predictions = predictions.as_array().unwrap();
    let right = predictions
        .iter()
        .filter(|one| one["predicted"] == one["label"])
        .count();
    for prediction in predictions {
        for head in ["camera", "motion", "microphone", "joint"] {
            let probabilities = prediction["heads"][head].as_object().unwrap();
            let sum: f64 = probabilities.values().map(|value| value.as_f64().unwrap()).sum();
            assert!((sum - 1.0).abs() < 1e-9 && probabilities.len() == 8);
        }
    }
    let evaluated = p.json(&["evaluate", "run", "--quiet", "--json"]);
    assert_eq!(
        predicted(&evaluated)["accuracy"].as_f64().unwrap(),
        right as f64 / 40.0
    );
    p.refuse_after_run(&["predict", "run", "scene-9999"], "scene-9999");
}

#[test]
fn the_resolved_configuration_gives_the_same_run() {
    let p = playground();
    p.succeed(&[
        "train",
        "tiny.toml",
        "--quiet",
        "--out",
        "a",
        "--set",
        "blend.kind=joint",
    ]);
    p.succeed(&["train", "a/config.toml", "--quiet", "--out", "b"]);
    let model = |run: &str| std::fs::read(p.path(run).join("model.safetensors")).unwrap();
    assert_eq!(model("a"), model("b"));
    let config = |run: &str| std::fs::read_to_string(p.path(run).join("config.toml")).unwrap();
    assert_eq!(config("a"), config("b"));
}

#[test]
fn the_epoch_is_kept_whose_figure_is_best_by_what_predicts() {
    let p = playground();
    for (rule, key) in [("joint", "accuracy"), ("pool", "loss")] {
        let run = format!("by-{rule}");
        let predict = format!("blend.predict={rule}");
        let set = [
            "--out",
            &run,
            "--set",
            &predict,
            "--set",
            "run.epochs=4",
            "--set",
            "checkpoint.keep=true",
        ];
        let summary = p.json(&[&["train", "tiny.toml", "--quiet", "--json"][..], &set].concat());
        let file = |name: &str| std::fs::read(p.path(&run).join(name)).unwrap();
        let kept = format!("checkpoints/best-{}.safetensors", summary["selected_epoch"]);
        assert_eq!(file("model.safetensors"), file(&kept));
        let metrics = std::fs::read_to_string(p.path(&run).join("metrics.jsonl")).unwrap();
        let epochs: Vec<Value> = metrics
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let figures = epochs
            .iter()
            .map(|epoch| epoch["selection"][key].as_f64().unwrap());
        let better: Vec<f64> = figures
            .map(|figure| if key == "loss" { -figure } else { figure })
            .collect();
        let best = summary["selected_epoch"].as_u64().unwrap() as usize - 1;
        assert!(
            better.iter().all(|&other| other <= better[best]),
            "{rule}: {better:?} {best}"
        );
        if rule == "joint" {
            let joint = |epoch: &Value| epoch["heads"][3]["validation"]["accuracy"].clone();
            assert!(
                epochs
                    .iter()
                    .all(|epoch| joint(epoch) == epoch["selection"]["accuracy"])
            );
        }
    }
}

#[test]
fn a_head_without_weight_keeps_its_initial_parameters() {
    let p = playground();
    let run = |out: &str, epochs: &str| {
        let epochs = format!("run.epochs={epochs}");
        let set = [
            "--set",
            "blend.kind=unimodal",
            "--set",
            "blend.head=motion",
            "--set",
            &epochs,
        ];
        let summary = p.json(
            &[
                &["train", "tiny.toml", "--quiet", "--json", "--out", out][..],
                &set,
            ]
            .concat(),
        );
        assert_eq!(summary["heads"][1]["weight"], 1.0);
        assert_eq!(summary["heads"][0]["weight"], 0.0);
        summary
    };
    let (short, long) = (run("short", "1"), run("long", "3"));
    assert_eq!(short["heads"][0], long["heads"][0]);
    assert_eq!(short["heads"][2], long["heads"][2]);
    assert_ne!(short["heads"][1], long["heads"][1]);
}

#[test]
fn a_damaged_model_is_not_loaded() {
    let p = playground();
    p.succeed(&["train", "tiny.toml", "--quiet", "--out", "run"]);
    let path = p.path("run/model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    p.refuse_after_run(&["evaluate", "run"], "model.safetensors");
    std::fs::remove_file(p.path("run/summary.json")).unwrap();
    std::fs::remove_dir_all(p.path("run/checkpoints")).unwrap();
    p.refuse_after_run(&["evaluate", "run"], "did not end");
    p.refuse_after_run(&["evaluate", "nowhere"], "nowhere");
}
