//! Arrays that have no file of their own: columns, lists, and rows of a file for all samples.

use gblend_tests::{Playground, npy, without_measurements};
use serde_json::Value;

use crate::playground;

const SAMPLES: usize = 24;
const WIDTH: usize = 3;

/// The numbers of a sample: two classes that a line divides, and noise.
fn numbers(sample: usize) -> [f32; WIDTH] {
    let side = if sample.is_multiple_of(2) { 1.0 } else { -1.0 };
    let noise = |at: usize| ((sample * 7 + at * 13) % 11) as f32 / 11.0 - 0.5;
    [side + noise(0), noise(1), 0.5 * side + noise(2)]
}

fn label(sample: usize) -> &'static str {
    ["even", "odd"][sample % 2]
}

fn split(sample: usize) -> &'static str {
    if sample < 16 { "train" } else { "test" }
}

/// A table, and the same numbers as a `.npy` in another order.
fn prepared() -> Playground {
    let p = playground();
    let mut csv = "id,label,split,row,v1,v2,v3,list\n".to_owned();
    let mut lines = String::new();
    for sample in 0..SAMPLES {
        let [a, b, c] = numbers(sample);
        let (label, split, row) = (label(sample), split(sample), SAMPLES - 1 - sample);
        csv += &format!("s{sample},{label},{split},{row},{a},{b},{c},\"[{a}, {b}, {c}]\"\n");
        let object = serde_json::json!({
            "id": format!("s{sample}"), "label": label, "split": split, "row": row, "list": [a, b, c],
        });
        lines += &format!("{object}\n");
    }
    p.write("table.csv", csv);
    p.write("table.jsonl", lines);
    p.write("rows.npy", rows((0..SAMPLES).rev()));
    p.write("ordered.npy", rows(0..SAMPLES));
    p
}

/// An array with a row for each of these samples.
fn rows(samples: impl ExactSizeIterator<Item = usize>) -> Vec<u8> {
    let shape = [samples.len(), WIDTH];
    npy(&shape, &samples.flat_map(numbers).collect::<Vec<f32>>())
}

/// A configuration with this table and stream.
fn config(table: &str, stream: &str) -> String {
    format!(
        "[run]\nepochs = 3\nbatch_size = 4\nvalidation = 0.25\n\n\
         [data]\nkind = \"manifest\"\ntable = \"{table}\"\nid = \"id\"\nlabel = \"label\"\nsplit = \"split\"\n\n\
         [data.streams.features]\nmedia = \"array\"\n{stream}\n\n\
         [modality.features]\nkind = \"vector\"\n\n[blend]\nkind = \"equal\"\n"
    )
}

#[test]
fn the_same_numbers_train_the_same_model_wherever_they_are() {
    let p = prepared();
    let train = |name: &str, table: &str, stream: &str| -> (Vec<u8>, Value) {
        p.write("c.toml", config(table, stream));
        p.succeed(&["check", "c.toml"]);
        let summary = p.json(&["train", "c.toml", "--quiet", "--json", "--out", name]);
        let model = std::fs::read(p.path(name).join("model.safetensors")).unwrap();
        (model, without_measurements(summary))
    };
    let expected = train("columns", "table.csv", "columns = \"v*\"");
    for (name, table, stream) in [
        ("named", "table.csv", "columns = [\"v1\", \"v2\", \"v3\"]"),
        ("bracketed", "table.csv", "column = \"list\""),
        ("list", "table.jsonl", "column = \"list\""),
        ("rows", "table.csv", "file = \"rows.npy\"\nindex = \"row\""),
        ("ordered", "table.jsonl", "file = \"ordered.npy\""),
    ] {
        let found = train(name, table, stream);
        assert!(found.0 == expected.0, "{name}");
        assert_eq!(found.1, expected.1, "{name}");
    }
}

#[test]
fn rows_of_a_file_are_streamed_without_a_copy_in_the_cache_to_the_same_bits() {
    let p = prepared();
    let train = |name: &str, stream: &str, memory: &str| {
        p.write("c.toml", config("table.csv", stream));
        let cache = format!("run.cache=cache-{name}");
        let memory = format!("run.memory={memory}");
        let settings = ["--quiet", "--set", &memory, "--set", &cache, "--out", name];
        p.succeed(&[&["train", "c.toml"][..], &settings].concat());
        let cached = p.path(&format!("cache-{name}")).exists();
        (
            cached,
            std::fs::read(p.path(name).join("model.safetensors")).unwrap(),
        )
    };
    let (file, columns) = ("file = \"rows.npy\"\nindex = \"row\"", "columns = \"v*\"");
    let (cached, expected) = train("resident", file, "1");
    assert!(!cached);
    assert!(train("streamed", file, "0") == (false, expected.clone()));
    assert!(train("columns", columns, "0") == (true, expected));
}

