//! TensorBoard's event files, read by a reader that shares nothing with their writer. `cargo xtask tensorboard` has the
//! tensorboard package read them.
#![allow(clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;

use crate::playground;
use crate::protobuf::{Field, fields, take};
use serde_json::Value;

/// Each tag with its values by step.
type Scalars = BTreeMap<String, BTreeMap<u64, f32>>;

#[test]
fn tensorboard_has_every_figure_of_the_epochs_the_estimates_and_the_test() {
    let p = playground();
    let summary = p.json(&[
        "train",
        "tiny.toml",
        "--quiet",
        "--json",
        "--out",
        "run",
        "--set",
        "log.tensorboard=true",
        "--set",
        "blend.kind=ogr",
        "--set",
        "blend.schedule=online",
    ]);
    let written = std::fs::read_to_string(p.path("run/config.toml")).unwrap();
    let written: toml::Table = written.parse().unwrap();
    assert_eq!(written["log"]["tensorboard"].as_bool(), Some(true));

    let mut expected = Scalars::new();
    let mut add = |tag: String, step: &Value, value: &Value| {
        if let Some(value) = value.as_f64() {
            let step = step.as_u64().unwrap();
            expected.entry(tag).or_default().insert(step, value as f32);
        }
    };
    let metrics = std::fs::read_to_string(p.path("run/metrics.jsonl")).unwrap();
    for line in metrics.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(report) = line.get("blend") {
            for head in report["heads"].as_array().unwrap() {
                let name = head["name"].as_str().unwrap();
                for key in ["delta_o", "delta_g", "ogr", "weight"] {
                    add(format!("estimate/{key}/{name}"), &report["epoch"], &head[key]);
                }
            }
            continue;
        }
        add("learning_rate".into(), &line["epoch"], &line["learning_rate"]);
        for head in line["heads"].as_array().unwrap() {
            let name = head["name"].as_str().unwrap();
            add(format!("weight/{name}"), &line["epoch"], &head["weight"]);
            for part in ["train", "validation"] {
                for key in ["loss", "accuracy"] {
                    add(format!("{part}/{key}/{name}"), &line["epoch"], &head[part][key]);
                }
            }
            let balanced = &head["validation"]["metrics"]["balanced_accuracy"];
            add(
                format!("validation/balanced_accuracy/{name}"),
                &line["epoch"],
                balanced,
            );
        }
    }
    for head in summary["heads"].as_array().unwrap() {
        let name = head["name"].as_str().unwrap();
        let (step, value) = (&summary["selected_epoch"], &head["test_accuracy"]);
        add(format!("test/accuracy/{name}"), step, value);
        let balanced = &head["test_metrics"]["balanced_accuracy"];
        add(format!("test/balanced_accuracy/{name}"), step, balanced);
    }
    let found = read_folder(&p.path("run/tensorboard"));
    for part in ["train/loss/camera", "validation/accuracy/joint", "learning_rate"] {
        assert_eq!(found[part].keys().copied().collect::<Vec<_>>(), [1, 2], "{part}");
    }
    assert!(found["estimate/delta_g/motion"].contains_key(&0), "{found:?}");
    assert_eq!(found, expected);
}

#[test]
fn without_being_asked_a_run_writes_nothing_for_tensorboard() {
    let p = playground();
    p.succeed(&["train", "tiny.toml", "--quiet", "--out", "run"]);
    assert!(!p.path("run/tensorboard").exists());
    p.refuse_after_run(
        &["train", "tiny.toml", "--set", "log.tensorbord=true"],
        "tensorbord",
    );
}

/// The scalars of the only event file of a folder.
fn read_folder(folder: &Path) -> Scalars {
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 1);
    let name = files[0].file_name().into_string().unwrap();
    assert!(
        name.starts_with("events.out.tfevents.") && name.ends_with(".gblend"),
        "{name}"
    );
    let bytes = std::fs::read(files[0].path()).unwrap();
    let mut left = bytes.as_slice();
    let (mut scalars, mut versions) = (Scalars::new(), Vec::new());
    while !left.is_empty() {
        let length = u64::from_le_bytes(take(&mut left, 8).try_into().unwrap());
        take(&mut left, 4);
        let payload = take(&mut left, length as usize);
        take(&mut left, 4);
        read_event(payload, &mut scalars, &mut versions);
    }
    assert_eq!(versions, ["brain.Event:2"]);
    scalars
}

fn read_event(payload: &[u8], scalars: &mut Scalars, versions: &mut Vec<String>) {
    let mut step = 0;
    for (number, field) in fields(payload) {
        match (number, field) {
            (1, Field::Fixed64(seconds)) => assert!(f64::from_bits(seconds) > 1.7e9),
            (2, Field::Varint(value)) => step = value,
            (3, Field::Bytes(version)) => versions.push(String::from_utf8(version.to_vec()).unwrap()),
            (5, Field::Bytes(summary)) => {
                for (number, value) in fields(summary) {
                    let Field::Bytes(value) = value else {
                        panic!("not a message")
                    };
                    assert_eq!(number, 1);
                    let [(1, Field::Bytes(tag)), (2, Field::Fixed32(bits))] = fields(value)[..] else {
                        panic!("not a tag and a simple value: {value:?}")
                    };
                    let of_tag = scalars.entry(String::from_utf8(tag.to_vec()).unwrap());
                    let before = of_tag.or_default().insert(step, f32::from_bits(bits));
                    assert_eq!(before, None, "twice in one step");
                }
            }
            other => panic!("unexpected field: {other:?}"),
        }
    }
}
