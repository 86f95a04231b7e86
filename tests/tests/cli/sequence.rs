//! Sequences of measurements, of any length.

use gblend_tests::{Playground, npy};

use crate::playground;

/// 60 sequences of two features, 6 to 15 steps long: one rises in one class and falls in the other.
const CONFIG: &str = r#"
[run]
epochs = 12
batch_size = 8
validation = 0

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
split = "split"
streams.sensor = { path = "{id}.npy", media = "array" }

[modality.sensor]
kind = "sequence"
length = 12
encoder = { channels = [8, 8], kernel = 3 }

[blend]
kind = "equal"

[optimizer]
kind = "adam"
learning_rate = 0.02
"#;

fn files() -> Playground {
    let p = playground();
    let mut table = String::from("id,label,split\n");
    for sample in 0..60 {
        let split = if sample < 40 { "train" } else { "test" };
        table.push_str(&format!("s{sample},{},{split}\n", ["up", "down"][sample % 2]));
        let (steps, sign) = (6 + sample % 10, [1.0, -1.0][sample % 2]);
        let values: Vec<f32> = (0..steps)
            .flat_map(|step| {
                [
                    sign * step as f32 + (sample * 7 % 5) as f32,
                    (sample * 31 % 11) as f32,
                ]
            })
            .collect();
        p.write(&format!("s{sample}.npy"), npy(&[steps, 2], &values));
    }
    p.write("table.csv", table);
    p.write("sequences.toml", CONFIG);
    p
}

#[test]
fn sequences_of_any_length_train_with_every_network() {
    let p = files();
    for (name, set) in [
        ("convolution", "modality.sensor.encoder.dropout=0.1"),
        (
            "transformer",
            "modality.sensor.encoder={ architecture = \"transformer\", width = 16, heads = 2, hidden = 16 }",
        ),
        (
            "gru",
            "modality.sensor.encoder={ architecture = \"gru\", units = 8 }",
        ),
        ("resampled", "modality.sensor.resize=\"resample\""),
        (
            "augmented",
            "modality.sensor.augment={ jitter = 0.1, scale = 0.1, shift = 2, mask = 2 }",
        ),
    ] {
        let summary = p.json(&[
            "train",
            "sequences.toml",
            "--quiet",
            "--json",
            "--out",
            name,
            "--set",
            set,
        ]);
        let head = &summary["heads"][0];
        assert!(head["test_accuracy"].as_f64().unwrap() >= 0.9, "{name}: {head}");
        let again = p.json(&["evaluate", name, "--quiet", "--json"]);
        assert_eq!(again["heads"][0]["loss"], head["test_loss"], "{name}");
    }
}

#[test]
fn what_is_no_sequence_is_refused_by_sample_and_step() {
    let p = files();
    let train = ["train", "sequences.toml", "--quiet"];
    p.write("s3.npy", npy(&[2, 2], &[0.0, 1.0, 0.0, f32::NEG_INFINITY]));
    p.refuse(&train, &["s3", "step 1, feature 1", "-inf"]);
    p.write("s3.npy", npy(&[2, 2, 1], &[0.0; 4]));
    p.refuse(&train, &["s3", "[2, 2, 1]", "[steps, features]"]);
    p.write("s3.npy", npy(&[4, 3], &[0.0; 12]));
    p.refuse(&train, &["s3", "[4, 12]", "[3, 12]"]);
    p.write("s3.npy", npy(&[2, 2], &[0.0; 4]));
    for (set, parts) in [
        ("modality.sensor.length=0", ["modality.sensor.length = 0", "1 to"]),
        (
            "modality.sensor.encoder.units=4",
            ["modality.sensor.encoder.units = 4", "convolution"],
        ),
        (
            "modality.sensor.augment.jitter=-1",
            ["modality.sensor.augment.jitter = -1", "0 to 100"],
        ),
    ] {
        p.refuse(&[&train[..], &["--set", set]].concat(), &parts);
    }
    let config = CONFIG.replace("length = 12\n", "");
    p.write("ragged.toml", config);
    p.refuse(&["train", "ragged.toml", "--quiet"], &["length", "one shape"]);
}
