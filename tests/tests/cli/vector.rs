//! Vectors: features of another network, rows of a table.

use gblend_tests::{Playground, assert_same_losses, npy};
use serde_json::Value;

use crate::playground;

/// 60 samples of two classes: the first column tells them apart.
const CONFIG: &str = r#"
[run]
epochs = 8
batch_size = 16
validation = 0.2

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
split = "split"
streams.features = { path = "{id}.npy", media = "array" }
streams.others = { path = "{id}.b.npy", media = "array" }

[modality.features]
kind = "vector"
categorical = [3]
encoder = { widths = [8], dropout = 0 }

[modality.others]
kind = "vector"
encoder.architecture = "linear"

[blend]
kind = "equal"

[optimizer]
kind = "adam"
learning_rate = 0.02
"#;

/// A column that tells, a constant, one with gaps, a category, and one that is all gaps.
fn values(sample: usize) -> Vec<f32> {
    let noise = (sample * 7919 % 101) as f32 / 101.0;
    vec![
        1000.0 + 10.0 * (sample % 2) as f32 + noise,
        7.0,
        if sample.is_multiple_of(4) { f32::NAN } else { noise },
        (sample % 3) as f32,
        f32::NAN,
    ]
}

fn files() -> Playground {
    let p = playground();
    let mut table = String::from("id,label,split\n");
    for sample in 0..60 {
        let split = if sample < 40 { "train" } else { "test" };
        table.push_str(&format!("s{sample},{},{split}\n", ["a", "b"][sample % 2]));
        p.write(&format!("s{sample}.npy"), npy(&[5], &values(sample)));
        // NumPy's way with one row of a matrix.
        p.write(&format!("s{sample}.b.npy"), npy(&[1, 2], &[sample as f32, 0.5]));
    }
    p.write("table.csv", table);
    p.write("vectors.toml", CONFIG);
    p
}

fn accuracy(summary: &Value, head: &str) -> f64 {
    let heads = summary["heads"].as_array().unwrap();
    let head = heads.iter().find(|other| other["name"] == head).unwrap();
    head["test_accuracy"].as_f64().unwrap()
}

#[test]
fn vectors_train_and_are_evaluated_with_the_figures_that_they_were_trained_with() {
    let p = files();
    let summary = p.json(&["train", "vectors.toml", "--quiet", "--json", "--out", "run"]);
    assert_eq!(accuracy(&summary, "features"), 1.0);
    let fitted: Value = serde_json::from_slice(&std::fs::read(p.path("run/fitted.json")).unwrap()).unwrap();
    let columns = fitted["modalities"]["features"]["value"]["numbers"]
        .as_array()
        .unwrap();
    let mean = columns[0]["mean"].as_f64().unwrap();
    assert!((1000.0..1011.0).contains(&mean), "{mean}");
    // Training samples with other values would be fitted to anew, and the means with them.
    for sample in 0..40 {
        let moved: Vec<f32> = values(sample).iter().map(|value| value * 3.0).collect();
        p.write(&format!("s{sample}.npy"), npy(&[5], &moved));
    }
    let again = p.json(&["evaluate", "run", "--quiet", "--json"]);
    assert_same_losses(&summary, &again);
    let predicted = p.json(&["predict", "run", "s41", "--quiet", "--json"]);
    assert_eq!(predicted[0]["predicted"], "b");
    // What was fitted belongs to the model.
    let text = std::fs::read_to_string(p.path("run/fitted.json")).unwrap();
    p.write(
        "run/fitted.json",
        text.replace("\"missing\": 0", "\"missing\": 1"),
    );
    p.refuse_after_run(&["evaluate", "run", "--quiet"], "fitted.json");
}

#[test]
fn a_run_that_goes_on_and_an_encoder_that_is_taken_over_keep_their_figures() {
    let p = files();
    let begin = ["train", "vectors.toml", "--quiet", "--set", "run.seed=1", "--out"];
    p.succeed(&[&begin[..], &["whole"]].concat());
    let fitted = |run: &str| std::fs::read(p.path(run).join("fitted.json")).unwrap();
    let model = |run: &str| std::fs::read(p.path(run).join("model.safetensors")).unwrap();
    // A run that was stopped after its last checkpoint.
    p.succeed(&[&begin[..], &["stopped"]].concat());
    for file in [
        "summary.json",
        "model.json",
        "model.safetensors",
        "test.json",
        "test_samples.csv",
        "advice.json",
    ] {
        std::fs::remove_file(p.path("stopped").join(file)).unwrap();
    }
    let kept = fitted("stopped");
    assert_eq!(kept, fitted("whole"));
    p.succeed(&["train", "--quiet", "--resume", "stopped"]);
    assert_eq!(
        (fitted("stopped"), model("stopped")),
        (kept.clone(), model("whole"))
    );
    // Another seed draws other training samples, and has figures of its own unless the encoder comes from elsewhere.
    p.succeed(&[
        "train",
        "vectors.toml",
        "--quiet",
        "--set",
        "run.seed=2",
        "--out",
        "other",
    ]);
    let of = |run: &str| -> Value {
        let all: Value = serde_json::from_slice(&fitted(run)).unwrap();
        all["modalities"]["features"].clone()
    };
    assert_ne!(of("other"), of("whole"));
    let pretrained = "modality.features.pretrained=\"whole\"";
    p.succeed(&[
        "train",
        "vectors.toml",
        "--quiet",
        "--set",
        "run.seed=2",
        "--set",
        pretrained,
        "--out",
        "taken",
    ]);
    assert_eq!(of("taken"), of("whole"));
}

