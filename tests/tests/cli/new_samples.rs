//! A run folder alone predicts samples of files that the run never saw.

use gblend_tests::{Playground, npy};
use serde_json::Value;

use crate::playground;

const SAMPLES: usize = 96;
const TEST: usize = 72;
const CLASSES: [&str; 3] = ["low", "mid", "high"];

const CONFIG: &str = r#"
[run]
epochs = 3
batch_size = 8
validation = 0.5

[data]
kind = "manifest"
table = "data/table.csv"
id = "id"
label = "label"
split = "split"

[data.streams.body]
columns = "v*"
media = "array"

[data.streams.sensor]
path = "{id}.npy"
media = "array"

[data.streams.title]
column = "title"
media = "text"

[modality.body]
kind = "vector"

[modality.hand]
kind = "sequence"
source = "sensor"
length = 6
encoder = { architecture = "convolution", channels = [4] }

[modality.title]
kind = "text"

[blend]
kind = "equal"
"#;

/// Noise between -1 and 1.
fn noise(sample: usize, at: usize) -> f32 {
    let hash = (sample * 31 + at + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (hash >> 40 & 0xFFFF) as f32 / 32768.0 - 1.0
}

fn class(sample: usize) -> usize {
    sample % CLASSES.len()
}

/// A cell by the name of its column.
fn cell(sample: usize, column: &str) -> String {
    let side = class(sample) as f32 - 1.0;
    match column {
        "id" => format!("s{sample}"),
        "label" => CLASSES[class(sample)].to_owned(),
        "split" => (if sample < TEST { "train" } else { "test" }).to_owned(),
        "title" => ["a dark one", "a light one", "neither"][(sample * 5 + class(sample)) % 3].to_owned(),
        "vnew" => "17".to_owned(),
        column => {
            let at: usize = column[1..].parse().unwrap();
            (side + noise(sample, at)).to_string()
        }
    }
}

/// A table of samples with these columns.
fn table(samples: impl IntoIterator<Item = usize>, columns: &[&str]) -> String {
    let lines = samples.into_iter().map(|sample| {
        columns
            .iter()
            .map(|column| cell(sample, column))
            .collect::<Vec<_>>()
            .join(",")
    });
    let lines: Vec<String> = [columns.join(",")].into_iter().chain(lines).collect();
    lines.join("\n") + "\n"
}

const OWN: [&str; 7] = ["id", "label", "split", "v1", "v2", "v3", "title"];
/// As somebody else would write it: without labels, in another order, with a column that the pattern would take.
const OTHER: [&str; 6] = ["v3", "vnew", "title", "v1", "id", "v2"];

fn sensor(p: &Playground, folder: &str, sample: usize) {
    let steps = 4 + sample % 3;
    let values: Vec<f32> = (0..steps * 2)
        .map(|at| noise(sample, 7 + at) + class(sample) as f32)
        .collect();
    p.write(&format!("{folder}/s{sample}.npy"), npy(&[steps, 2], &values));
}

/// A run as `moved/run`, without the data that it was trained on, and what it said of its test samples while it had them.
fn moved() -> (Playground, Value, Value) {
    let p = playground();
    p.write("data/table.csv", table(0..SAMPLES, &OWN));
    (0..SAMPLES).for_each(|sample| sensor(&p, "data", sample));
    p.write("config.toml", CONFIG);
    p.succeed(&["train", "config.toml", "--quiet", "--out", "run"]);
    let names: Vec<String> = (TEST..SAMPLES).map(|sample| format!("s{sample}")).collect();
    let mut arguments = vec!["predict", "run", "--quiet", "--json"];
    arguments.extend(names.iter().map(String::as_str));
    let predicted = p.json(&arguments);
    let evaluated = p.json(&["evaluate", "run", "--quiet", "--json"]);
    p.write("moved/keep", "");
    std::fs::rename(p.path("run"), p.path("moved/run")).unwrap();
    std::fs::remove_dir_all(p.path("data")).unwrap();
    (TEST..SAMPLES).for_each(|sample| sensor(&p, "new", sample));
    p.write("new/table.csv", table(TEST..SAMPLES, &OTHER));
    p.write("new/labeled.csv", table(TEST..SAMPLES, &OWN));
    (p, predicted, evaluated)
}

/// Predictions without what only a labeled sample has.
fn unlabeled(mut predictions: Value) -> Value {
    for prediction in predictions.as_array_mut().unwrap() {
        prediction["label"] = Value::Null;
    }
    predictions
}

/// Products of one row are summed in another order than those of a batch.
fn assert_close(one: &Value, other: &Value) {
    for (class, probability) in one.as_object().unwrap() {
        let difference = probability.as_f64().unwrap() - other[class].as_f64().unwrap();
        assert!(difference.abs() < 1e-6, "{one} {other}");
    }
}

fn lines(csv: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(csv.as_bytes());
    reader
        .records()
        .map(|record| record.unwrap().iter().map(str::to_owned).collect())
        .collect()
}

#[test]
fn a_run_without_its_data_says_of_new_files_what_it_said_of_its_own_to_the_bit() {
    let (p, own, evaluated) = moved();
    let new = p.json(&[
        "predict",
        "moved/run",
        "--table",
        "new/table.csv",
        "--quiet",
        "--json",
    ]);
    assert_eq!(new, unlabeled(own));
    // And so do all formats.
    for out in ["out.csv", "out.jsonl", "out.parquet"] {
        p.succeed(&[
            "predict",
            "moved/run",
            "--table",
            "new/table.csv",
            "--quiet",
            "--out",
            out,
        ]);
    }
    let text = std::fs::read_to_string(p.path("out.csv")).unwrap();
    let csv = lines(&text);
    let header = &csv[0];
    assert_eq!(
        header[..4],
        ["id", "predicted", "probability", "probability:high"]
    );
    assert_eq!((csv.len(), header.len()), (1 + SAMPLES - TEST, 3 + 5 * 3 + 1));
    for (line, prediction) in csv[1..].iter().zip(new.as_array().unwrap()) {
        assert_eq!(line[0], prediction["id"]);
        assert_eq!(line[1], prediction["predicted"]);
        let number = |cell: &String| cell.parse::<f64>().unwrap();
        assert_eq!(number(&line[2]), prediction["probability"]);
        for (name, cell) in header[3..18].iter().zip(&line[3..18]) {
            let (head, class) = name.split_once(':').unwrap();
            let said = match head {
                "probability" => &prediction["probabilities"][class],
                head => &prediction["heads"][head][class],
            };
            assert_eq!(number(cell), *said, "{name}");
        }
    }
    let text = std::fs::read_to_string(p.path("out.jsonl")).unwrap();
    let objects: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(Value::Array(objects), new);
    // Labeled, they are judged as the run's own test samples were.
    let mut judged = p.json(&[
        "evaluate",
        "moved/run",
        "--table",
        "new/labeled.csv",
        "--quiet",
        "--json",
    ]);
    judged["split"] = "test".into();
    assert_eq!(judged, evaluated);
}

#[test]
fn predictions_in_parquet_are_those_in_csv() {
    let (p, ..) = moved();
    for out in ["out.csv", "out.parquet"] {
        p.succeed(&[
            "predict",
            "moved/run",
            "--table",
            "new/table.csv",
            "--quiet",
            "--out",
            out,
        ]);
    }
    // Read back as a table of numbers, which knows nothing of how it was written.
    let config = |table: &str| {
        format!(
            "[data]\nkind = \"manifest\"\ntable = \"{table}\"\nid = \"id\"\nlabel = \"predicted\"\nsplit = {{ test = 0.5 }}\n\n\
             [data.streams.scores]\nmedia = \"array\"\ncolumns = [\"probability\", \"body:*\", \"joint:*\"]\n\n\
             [modality.scores]\nkind = \"vector\"\n\n[run]\nepochs = 1\n\n[blend]\nkind = \"equal\"\n"
        )
    };
    let trained = ["out.csv", "out.parquet"].map(|table| {
        p.write("read.toml", config(table));
        let out = format!("run-{}", &table[4..]);
        p.succeed(&["train", "read.toml", "--quiet", "--out", &out]);
        std::fs::read(p.path(&out).join("model.safetensors")).unwrap()
    });
    assert!(trained[0] == trained[1]);
}

#[test]
fn a_bad_file_keeps_its_line_and_no_other_sample_from_being_predicted() {
    let (p, own, _) = moved();
    std::fs::remove_file(p.path("new/s80.npy")).unwrap();
    p.write("new/s85.npy", npy(&[5, 3], &[0.0; 15]));
    let outcome = p.run(&[
        "predict",
        "moved/run",
        "--table",
        "new/table.csv",
        "--out",
        "out.csv",
    ]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("2 of 24 samples cannot be used"),
        "{}",
        outcome.stderr
    );
    let csv = lines(&std::fs::read_to_string(p.path("out.csv")).unwrap());
    for (place, line) in csv[1..].iter().enumerate() {
        let sample = TEST + place;
        assert_eq!(line[0], format!("s{sample}"));
        let problem = line.last().unwrap();
        match sample {
            80 => assert!(line[1].is_empty() && problem.contains("s80.npy"), "{problem}"),
            85 => assert!(line[1].is_empty() && problem.contains("trained on"), "{problem}"),
            _ => assert_eq!(
                (line[1].as_str(), problem.as_str()),
                (own[place]["predicted"].as_str().unwrap(), "")
            ),
        }
    }
    (TEST..SAMPLES).for_each(|sample| p.write(&format!("new/s{sample}.npy"), "no array"));
    let arguments = [
        "predict",
        "moved/run",
        "--table",
        "new/table.csv",
        "--out",
        "none.csv",
    ];
    p.refuse(&arguments, &["none of 24 samples", "s72"]);
    assert!(!p.path("none.csv").exists());
}

#[test]
fn a_sample_is_predicted_from_the_modalities_that_there_are() {
    let (p, own, _) = moved();
    // Without the columns of one stream, and without the files of another.
    p.write("less.csv", table(TEST..SAMPLES, &["id", "v1", "v2", "v3"]));
    let outcome = p.run(&[
        "predict",
        "moved/run",
        "--table",
        "less.csv",
        "--root",
        "new",
        "--json",
    ]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .contains("stream `title` is missing in every sample: there is no column `title`"),
        "{}",
        outcome.stderr
    );
    let less: Value = serde_json::from_str(&outcome.stdout).unwrap();
    for (less, own) in less.as_array().unwrap().iter().zip(own.as_array().unwrap()) {
        let heads: Vec<&String> = less["heads"].as_object().unwrap().keys().collect();
        assert_eq!(heads, ["body", "hand", "joint"]);
        assert_eq!(less["heads"]["body"], own["heads"]["body"]);
        assert_eq!(less["heads"]["hand"], own["heads"]["hand"]);
    }
    // One alone, by its files: as the line of a table that has no others.
    let lone = |arguments: &[&str]| {
        let arguments = [&["predict", "moved/run", "--quiet", "--json"], arguments].concat();
        p.json(&arguments)[0].clone()
    };
    let both = lone(&["--input", "hand=new/s90.npy", "--input", "title=neither"]);
    let by_stream = lone(&["--input", "sensor=new/s90.npy", "--input", "title=neither"]);
    assert_eq!(both["heads"], by_stream["heads"]);
    p.write("one.csv", "id,title\ns90,neither\n");
    let row = lone(&["--table", "one.csv", "--root", "new"]);
    assert_eq!(
        (&both["predicted"], &both["heads"]),
        (&row["predicted"], &row["heads"])
    );
    assert_close(&both["heads"]["hand"], &own[90 - TEST]["heads"]["hand"]);
    p.write(
        "body.npy",
        npy(
            &[3],
            &[1, 2, 3].map(|at| cell(90, &format!("v{at}")).parse().unwrap()),
        ),
    );
    let body = lone(&["--input", "body=body.npy"]);
    assert_close(&body["heads"]["body"], &own[90 - TEST]["heads"]["body"]);
}

#[test]
fn samples_that_the_model_has_learned_from_are_told_when_it_is_judged_on_them() {
    let (p, ..) = moved();
    (0..TEST).for_each(|sample| sensor(&p, "new", sample));
    p.write("new/mixed.csv", table(60..84, &OWN));
    let outcome = p.run(&["evaluate", "moved/run", "--table", "new/mixed.csv", "--json"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let told = "12 of 24 samples, such as `s60`, are the very ones that the model was trained or selected on";
    assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
    let clean = p.run(&["evaluate", "moved/run", "--table", "new/labeled.csv", "--json"]);
    assert!(!clean.stderr.contains("very ones"), "{}", clean.stderr);
    // A label that the model does not know is no sample's of one of its classes.
    let unknown = table(TEST..SAMPLES, &OWN).replacen("high", "hihg", 1);
    p.write("new/unknown.csv", unknown);
    let outcome = p.run(&["evaluate", "moved/run", "--table", "new/unknown.csv", "--json"]);
    assert!(
        outcome.stderr.contains("1 of 24 samples are left out"),
        "{}",
        outcome.stderr
    );
    let judged: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(judged["samples"], 23);
}

#[test]
fn what_cannot_be_predicted_is_told_before_anything_is_written() {
    let (p, ..) = moved();
    p.write("empty.csv", "id,v1\n");
    p.write("none.csv", "name,price\na,1\n");
    p.write("part.csv", "id,v1,v3,title\ns80,1,2,x\n");
    p.write("there.csv", "kept");
    for (arguments, parts) in [
        (
            &["--table", "none.csv"][..],
            &["none of the streams", "v1", "title"][..],
        ),
        (&["--table", "empty.csv"], &["found no row"]),
        (&["--table", "part.csv", "--root", "new"], &["v2"]),
        (&["--table", "gone.csv"], &["gone.csv"]),
        (
            &["--table", "new/table.csv", "--out", "there.csv"],
            &["there already"],
        ),
        (
            &["--table", "new/table.csv", "--out", "out.xlsx"],
            &[".csv, .jsonl or .parquet"],
        ),
        (
            &["--input", "hands=new/s90.npy"],
            &["hands", "body, sensor, title"],
        ),
        (&["--input", "hand"], &["MODALITY=FILE"]),
        (
            &["--input", "hand=new/s90.npy", "--input", "sensor=new/s91.npy"],
            &["twice"],
        ),
        (&["--input", "hand=new/gone.npy"], &["gone.npy"]),
        (&["s90", "--table", "new/table.csv"], &["cannot be used with"]),
        (&[], &["required"]),
    ] {
        p.refuse(&[&["predict", "moved/run"], arguments].concat(), parts);
    }
    assert_eq!(std::fs::read(p.path("there.csv")).unwrap(), b"kept");
    p.refuse(&["evaluate", "moved/run", "--table", "new/table.csv"], &["label"]);
    p.refuse(
        &[
            "evaluate",
            "moved/run",
            "--table",
            "new/labeled.csv",
            "--split",
            "test",
        ],
        &["cannot be used with"],
    );
    // A dataset that has no files of its own has no others.
    p.succeed(&[
        "train",
        "tiny.toml",
        "--quiet",
        "--out",
        "scene",
        "--set",
        "run.epochs=1",
    ]);
    p.refuse(
        &["predict", "scene", "--table", "new/table.csv"],
        &["scene", "by their names"],
    );
}

#[test]
fn what_no_training_sample_had_is_told_by_its_column() {
    let p = playground();
    // As pandas writes whole numbers once a cell of them is missing, and a length in another unit.
    let rows = |samples: std::ops::Range<usize>, shop: &dyn Fn(usize) -> String, unit: f32| {
        let line = |sample: usize| {
            let length = (10.0 + noise(sample, 3)) * unit;
            format!(
                "s{sample},{},{},{length}\n",
                CLASSES[class(sample)],
                shop(sample % 4)
            )
        };
        let lines: String = samples.map(line).collect();
        format!("id,label,shop,length\n{lines}")
    };
    p.write("table.csv", rows(0..SAMPLES, &|shop| shop.to_string(), 1.0));
    p.write(
        "config.toml",
        "[run]\nepochs = 1\n\n[data]\nkind = \"manifest\"\ntable = \"table.csv\"\nid = \"id\"\nlabel = \"label\"\n\
         split = { test = 0.25 }\n\n[data.streams.bill]\nmedia = \"array\"\ncolumns = [\"length\", \"shop\"]\n\
         categories = [\"shop\"]\n\n[modality.bill]\nkind = \"vector\"\n\n[blend]\nkind = \"equal\"\n",
    );
    p.succeed(&["train", "config.toml", "--quiet", "--out", "run"]);
    let predict = |table: String| {
        p.write("new.csv", table);
        let outcome = p.run(&["predict", "run", "--table", "new.csv", "--json"]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome.stderr
    };
    let told = predict(rows(0..24, &|shop| shop.to_string(), 1.0));
    assert!(!told.contains("no training sample had"), "{told}");
    let told = predict(rows(0..24, &|shop| format!("{shop}.0"), 1.0));
    assert!(
        told.contains(
            "column `shop`: 24 of 24 samples, such as `s0`, have there what no training sample had"
        ),
        "{told}"
    );
    assert!(!told.contains("`length`"), "{told}");
    let told = predict(rows(0..24, &|shop| shop.to_string(), 1000.0));
    assert!(told.contains("column `length`: 24 of 24 samples"), "{told}");
    assert!(!told.contains("`shop`"), "{told}");
}

#[test]
fn a_head_that_was_not_trained_says_nothing() {
    let p = playground();
    p.succeed(&[
        "train",
        "tiny.toml",
        "--quiet",
        "--out",
        "run",
        "--set",
        "blend.kind=joint",
        "--set",
        "run.epochs=1",
    ]);
    let said = p.json(&["predict", "run", "scene-100", "--quiet", "--json"]);
    let heads: Vec<&String> = said[0]["heads"].as_object().unwrap().keys().collect();
    assert_eq!(heads, ["joint"]);
}

#[test]
fn numbers_are_predicted_with_every_digit_and_several_classes_with_their_names() {
    let p = playground();
    for (name, kind, label) in [
        ("number", "label_kind = \"number\"\nlabel = \"v2\"", "v2"),
        ("several", "label_separator = \" \"\nlabel = \"title\"", "title"),
    ] {
        p.write("data/table.csv", table(0..SAMPLES, &OWN));
        let config = CONFIG.replace("label = \"label\"", kind);
        let config = config.replace("columns = \"v*\"", "columns = [\"v1\", \"v3\"]");
        let drop = |config: &str, from: &str, to: &str| {
            let (start, end) = (config.find(from).unwrap(), config.find(to).unwrap());
            format!("{}{}", &config[..start], &config[end..])
        };
        let config = drop(&config, "[data.streams.sensor]", "[data.streams.title]");
        let config = drop(&config, "[modality.hand]", "[modality.title]");
        let config = config.replace(
            "[data.streams.title]\ncolumn = \"title\"",
            "[data.streams.title]\ncolumn = \"id\"",
        );
        p.write("config.toml", config);
        p.succeed(&["train", "config.toml", "--quiet", "--out", name]);
        let columns: Vec<&str> = OWN.into_iter().filter(|column| *column != label).collect();
        p.write("data/new.csv", table(TEST..SAMPLES, &columns));
        let out = format!("{name}.csv");
        p.succeed(&[
            "predict",
            name,
            "--table",
            "data/new.csv",
            "--quiet",
            "--out",
            &out,
        ]);
        let said = p.json(&["predict", name, "--table", "data/new.csv", "--quiet", "--json"]);
        let csv = lines(&std::fs::read_to_string(p.path(&out)).unwrap());
        let expected: &[&str] = match name {
            "number" => &["id", "predicted", "body", "title", "joint", "problem"],
            _ => &["id", "predicted", "probability:a", "probability:dark"],
        };
        assert_eq!(csv[0][..expected.len()], *expected);
        for (line, said) in csv[1..].iter().zip(said.as_array().unwrap()) {
            match name {
                "number" => assert_eq!(line[1].parse::<f64>().unwrap(), said["predicted"]),
                _ => {
                    let classes: Vec<&str> = said["predicted"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|c| c.as_str().unwrap())
                        .collect();
                    assert_eq!(line[1], classes.join(";"));
                }
            }
        }
    }
}
