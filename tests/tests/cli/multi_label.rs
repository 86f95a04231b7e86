//! Samples with any number of classes.

use gblend_tests::{Playground, write_clips};
use serde_json::json;

use crate::playground;

const CONFIG: &str = concat!(
    r#"
[run]
epochs = 1
batch_size = 8
validation = 0.25

[data]
kind = "manifest"
table = "TABLE"
id = "id"
label = "tags"
label_separator = ";"
split = "split"
"#,
    gblend_tests::clip_streams!(),
    gblend_tests::clip_modalities!()
);

const SAMPLES: usize = 28;

/// Some of `even`, `third` and `large`; none for 1, 5, 7, 11 and 13.
fn tags(number: usize) -> Vec<&'static str> {
    [
        ("even", number.is_multiple_of(2)),
        ("third", number.is_multiple_of(3)),
        ("large", number > 14),
    ]
    .into_iter()
    .filter_map(|(tag, has)| has.then_some(tag))
    .collect()
}

/// The same samples as CSV and JSON Lines, the last seven for the test.
fn prepared() -> Playground {
    let p = playground();
    write_clips(&p.path(""), SAMPLES);
    let (mut csv, mut lines) = ("id,split,tags\n".to_owned(), String::new());
    for number in 1..=SAMPLES {
        let split = if number > 21 { "test" } else { "train" };
        let tags = tags(number);
        csv += &format!("s{number},{split},{}\n", tags.join("; "));
        lines += &format!(
            "{}\n",
            json!({"id": format!("s{number}"), "split": split, "tags": tags})
        );
    }
    p.write("table.csv", csv);
    p.write("table.jsonl", lines);
    p.write("csv.toml", CONFIG.replace("TABLE", "table.csv"));
    p.write("lines.toml", CONFIG.replace("TABLE", "table.jsonl"));
    p
}

#[test]
fn a_separator_and_a_list_give_the_same_model() {
    let p = prepared();
    for name in ["csv", "lines"] {
        let config = format!("{name}.toml");
        let summary = p.json(&["train", &config, "--quiet", "--json", "--out", name]);
        assert_eq!(summary["samples_skipped"], 0);
        for head in summary["heads"].as_array().unwrap() {
            let precision = head["test_mean_average_precision"].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&precision), "{head}");
        }
        let stored = std::fs::read_to_string(p.path(name).join("summary.json")).unwrap();
        assert!(stored.contains("test_mean_average_precision"), "{stored}");
    }
    let model = |name: &str| std::fs::read(p.path(name).join("model.safetensors")).unwrap();
    assert!(model("csv") == model("lines"));
    p.succeed(&["evaluate", "csv", "--subsets", "--quiet"]);
    p.succeed(&["predict", "csv", "s1", "s6", "--quiet"]);
}

#[test]
fn an_unknown_class_is_refused_by_name_and_an_empty_cell_is_a_sample() {
    let p = prepared();
    let classes = |list: &str| format!("data.classes={list}");
    p.refuse(
        &["check", "csv.toml", "--set", &classes("[\"even\", \"large\"]")],
        &["unknown label `third`", "sample s3"],
    );
    // 1, 5, 7, 11 and 13 have no class, and are there to be predicted.
    let all = classes("[\"even\", \"third\", \"large\"]");
    let summary = p.json(&[
        "train", "csv.toml", "--quiet", "--json", "--out", "run", "--set", &all,
    ]);
    assert_eq!(summary["samples_skipped"], 0);
    p.succeed(&["predict", "run", "s1", "s5", "s7", "s11", "s13", "--quiet"]);
}

#[test]
fn every_blend_strategy_trains_on_several_classes() {
    let p = prepared();
    for strategy in p.strategies() {
        let mut arguments = vec!["train", "csv.toml", "--quiet", "--json"];
        arguments.extend(strategy.iter().map(String::as_str));
        let summary = p.json(&arguments);
        for head in summary["heads"].as_array().unwrap() {
            assert!(
                head["test_loss"].as_f64().unwrap().is_finite(),
                "{strategy:?}: {head}"
            );
        }
    }
}

#[test]
fn where_no_class_passes_the_nearest_are_told_with_their_probabilities() {
    let p = prepared();
    p.succeed(&[
        "train",
        "csv.toml",
        "--quiet",
        "--out",
        "run",
        "--set",
        "run.epochs=20",
    ]);
    let ids: Vec<String> = (1..=SAMPLES).map(|number| format!("s{number}")).collect();
    let predict: Vec<&str> = ["predict", "run", "--quiet"]
        .into_iter()
        .chain(ids.iter().map(String::as_str))
        .collect();
    let predictions = p.json(&[&predict[..], &["--json"]].concat());
    let mut none = 0;
    for one in predictions.as_array().unwrap() {
        if !one["predicted"].as_array().unwrap().is_empty() {
            assert!(one.get("likely").is_none(), "{one}");
            continue;
        }
        none += 1;
        let likely = one["likely"].as_array().unwrap();
        let likely: Vec<f64> = likely
            .iter()
            .map(|class| class["probability"].as_f64().unwrap())
            .collect();
        assert!(
            likely.len() == 3 && likely.is_sorted_by(|a, b| a >= b) && likely[0] < 0.5,
            "{one}"
        );
    }
    assert!(none > 0, "{predictions}");
    let table = p.succeed(&predict);
    assert!(table.contains("(none)") && table.contains("nearest: "), "{table}");
}

#[test]
fn an_exported_model_has_a_probability_of_its_own_for_each_class() {
    let p = prepared();
    p.succeed(&["train", "csv.toml", "--quiet", "--out", "run"]);
    p.succeed(&["export", "run", "--onnx", "model.onnx"]);
    let model = crate::onnx::read(&p, "model.onnx");
    assert_eq!(model.outputs["probabilities"], ["batch", "3"]);
    assert!(!model.operators.contains("Softmax"), "{:?}", model.operators);
}