#[test]
fn what_a_stream_says_of_its_arrays_has_to_fit() {
    let p = prepared();
    p.write("short.npy", rows(0..SAMPLES - 1));
    for (stream, parts) in [
        (
            "columns = \"v*\"\ncolumn = \"list\"",
            &["column and columns", "exactly one of"][..],
        ),
        ("", &["exactly one of: column, path, columns, file"]),
        (
            "columns = \"w*\"",
            &["streams.features.columns", "w*", "v1, v2, v3"],
        ),
        (
            "columns = [\"label\"]",
            &["streams.features.columns", "neither the label"],
        ),
        ("columns = [\"v1\", \"id\"]", &["neither the label"]),
        ("columns = [\"v1\", \"v4\"]", &["v4", "v1, v2, v3"]),
        (
            "file = \"short.npy\"",
            &["streams.features.index", "23 rows", "24"],
        ),
        ("file = \"none.npy\"", &["none.npy", "not found"]),
        ("file = \"../rows.npy\"", &["leads out of"]),
        ("file = \"table.csv\"", &["npy, npz, safetensors"]),
        (
            "file = \"rows.npy\"\nindex = \"line\"",
            &["streams.features.index", "line"],
        ),
        ("file = \"rows.npy\"\nkey = \"x\"", &["no `key`"]),
        (
            "columns = \"v*\"\nindex = \"row\"",
            &["streams.features.index", "file"],
        ),
    ] {
        p.write("c.toml", config("table.csv", stream));
        p.refuse(&["check", "c.toml"], parts);
        p.refuse(&["train", "c.toml"], parts);
    }
    let frames = config("table.csv", "columns = \"v*\"").replace("media = \"array\"", "media = \"frames\"");
    p.write("c.toml", frames);
    p.refuse(&["check", "c.toml"], &["streams.features.columns", "array"]);
}

/// Puts something else in place of part of a file.
fn edit(p: &Playground, file: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(p.path(file)).unwrap();
    assert!(text.contains(from), "{text}");
    p.write(file, text.replacen(from, to, 1));
}

