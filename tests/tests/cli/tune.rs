//! Methods that are tuned by validation before they are compared.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::playground;
use gblend_tests::Playground;

const LEARNING_RATES: &str = "optimizer.learning_rate=1e-7,0.05";

fn compare(p: &Playground, out: &str, more: &[&str]) -> Value {
    let own = [
        "compare",
        "tiny.toml",
        "--quiet",
        "--json",
        "--jobs=2",
        "--out",
        out,
    ];
    let set = [
        "--set",
        "run.epochs=2",
        "--set",
        "run.validation=0.25",
        "--seeds=1",
        "--tune-seeds=1",
    ];
    p.json(&[&own[..], &set, more].concat())
}

fn row<'a>(comparison: &'a Value, method: &str) -> &'a Value {
    let rows = comparison["rows"].as_array().unwrap();
    rows.iter().find(|row| row["method"] == method).unwrap()
}

fn chosen(row: &Value) -> &str {
    let position = row["tuned"]["chosen"].as_u64().unwrap() as usize;
    row["tuned"]["points"][position]["values"][0].as_str().unwrap()
}

#[test]
fn each_method_is_compared_with_what_validation_chose_on_seeds_of_its_own() {
    let p = playground();
    let comparison = compare(&p, "c", &["--methods", "equal", "--tune", LEARNING_RATES]);
    for row in comparison["rows"].as_array().unwrap() {
        assert_eq!(chosen(row), "0.05", "{row}");
        assert_eq!(row["tuned"]["seeds"], serde_json::json!([1_000_000]));
        assert_eq!(row["seeds"], serde_json::json!([0]));
        let config = p
            .path("c")
            .join(row["runs"][0].as_str().unwrap())
            .join("config.toml");
        let config: toml::Table = std::fs::read_to_string(config).unwrap().parse().unwrap();
        assert_eq!(config["optimizer"]["learning_rate"].as_float(), Some(0.05));
        // Better by validation is larger, whatever it is better in.
        let figures: Vec<f64> = row["tuned"]["points"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point["figures"][0].as_f64().unwrap())
            .collect();
        assert!(figures[1] >= figures[0], "{row}");
    }
    let summary = p.path("c/tuning/equal/point1/seed-1000000/summary.json");
    let before = std::fs::metadata(&summary).unwrap().modified().unwrap();
    let again = compare(&p, "c", &["--methods", "equal", "--tune", LEARNING_RATES]);
    assert_eq!(again["rows"], comparison["rows"]);
    assert_eq!(std::fs::metadata(&summary).unwrap().modified().unwrap(), before);
}

#[test]
fn test_samples_have_no_part_in_what_is_chosen() {
    let p = playground();
    let of = |count: usize, out: &str| {
        let set = format!("data.test_samples={count}");
        let comparison = compare(
            &p,
            out,
            &["--methods", "equal", "--tune", LEARNING_RATES, "--set", &set],
        );
        let rows = comparison["rows"].as_array().unwrap().iter();
        rows.map(|row| row["tuned"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(24, "few"), of(96, "many"));
}

/// The folders of runs below a folder.
fn run_folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (here, below): (Vec<PathBuf>, Vec<PathBuf>) = entries
        .filter(|path| path.is_dir())
        .partition(|path| path.join("summary.json").exists());
    here.into_iter()
        .chain(below.iter().flat_map(|folder| run_folders(folder)))
        .collect()
}

#[test]
fn runs_that_tune_say_nothing_of_any_test_sample() {
    let p = playground();
    compare(&p, "c", &["--methods", "equal", "--tune", LEARNING_RATES]);
    let tuning = run_folders(&p.path("c/tuning"));
    assert!(tuning.len() >= 4, "{tuning:?}");
    for run in &tuning {
        let summary: Value =
            serde_json::from_str(&std::fs::read_to_string(run.join("summary.json")).unwrap()).unwrap();
        assert_eq!(summary["predictions"], serde_json::json!([]), "{}", run.display());
        for head in summary["heads"].as_array().unwrap() {
            assert_eq!(head["test_samples"], 0, "{head}");
            for key in ["test_accuracy", "test_loss", "test_metrics"] {
                assert!(head.get(key).is_none(), "{head}");
            }
        }
        for file in ["test.json", "test_samples.csv"] {
            assert!(!run.join(file).exists(), "{} has {file}", run.display());
        }
    }
    let compared = run_folders(&p.path("c/cells"));
    assert!(!compared.is_empty());
    for run in compared {
        assert!(run.join("test_samples.csv").exists(), "{}", run.display());
    }
}

#[test]
fn the_learning_rate_is_searched_further_while_an_edge_is_best_and_a_rate_that_diverges_is_passed_by() {
    let p = playground();
    let further = [
        "--methods",
        "joint",
        "--tune",
        "--set",
        "optimizer.learning_rate=0.0001",
    ];
    let joint = compare(&p, "slow", &further);
    let tuned = &row(&joint, "joint")["tuned"];
    assert!(tuned["points"].as_array().unwrap().len() > 3, "{tuned}");
    assert!(
        chosen(row(&joint, "joint")).parse::<f64>().unwrap() > 0.0003,
        "{tuned}"
    );
    let diverging = [
        "--methods",
        "joint",
        "--tune",
        "optimizer.learning_rate=0.05,1e30",
    ];
    let joint = compare(&p, "fast", &diverging);
    let tuned = &row(&joint, "joint")["tuned"];
    assert_eq!(chosen(row(&joint, "joint")), "0.05");
    assert!(tuned["points"][1]["problem"].is_string(), "{tuned}");
    assert!(tuned["points"][1].get("figures").is_none(), "{tuned}");
}

#[test]
fn what_begins_from_networks_alone_begins_from_those_that_were_tuned() {
    let p = playground();
    let comparison = compare(&p, "c", &["--methods", "pretrained", "--tune", LEARNING_RATES]);
    let found = p.path("c/tuning/pretrained/point1/seed-1000000/config.toml");
    let config: toml::Table = std::fs::read_to_string(found).unwrap().parse().unwrap();
    let from = config["modality"]["camera"]["pretrained"].as_str().unwrap();
    assert!(
        from.ends_with("tuning/single-camera/point1/seed-1000000"),
        "{from}"
    );
    assert_eq!(chosen(row(&comparison, "single:camera")), "0.05");
}

#[test]
fn without_validation_samples_nothing_is_tuned() {
    let p = playground();
    p.refuse(
        &[
            "compare",
            "tiny.toml",
            "--quiet",
            "--set",
            "run.validation=0",
            "--tune",
            "--seeds=1",
            "--out",
            "c",
        ],
        &["--tune", "run.validation"],
    );
    p.refuse(
        &["compare", "--tune", "tiny.toml", "--out", "d"],
        &["a configuration comes before it"],
    );
}