#[test]
fn check_shows_what_is_fitted() {
    let p = files();
    let shown = p.succeed(&["check", "vectors.toml", "--quiet"]);
    for part in [
        "modality features: vector, samples of shape [9]",
        "4 columns standardized",
        "2 constant",
        "in 2 columns, such as column 2",
        "column 3: 3 categories",
    ] {
        assert!(shown.contains(part), "`{part}` is not in: {shown}");
    }
}

#[test]
fn what_is_no_vector_is_refused_by_sample_and_column() {
    let p = files();
    let train = ["train", "vectors.toml", "--quiet"];
    p.write("s3.npy", npy(&[5], &[0.0, f32::INFINITY, 0.0, 0.0, 0.0]));
    p.refuse(&train, &["s3", "column 1", "inf"]);
    p.write("s3.npy", npy(&[4], &[0.0; 4]));
    p.refuse(&train, &["s3", "[4]", "[5]"]);
    p.write("s3.npy", npy(&[2, 3], &[0.0; 6]));
    p.refuse(&train, &["s3", "[2, 3]", "sequence"]);
    p.write("s3.npy", npy(&[0], &[]));
    p.refuse(&train, &["s3", "at least one"]);
    p.write("s3.npy", npy(&[5], &values(3)));
    for (set, parts) in [
        (
            "modality.features.categorical=[5]",
            ["modality.features.categorical = 5", "below 5"],
        ),
        (
            "modality.features.categorical=[1, 1]",
            ["modality.features.categorical = 1", "once"],
        ),
        (
            "modality.features.clip=0",
            ["modality.features.clip = 0", "above 0"],
        ),
        (
            "modality.features.encoder.widths=[]",
            ["modality.features.encoder.widths = 0", "1 to 1000"],
        ),
        (
            "modality.features.category_width=0",
            ["modality.features.category_width = 0", "1 to 65536"],
        ),
        (
            "modality.others.encoder.widths=[8, 8]",
            ["modality.others.encoder.widths", "linear"],
        ),
    ] {
        p.refuse(&[&train[..], &["--set", set]].concat(), &parts);
    }
}

/// A configuration whose first stream has a number and two columns of categories.
const CATEGORIES: &str = r#"
[run]
epochs = 8
batch_size = 8
validation = 0

[data]
kind = "manifest"
table = "categories.csv"
id = "id"
label = "label"
split = "split"

[data.streams.features]
media = "array"
columns = "f_*"
categories = ["f_color", "f_code"]

[data.streams.others]
media = "array"
columns = ["noise"]

[modality.features]
kind = "vector"
encoder = { widths = [8], dropout = 0 }

[modality.others]
kind = "vector"

[blend]
kind = "equal"

[optimizer]
kind = "adam"
learning_rate = 0.02
"#;

/// 40 samples: the color is the class. `more` rows are appended.
fn write_categories(p: &Playground, more: &str) {
    let mut table = String::from("id,label,split,f_size,f_color,f_code,noise\n");
    for sample in 0..40 {
        let split = if sample < 28 { "train" } else { "test" };
        let (label, color) = (["a", "b"][sample % 2], ["r\u{f6}d", "bl\u{e5}"][sample % 2]);
        // One test sample has a color of its own, and one none.
        let color = match sample {
            34 => "gul",
            35 => "",
            _ => color,
        };
        table.push_str(&format!(
            "s{sample},{label},{split},{},{color},0{},{}\n",
            sample * 7 % 5,
            sample % 3,
            sample % 4
        ));
    }
    p.write("categories.csv", table + more);
    p.write("categories.toml", CATEGORIES);
}

#[test]
fn names_of_categories_are_learned_from_the_training_samples_alone() {
    let p = playground();
    write_categories(&p, "");
    let checked = p.succeed(&["check", "categories.toml", "--quiet"]);
    // Neither the color of a test sample nor the missing one of another is known.
    assert!(
        checked.contains("column 1: 2 categories") && checked.contains("column 2: 3 categories"),
        "{checked}"
    );
    let summary = p.json(&["train", "categories.toml", "--quiet", "--json", "--out", "run"]);
    assert!(accuracy(&summary, "features") >= 10.0 / 12.0, "{summary}");
    // What a category is called says what it is, whatever else the table has: no code is counted out.
    write_categories(&p, "t1,b,test,0,bl\u{e5},00,1\nt2,a,train,1,a new one,99,0\n");
    let predicted = p.json(&["predict", "run", "t1", "s29", "s34", "--quiet", "--json"]);
    assert_eq!(
        (&predicted[0]["predicted"], &predicted[1]["predicted"]),
        (&"b".into(), &"b".into())
    );
    // Learned vectors in place of columns.
    p.succeed(&[
        "train",
        "categories.toml",
        "--quiet",
        "--set",
        "modality.features.category_width=3",
    ]);
}

#[test]
fn categories_have_to_be_asked_for_and_taken_by_a_vector() {
    let p = playground();
    write_categories(&p, "");
    let with = |from: &str, to: &str| p.write("c.toml", CATEGORIES.replace(from, to));
    with("categories = [\"f_color\", \"f_code\"]\n", "");
    p.refuse(&["check", "c.toml", "--quiet"], &["f_color", "expected a number"]);
    with("\"f_code\"]", "\"noise\"]");
    p.refuse(
        &["check", "c.toml"],
        &["streams.features.categories", "in the stream's `columns`"],
    );
    with("columns = \"f_*\"", "path = \"{id}.npy\"");
    p.refuse(
        &["check", "c.toml"],
        &["streams.features.categories", "`columns` beside it"],
    );
    with(
        "kind = \"vector\"\nencoder = { widths = [8], dropout = 0 }",
        "kind = \"sequence\"",
    );
    p.refuse(&["check", "c.toml", "--quiet"], &["name of a category"]);
}
