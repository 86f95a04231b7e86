//! Samples that lack a modality: two heads see what they have, and a sample without any is bad.

use gblend_tests::{Playground, write_clips};

use crate::playground;

/// Frames of every sample, and the sound of those whose cell names it.
const CONFIG: &str = concat!(
    r#"
[run]
epochs = 2
batch_size = 4
validation = 0.25

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
split = "split"

[data.streams.camera]
column = "frames"
media = "frames"
optional = true

[data.streams.microphone]
column = "sound"
media = "waveform"
optional = true
"#,
    gblend_tests::clip_modalities!()
);

/// 24 samples, the last six for the test; every third is without sound.
fn prepared() -> Playground {
    let p = playground();
    write_clips(&p.path(""), 24);
    let mut table = "id,label,split,frames,sound\n".to_owned();
    for number in 1..=24 {
        let label = if number % 2 == 0 { "even" } else { "odd" };
        let split = if number > 18 { "test" } else { "train" };
        let sound = if number % 3 == 0 {
            String::new()
        } else {
            format!("s{number}.wav")
        };
        table += &format!("s{number},{label},{split},s{number},{sound}\n");
    }
    p.write("table.csv", table);
    p.write("m.toml", CONFIG);
    p
}

fn edit(p: &Playground, from: &str, to: &str) {
    let table = std::fs::read_to_string(p.path("table.csv")).unwrap();
    assert!(table.contains(from), "{from}");
    p.write("table.csv", table.replace(from, to));
}

#[test]
fn every_command_takes_samples_without_sound() {
    let p = prepared();
    p.succeed(&["check", "m.toml", "--quiet"]);
    for blend in [
        &["blend.kind=joint"][..],
        &["blend.kind=equal"],
        &["blend.kind=ogr", "blend.probe_epochs=1", "blend.resamples=20"],
    ] {
        let mut arguments = vec!["train", "m.toml", "--quiet", "--json", "--out", blend[0]];
        for set in blend {
            arguments.extend(["--set", set]);
        }
        let summary = p.json(&arguments);
        assert_eq!(summary["samples_skipped"], 0, "{blend:?}");
        let heads: Vec<(&str, u64)> = summary["heads"]
            .as_array()
            .unwrap()
            .iter()
            .map(|head| {
                (
                    head["name"].as_str().unwrap(),
                    head["test_samples"].as_u64().unwrap(),
                )
            })
            .collect();
        // 21 and 24 are without sound.
        assert_eq!(
            heads,
            [("camera", 6), ("microphone", 4), ("joint", 6)],
            "{blend:?}"
        );
        let report = p.json(&["evaluate", blend[0], "--subsets", "--json", "--quiet"]);
        assert_eq!(report["samples"], 6);
        assert_eq!(report["subsets"].as_array().unwrap().len(), 3, "{report}");
        let predicted = p.json(&["predict", blend[0], "s21", "s22", "--json", "--quiet"]);
        assert_eq!(predicted.as_array().unwrap().len(), 2, "{predicted}");
    }
}

#[test]
fn a_file_that_is_named_and_not_there_is_no_missing_modality() {
    let p = prepared();
    std::fs::remove_file(p.path("s4.wav")).unwrap();
    let parts = ["sample s4", "s4.wav", "not found"];
    p.refuse(&["check", "m.toml"], &parts);
    p.refuse(&["train", "m.toml"], &parts);
    let skip = ["--quiet", "--json", "--set", "data.on_bad_sample=skip"];
    let summary = p.json(&[&["train", "m.toml"][..], &skip].concat());
    assert_eq!(summary["samples_skipped"], 1);
}

#[test]
fn a_sample_without_any_modality_is_named_or_counted() {
    let p = prepared();
    edit(&p, "s6,even,train,s6,", "s6,even,train,,");
    let parts = ["sample s6", "none of the modalities"];
    p.refuse(&["check", "m.toml"], &parts);
    p.refuse(&["train", "m.toml"], &parts);
    let skip = ["--quiet", "--set", "data.on_bad_sample=skip"];
    let summary = p.json(&[&["train", "m.toml", "--json"][..], &skip].concat());
    assert_eq!(summary["samples_skipped"], 1);
    let checked = p.succeed(&[&["check", "m.toml"][..], &skip].concat());
    assert!(checked.contains("skipped: 1 samples"), "{checked}");
}

#[test]
fn an_empty_cell_of_a_stream_that_is_not_optional_is_an_error() {
    let p = prepared();
    p.refuse(
        &[
            "check",
            "m.toml",
            "--set",
            "data.streams.microphone.optional=false",
        ],
        &["8 problems", "sample s3", "`sound` is empty"],
    );
}

#[test]
fn the_subset_of_all_modalities_is_the_joint_head_under_any_fusion() {
    let p = prepared();
    for fusion in [
        "concat",
        "sum",
        "gated",
        "film",
        "lmf",
        "se",
        "attention",
        "mid-concat",
    ] {
        let set = format!("fusion.kind={fusion}");
        p.succeed(&["train", "m.toml", "--quiet", "--out", fusion, "--set", &set]);
        let report = p.json(&["evaluate", fusion, "--subsets", "--json", "--quiet"]);
        let loss = |list: &str| {
            report[list].as_array().unwrap().last().unwrap()["loss"]
                .as_f64()
                .unwrap()
        };
        let (joint, all) = (loss("heads"), loss("subsets"));
        assert!((joint - all).abs() < 1e-6 * joint, "{fusion}: {joint} {all}");
    }
}