#[test]
fn a_bad_array_is_named_with_its_sample_or_skipped() {
    let number = numbers(3)[0].to_string();
    let list = |with: &str| format!("\"list\":{with}");
    let old = {
        let [a, b, c] = numbers(3);
        list(&serde_json::json!([a, b, c]).to_string())
    };
    type Damage<'a> = Box<dyn Fn(&Playground) + 'a>;
    let cases: [(&str, &str, Damage<'_>, &[&str]); 8] = [
        (
            "table.csv",
            "columns = \"v*\"",
            Box::new(|p| edit(p, "table.csv", &format!(",{number},"), ",many,")),
            &[
                "table.csv:5",
                "sample s3",
                "column `v1` is `many`, expected a number",
            ],
        ),
        (
            "table.csv",
            "columns = \"v*\"",
            Box::new(|p| edit(p, "table.csv", &format!(",{number},"), ",inf,")),
            &["sample s3", "`v1` is `inf`", "32 bits"],
        ),
        (
            "table.csv",
            "file = \"rows.npy\"\nindex = \"row\"",
            Box::new(|p| edit(p, "table.csv", "s3,odd,train,20", "s3,odd,train,99")),
            &["sample s3", "rows.npy", "no row 99", "24"],
        ),
        (
            "table.csv",
            "file = \"rows.npy\"\nindex = \"row\"",
            Box::new(|p| edit(p, "table.csv", "s3,odd,train,20", "s3,odd,train,-1")),
            &["sample s3", "column `row` is `-1`"],
        ),
        (
            "table.jsonl",
            "column = \"list\"",
            Box::new(|p| edit(p, "table.jsonl", &old, &list("[1, \"x\", 2]"))),
            &["table.jsonl:4", "sample s3", "`list` has text `x` at position 1"],
        ),
        (
            "table.jsonl",
            "column = \"list\"",
            Box::new(|p| edit(p, "table.jsonl", &old, &list("\"s3.npy\""))),
            &[
                "sample s3",
                "`s3.npy`, expected a list of numbers as in other rows",
            ],
        ),
        (
            "table.jsonl",
            "column = \"list\"",
            Box::new(|p| edit(p, "table.jsonl", &old, &list("[[1, 2], [3]]"))),
            &["sample s3", "ragged"],
        ),
        (
            "table.jsonl",
            "column = \"list\"",
            Box::new(|p| edit(p, "table.jsonl", &old, &list("null"))),
            &["sample s3", "`list` is empty"],
        ),
    ];
    for (table, stream, damage, parts) in cases {
        let p = prepared();
        damage(&p);
        p.write("c.toml", config(table, stream));
        p.refuse(&["train", "c.toml"], parts);
        p.refuse(&["check", "c.toml"], parts);
        let skip = ["--quiet", "--json", "--set", "data.on_bad_sample=skip"];
        let summary = p.json(&[&["train", "c.toml"][..], &skip].concat());
        assert_eq!(summary["samples_skipped"], 1, "{parts:?}");
    }
}

#[test]
fn an_empty_cell_is_a_missing_value_and_a_sample_without_any_lacks_an_optional_stream() {
    let p = prepared();
    let [a, b, c] = numbers(3);
    edit(&p, "table.csv", &format!(",{a},{b},{c},"), &format!(",,NaN,{c},"));
    p.write("c.toml", config("table.csv", "columns = \"v*\""));
    let checked = p.succeed(&["check", "c.toml"]);
    assert!(checked.contains("2 cells missing in 2 columns"), "{checked}");
    p.succeed(&["train", "c.toml", "--quiet"]);

    let p = prepared();
    edit(&p, "table.csv", &format!(",{a},{b},{c},"), ",,,,");
    let second = "optional = true\n\n[data.streams.other]\nmedia = \"array\"\ncolumns = [\"row\"]\n\n[modality.other]\nkind = \"vector\"";
    p.write(
        "c.toml",
        config("table.csv", &format!("columns = \"v*\"\n{second}")),
    );
    p.succeed(&["train", "c.toml", "--quiet", "--out", "run"]);
    let lone = p.json(&["predict", "run", "s3", "--quiet", "--json"]);
    assert!(
        lone[0]["heads"]["features"].is_null() && lone[0]["heads"]["other"].is_object(),
        "{lone}"
    );
}

#[test]
fn a_changed_number_is_prepared_anew() {
    let p = prepared();
    p.write("c.toml", config("table.csv", "file = \"ordered.npy\""));
    let train = |out: &str| {
        p.succeed(&["train", "c.toml", "--quiet", "--out", out]);
        std::fs::read(p.path(out).join("model.safetensors")).unwrap()
    };
    let first = train("a");
    assert!(first == train("b"));
    let mut bytes = std::fs::read(p.path("ordered.npy")).unwrap();
    let end = bytes.len() - SAMPLES * WIDTH * 4;
    bytes[end..end + 4].copy_from_slice(&9.0_f32.to_le_bytes());
    p.write("ordered.npy", bytes);
    assert!(first != train("c"));
}

/// A table of which so many samples of a split cannot be used: the first ones, from this one on.
fn damaged(from: usize, count: usize) -> Playground {
    let p = prepared();
    for sample in from..from + count {
        let number = numbers(sample)[0];
        edit(
            &p,
            "table.csv",
            &format!("{},{number},", SAMPLES - 1 - sample),
            &format!("{},x,", SAMPLES - 1 - sample),
        );
    }
    p.write("c.toml", config("table.csv", "columns = \"v*\""));
    p
}

#[test]
fn samples_are_skipped_as_long_as_they_are_no_more_than_half_of_a_split() {
    let skip = ["--quiet", "--set", "data.on_bad_sample=skip"];
    for (from, count, all, split) in [(0, 9, 16, "training"), (16, 5, 8, "test")] {
        let p = damaged(from, count);
        let told = format!("the {split} split: {count} of {all} samples cannot be used, more than half");
        let first = format!("sample s{from}");
        let commands: [&[&str]; 3] = [
            &["train", "c.toml"],
            &["check", "c.toml"],
            &["data", "export", "c.toml", "out"],
        ];
        for command in commands {
            let parts = [
                told.as_str(),
                first.as_str(),
                "column `v1` is `x`",
                "on_bad_sample",
            ];
            p.refuse(&[command, &skip].concat(), &parts);
        }
        let p = damaged(from, count - 1);
        let summary = p.json(&[&["train", "c.toml", "--json"][..], &skip].concat());
        assert_eq!(summary["samples_skipped"], count - 1);
    }
}

#[test]
fn a_setting_that_a_front_end_refuses_is_told_with_its_place_and_the_sample() {
    let p = prepared();
    let sequence = config("table.jsonl", "column = \"list\"").replace("\"vector\"", "\"sequence\"");
    p.write("c.toml", &sequence);
    let set = ["--set", "modality.features.clip=-1"];
    let parts = ["--set modality.features.clip=-1: modality.features.clip = -1: expected"];
    for command in ["train", "check"] {
        p.refuse(&[&[command, "c.toml"][..], &set].concat(), &parts);
        let skip = ["--set", "data.on_bad_sample=skip"];
        p.refuse(&[&[command, "c.toml"][..], &set, &skip].concat(), &parts);
    }
    p.refuse(
        &[&["train", "c.toml"][..], &set].concat(),
        &["sample s0, modality features"],
    );
    p.write(
        "c.toml",
        sequence.replace("\"sequence\"", "\"sequence\"\nclip = -1"),
    );
    p.refuse(&["train", "c.toml"], &["c.toml:19: modality.features.clip = -1"]);
}

/// A `.npy` of whole numbers of 64 bits.
fn whole_numbers(shape: &str, values: impl Iterator<Item = i64>) -> Vec<u8> {
    let header = format!("{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.flat_map(i64::to_le_bytes));
    bytes
}

/// Samples with a time in a list, in rows of files and in a series of their own, a multiple of `step` milliseconds after the first.
fn timed(step: i64) -> Playground {
    let p = playground();
    let time = move |sample: usize| 1_700_000_000_000 + step * sample as i64;
    let mut csv = "id,label,split,list\n".to_owned();
    let mut lines = String::new();
    for sample in 0..SAMPLES {
        let (label, split, time) = (label(sample), split(sample), time(sample));
        csv += &format!("s{sample},{label},{split},\"[{}, {time}]\"\n", sample % 5);
        let pairs = [[sample as i64 % 5, time], [1, time + step]];
        let object = serde_json::json!({
            "id": format!("s{sample}"), "label": label, "split": split, "list": pairs[0], "pairs": pairs,
        });
        lines += &format!("{object}\n");
        let series = (0..4).flat_map(|at| [at, time + at * step]);
        p.write(&format!("s{sample}.npy"), whole_numbers("(4, 2)", series));
    }
    p.write("table.csv", csv);
    p.write("table.jsonl", lines);
    let pairs = (0..SAMPLES).flat_map(|sample| [sample as i64 % 5, time(sample)]);
    p.write(
        "rows.npy",
        whole_numbers(&format!("({SAMPLES}, 2)"), pairs.clone()),
    );
    let header = format!(
        "{{\"x\":{{\"dtype\":\"F64\",\"shape\":[{SAMPLES},2],\"data_offsets\":[0,{}]}}}}",
        SAMPLES * 16
    );
    let mut tensors = (header.len() as u64).to_le_bytes().to_vec();
    tensors.extend(header.as_bytes());
    tensors.extend(pairs.flat_map(|value| (value as f64).to_le_bytes()));
    p.write("rows.safetensors", tensors);
    p
}

#[test]
fn numbers_that_32_bits_hold_as_one_are_refused_in_lists_rows_and_series() {
    // 1.7e12 is held to the nearest 131072: np.spacing(np.float32(1.7e12)).
    let (close, apart) = (timed(1), timed(86_400_000));
    for (table, stream, kind, parts) in [
        (
            "table.csv",
            "column = \"list\"",
            "vector",
            &["table.csv:2", "`list` has lists"][..],
        ),
        (
            "table.jsonl",
            "column = \"list\"",
            "vector",
            &["table.jsonl:1", "`list` has lists"],
        ),
        (
            "table.jsonl",
            "column = \"pairs\"",
            "sequence",
            &["table.jsonl:1", "`pairs` has lists"],
        ),
        (
            "table.csv",
            "file = \"rows.npy\"",
            "vector",
            &["stream features", "rows.npy: column 1"],
        ),
        (
            "table.csv",
            "file = \"rows.safetensors\"",
            "vector",
            &["rows.safetensors: column 1"],
        ),
        (
            "table.csv",
            "path = \"{id}.npy\"",
            "sequence",
            &["s0.npy", "has a series in which column 1"],
        ),
    ] {
        let config = config(table, stream).replace("kind = \"vector\"", &format!("kind = \"{kind}\""));
        for p in [&close, &apart] {
            p.write("c.toml", &config);
        }
        let found = [
            "column 1",
            "numbers from 170000000000",
            "hold to the nearest 202",
            "subtract",
        ];
        for command in ["check", "train"] {
            close.refuse(&[command, "c.toml"], &[parts, &found].concat());
        }
        apart.succeed(&["check", "c.toml", "--quiet"]);
    }
}

#[test]
fn what_is_predicted_may_be_closer_together_than_32_bits_tell() {
    let p = timed(86_400_000);
    p.write("c.toml", config("table.csv", "column = \"list\""));
    p.succeed(&["train", "c.toml", "--quiet", "--out", "run"]);
    p.write(
        "new.csv",
        "id,list\na,\"[1, 1700000000001]\"\nb,\"[1, 1700000000002]\"\n",
    );
    let found = p.succeed(&["predict", "run", "--table", "new.csv"]);
    assert!(found.contains('a') && found.contains('b'), "{found}");
}
