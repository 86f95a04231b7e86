//! Rules that hold whichever way data come in: tables of each format, shards, labels, curves and configurations.

use std::path::Path;

use crate::playground;
use gblend_tests::Playground;

/// Pictures of samples `s0` to `s7`, six of which are trained on.
const CONFIG: &str = r#"
[run]
epochs = 1
batch_size = 4
validation = 0

[data]
kind = "manifest"
table = "t.csv"
id = "id"
label = "label"
split = "split"

[data.streams.s]
column = "file"
media = "frames"

[modality.m]
kind = "rgb"
source = "s"
encoder.channels = [4]

[blend]
kind = "equal"
"#;

fn picture(path: &Path, number: usize) {
    let picture = image::RgbImage::from_fn(8, 8, |x, y| {
        image::Rgb([x as u8 * 20, y as u8 * 20, number as u8 * 9])
    });
    picture.save(path).unwrap();
}

/// A cell of a sample for each column: `id`, `label`, `split`, `file`.
fn row(number: usize) -> [String; 4] {
    let split = if number < 6 { "train" } else { "test" };
    let label = ["a", "b"][number % 2].to_owned();
    [
        format!("s{number}"),
        label,
        split.to_owned(),
        format!("c{number}.png"),
    ]
}

/// Pictures, and the configuration; `table` is its table.
fn prepared(name: &str, table: &str) -> Playground {
    let p = playground();
    (0..8).for_each(|number| picture(&p.path(&format!("c{number}.png")), number));
    p.write(name, table);
    p.write("g.toml", CONFIG.replace("t.csv", name));
    p
}

fn csv(end: &str, change: impl Fn(usize, [String; 4]) -> [String; 4]) -> String {
    let rows = (0..8).map(|number| change(number, row(number)).join(",") + end);
    format!("id,label,split,file{end}{}", rows.collect::<String>())
}

/// The labels as JSON has them.
fn json_lines(labels: [&str; 8]) -> String {
    let lines = labels.iter().enumerate().map(|(number, label)| {
        let [id, _, split, file] = row(number);
        format!("{{\"id\": \"{id}\", \"label\": {label}, \"split\": \"{split}\", \"file\": \"{file}\"}}\n")
    });
    lines.collect()
}

fn checked(p: &Playground) -> String {
    p.succeed(&["check", "g.toml", "--quiet"])
}

#[test]
fn a_missing_file_is_named_with_its_line_whatever_ends_lines() {
    let gone = |number: usize, [id, label, split, file]: [String; 4]| match number {
        3 => [id, label, split, "gone.png".to_owned()],
        _ => [id, label, split, file],
    };
    for (end, line) in [("\n", 5), ("\r\n", 5), ("\r", 5), ("\r\n\r\n", 9)] {
        let p = prepared("t.csv", &csv(end, gone));
        p.refuse(&["check", "g.toml"], &[&format!("t.csv:{line}: sample s3")]);
    }
    // A cell in quotes may be of several lines.
    let p = prepared("t.csv", &csv("\r\n", gone).replacen("s1,", "\"s\r\n1\",", 1));
    p.refuse(&["check", "g.toml"], &["t.csv:6: sample s3"]);
}

#[test]
fn a_row_of_another_length_and_a_quote_without_end_are_named_with_their_line() {
    for (from, to, part) in [
        ("s3,b,", "s3,", "t.csv:5: found 3 cells, expected 4"),
        ("s3,b,", "s3,\"b,", "t.csv:5: a quote begins here"),
    ] {
        let p = prepared("t.csv", &csv("\r\n", |_, cells| cells).replacen(from, to, 1));
        p.refuse(&["check", "g.toml"], &[part]);
    }
}

#[test]
fn a_byte_order_mark_changes_nothing_in_tables_curves_and_configurations() {
    const MARK: &str = "\u{FEFF}";
    let lines = json_lines([
        "\"a\"", "\"b\"", "\"a\"", "\"b\"", "\"a\"", "\"b\"", "\"a\"", "\"b\"",
    ]);
    for (name, table) in [("t.csv", csv("\n", |_, cells| cells)), ("t.jsonl", lines)] {
        let p = prepared(name, &table);
        let plain = checked(&p);
        p.write(name, format!("{MARK}{table}"));
        let config = std::fs::read_to_string(p.path("g.toml")).unwrap();
        p.write("g.toml", format!("{MARK}{config}"));
        let marked = checked(&p);
        let without_times = |text: &str| -> Vec<String> {
            let lines = text
                .lines()
                .filter(|line| !line.starts_with("time") && !line.starts_with("memory"));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(without_times(&marked), without_times(&plain));
    }
    let p = playground();
    let curves = "head,epoch,train_loss,val_loss\njoint,0,2,2\njoint,1,1,1.5\na,0,2,2\na,1,1.9,1.9\n";
    let estimated = |curves: &str| {
        p.write("curves.csv", curves);
        p.succeed(&["estimate", "--curves", "curves.csv"])
    };
    assert_eq!(
        estimated(&format!("{MARK}{}", curves.replace('\n', "\r\n"))),
        estimated(curves)
    );
    // In another encoding everything is refused, by its name.
    let utf16 = |text: &str| -> Vec<u8> {
        format!("{MARK}{text}")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect()
    };
    p.write("curves.csv", utf16(curves));
    p.write("g.toml", utf16(CONFIG));
    p.refuse(
        &["estimate", "--curves", "curves.csv"],
        &["curves.csv:1", "UTF-16"],
    );
    p.refuse(&["check", "g.toml"], &["g.toml:1", "UTF-16"]);
}

#[test]
fn curves_name_their_line_after_empty_lines_and_a_head_without_a_joint_one_is_told() {
    let p = playground();
    p.write(
        "curves.csv",
        "head,epoch,train_loss,val_loss\r\n\r\na,0,2,2\r\na,1,x,1\r\n",
    );
    p.refuse(
        &["estimate", "--curves", "curves.csv"],
        &["curves.csv:4", "train_loss `x`"],
    );
    p.write(
        "curves.csv",
        "head,epoch,train_loss,val_loss\na,0,2,2\na,1,1,1.5\nb,0,2,2\nb,1,1.9,1.9\n",
    );
    let told = p.run(&["estimate", "--curves", "curves.csv"]);
    assert!(
        told.code == Some(0) && told.stderr.contains("no head is called `joint`"),
        "{told:?}"
    );
    let json = p.json(&["estimate", "--curves", "curves.csv", "--json", "--quiet"]);
    assert!(
        json["warnings"][0].as_str().unwrap().contains("`joint`"),
        "{json}"
    );
}

/// A shard as a Mac writes it: beside each member one that holds what its system knows of it.
fn shard(path: &Path) {
    let mut builder = tar::Builder::new(std::fs::File::create(path).unwrap());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes).unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.png");
    for number in 0..8 {
        picture(&file, number);
        let class = ["a", "b"][number % 2].as_bytes().to_vec();
        for (name, bytes) in [("png", std::fs::read(&file).unwrap()), ("cls", class)] {
            add(
                &format!("._{number:04}.{name}"),
                b"\0\x05\x16\x07\0\x02\0\0Mac OS X",
            );
            add(&format!("{number:04}.{name}"), &bytes);
        }
    }
    builder.finish().unwrap();
}

#[test]
fn hidden_files_are_no_samples_of_a_shard_and_a_compressed_one_is_named() {
    let p = playground();
    shard(&p.path("a.tar"));
    let config = CONFIG
        .replace("table = \"t.csv\"\nid = \"id\"", "shards = [\"a.tar\"]")
        .replace(
            "label = \"label\"\nsplit = \"split\"",
            "label = \"cls\"\nsplit = { test = 0.25 }",
        )
        .replace("column = \"file\"", "path = \"{__key__}.png\"");
    p.write("g.toml", &config);
    let checked = checked(&p);
    assert!(
        checked.contains("samples: 6 training") && checked.contains("classes: a, b\n"),
        "{checked}"
    );
    let mut whole = vec![0x1F, 0x8B, 8, 0];
    whole.extend(std::fs::read(p.path("a.tar")).unwrap());
    p.write("a.tar", whole);
    p.refuse(
        &["check", "g.toml"],
        &["a.tar", "compressed with gzip", "gzip -dk"],
    );
}

#[test]
fn an_export_skips_what_training_skips() {
    let gone = |number: usize, [id, label, split, file]: [String; 4]| match number {
        2 => [id, label, split, "gone.png".to_owned()],
        4 => [id, label, "nowhere".to_owned(), file],
        _ => [id, label, split, file],
    };
    let p = prepared("t.csv", &csv("\n", gone));
    // What is no fault to skip is one to stop at.
    p.refuse(&["data", "export", "g.toml", "whole"], &["t.csv:6", "nowhere"]);
    let config = CONFIG.replace("split = \"split\"", "split = \"split\"\non_bad_sample = \"skip\"");
    p.write("g.toml", config);
    let trained = p.run(&["train", "g.toml", "--out", "run"]);
    assert!(
        trained.stderr.contains("2 of 8 samples are skipped"),
        "{}",
        trained.stderr
    );
    let exported = p.run(&["data", "export", "g.toml", "out"]);
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    assert!(exported.stdout.contains("wrote 6 samples"), "{}", exported.stdout);
    assert!(
        exported.stderr.contains("2 of 8 samples are skipped"),
        "{}",
        exported.stderr
    );
    // The same samples, in the same splits.
    let of = |config: &str| -> Vec<String> {
        let checked = p.succeed(&["check", config, "--quiet"]);
        let lines = checked
            .lines()
            .filter(|line| line.starts_with("samples") || line.contains("class "));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(of("out/config.toml"), of("g.toml"));
    let table = std::fs::read_to_string(p.path("out/samples.csv")).unwrap();
    assert!(
        !table.contains("s2,") && !table.contains("s4,") && table.contains("s5,"),
        "{table}"
    );
}

#[test]
fn one_number_written_in_two_ways_is_no_two_classes() {
    let p = prepared(
        "t.jsonl",
        &json_lines(["0", "1", "1.0", "0.0", "0", "1", "1.0", "0.0"]),
    );
    for command in ["check", "train"] {
        p.refuse(
            &[command, "g.toml"],
            &["t.jsonl:3", "`1.0`, and `1` at ", "t.jsonl:2", "data.classes"],
        );
    }
    // Who says which classes there are is believed.
    let set = "data.classes=[\"0\", \"0.0\", \"1\", \"1.0\"]";
    let checked = p.succeed(&["check", "g.toml", "--quiet", "--set", set]);
    assert!(checked.contains("classes: 0, 0.0, 1, 1.0"), "{checked}");
    // Groups are divided by their names as well.
    p.write(
        "t.csv",
        csv("\n", |number, [id, label, split, file]| {
            [id, format!("{label},{}", ["7", "07"][number / 6]), split, file]
        })
        .replacen("label,", "label,who,", 1),
    );
    p.write(
        "g.toml",
        CONFIG.replace("split = \"split\"", "split = \"split\"\ngroup = \"who\""),
    );
    p.refuse(&["check", "g.toml"], &["t.csv:8", "column `who` is `07`"]);
}

#[test]
fn categories_and_groups_have_the_rules_of_labels() {
    let table = |categories: [&str; 8], groups: [&str; 8]| {
        let rows = (0..8).map(|number| {
            let [id, label, split, _] = row(number);
            format!(
                "{id},{label},{split},{},{number},{}\n",
                categories[number], groups[number]
            )
        });
        format!("id,label,split,kind,x,who\n{}", rows.collect::<String>())
    };
    let config = CONFIG
        .replace(
            "column = \"file\"\nmedia = \"frames\"",
            "media = \"array\"\ncolumns = [\"kind\", \"x\"]\ncategories = [\"kind\"]",
        )
        .replace("kind = \"rgb\"", "kind = \"vector\"")
        .replace("encoder.channels = [4]\n", "")
        .replace("split = \"split\"", "split = \"split\"\ngroup = \"who\"");
    let p = playground();
    p.write("g.toml", config);
    let groups = ["1", "1", "2", "2", "3", "3", "4", "4"];
    p.write("t.csv", table(["0", "1", "nan", "0", "1", "0", "1", "0"], groups));
    let counted = |p: &Playground| -> Vec<String> {
        let checked = checked(p);
        let lines = checked
            .lines()
            .filter(|line| line.contains("categories") || line.contains("missing"));
        lines.map(str::to_owned).collect()
    };
    let with_nan = counted(&p);
    assert_eq!(with_nan.len(), 2, "{with_nan:?}");
    p.write("t.csv", table(["0", "1", "", "0", "1", "0", "1", "0"], groups));
    assert_eq!(counted(&p), with_nan);
    p.write("t.csv", table(["0", "1", "1.0", "0", "1", "0", "1", "0"], groups));
    p.refuse(
        &["check", "g.toml"],
        &["t.csv:4", "column `kind` is `1.0`, and `1` at "],
    );
    let mut unknown = groups;
    unknown[2] = "NaN";
    p.write("t.csv", table(["0", "1", "1", "0", "1", "0", "1", "0"], unknown));
    p.refuse(
        &["check", "g.toml"],
        &["t.csv:4", "column `who` is empty, expected a group"],
    );
}

#[test]
fn nan_is_a_missing_label_among_numbers_and_told_among_names() {
    let labels = |names: [&'static str; 8]| {
        csv("\n", move |number, [id, _, split, file]| {
            [id, names[number].to_owned(), split, file]
        })
    };
    let p = prepared("t.csv", &labels(["0", "1", "nan", "0", "1", "0", "1", "0"]));
    let found = checked(&p);
    assert!(
        found.contains("classes: 0, 1\n") && found.contains("without a label, and left out: 1"),
        "{found}"
    );
    p.write("t.csv", labels(["0.5", "1", "NaN", "0", "1", "0", "1", "0"]));
    let found = p.succeed(&["check", "g.toml", "--quiet", "--set", "data.label_kind=number"]);
    assert!(found.contains("without a label, and left out: 1"), "{found}");
    p.write("t.csv", labels(["a", "b", "nan", "a", "b", "a", "b", "a"]));
    for command in ["check", "train"] {
        let told = p.run(&[command, "g.toml"]);
        let all = format!("{}{}", told.stdout, told.stderr);
        assert!(
            told.code == Some(0) && all.contains("programs write what is missing: `nan`"),
            "{all}"
        );
    }
    let p = prepared("t.jsonl", &json_lines(["0", "1", "NaN", "0", "1", "0", "1", "0"]));
    p.refuse(
        &["check", "g.toml"],
        &["t.jsonl:3", "JSON has no NaN: write null"],
    );
}

#[test]
fn a_file_that_is_trained_and_tested_on_is_told_by_both_commands() {
    let twice = |number: usize, [id, label, split, file]: [String; 4]| match number {
        6 | 7 => [id, label, split, format!("c{}.png", number - 6)],
        _ => [id, label, split, file],
    };
    let p = prepared("t.csv", &csv("\n", twice));
    let told = "test samples that are a training sample, too, in every modality: 2, such as s6 and s0";
    assert!(checked(&p).contains(told));
    let trained = p.run(&["train", "g.toml", "--quiet"]);
    assert!(trained.stderr.contains(told), "{}", trained.stderr);
    let other = |number: usize, cells: [String; 4]| {
        let [id, label, split, file] = twice(number, cells);
        [id, if number == 7 { "a".to_owned() } else { label }, split, file]
    };
    p.write("t.csv", csv("\n", other));
    let told = "contents of another one and not its label: 1, such as s7 and s1";
    assert!(checked(&p).contains(told));
    let trained = p.run(&["train", "g.toml", "--quiet"]);
    assert!(trained.stderr.contains(told), "{}", trained.stderr);
}

#[test]
fn one_wrong_medium_is_one_line_and_every_sample_where_it_is_asked_for() {
    let p = playground();
    let mut table = String::from("id,label,split,file\n");
    for number in 0..60 {
        let [id, label, split, _] = row(number % 8);
        table += &format!("{id}-{number},{label},{split},c{number}.png\n");
        p.write(&format!("c{number}.png"), "no picture");
    }
    p.write("t.csv", table);
    p.write("g.toml", CONFIG);
    let lines = |arguments: &[&str]| {
        let told = p.run(arguments);
        assert_eq!(told.code, Some(2), "{told:?}");
        told.stderr.lines().count()
    };
    assert!(lines(&["check", "g.toml", "--quiet"]) <= 3);
    assert!(lines(&["check", "g.toml", "--quiet", "--all"]) > 60);
    p.refuse(
        &["check", "g.toml"],
        &["60 problems", "t.csv:2", "and 59 more like it", "check --all"],
    );
}

#[test]
fn a_new_row_without_a_label_is_predicted_among_others_and_alone() {
    let p = prepared("t.csv", &csv("\n", |_, row| row));
    let classes = "label = \"label\"\nclasses = [\"a\", \"b\"]\n";
    p.write("g.toml", CONFIG.replace("label = \"label\"\n", classes));
    p.succeed(&["train", "g.toml", "--quiet", "--out", "run"]);
    let among = format!("{}new,,test,c0.png\n", csv("\n", |_, row| row));
    p.write("t.csv", among);
    let predicted = |label: Option<&str>| {
        let mut found = p.json(&["predict", "run", "new", "--json"]);
        let said = found[0].as_object_mut().unwrap().remove("label");
        assert_eq!(said, Some(label.into()));
        found
    };
    let first = predicted(None);
    // With its label nothing else changes; and without any other row it is the same sample.
    p.write("t.csv", "id,label,split,file\nnew,a,test,c0.png\n");
    assert_eq!(predicted(Some("a")), first);
    p.write("t.csv", "id,label,split,file\nnew,,test,c0.png\n");
    assert_eq!(predicted(None), first);
}

/// Identifiers and labels that are one number as 64-bit floats, and the first two of them as 64-bit integers.
#[test]
fn numbers_of_many_digits_stay_apart_as_ids_labels_and_groups() {
    let lines: String = (0..8)
        .map(|number| {
            let [_, _, split, file] = row(number);
            let (id, label) = (number, number % 2);
            format!(
                "{{\"id\": 1844674407370955161{id}, \"label\": 9007199254740992000{label}, \"split\": \"{split}\", \
                 \"file\": \"{file}\"}}\n"
            )
        })
        .collect();
    let p = prepared("t.jsonl", &lines);
    let checked = checked(&p);
    assert!(
        checked.contains("classes: 90071992547409920000, 90071992547409920001"),
        "{checked}"
    );
    p.write("t.jsonl", lines.replacen("{\"id\"", "{\"label\": 1, \"id\"", 1));
    p.refuse(&["check", "g.toml"], &["t.jsonl:1", "`label` stands twice"]);
}

#[test]
fn numbers_that_32_bits_hold_as_one_are_refused_in_every_table() {
    for (name, table) in [("v.csv", "id,label,split,x\n"), ("v.jsonl", "")] {
        let rows: String = (0..8)
            .map(|number| {
                let [id, label, split, _] = row(number);
                let x = 1_700_000_000 + number;
                match name {
                    "v.csv" => format!("{id},{label},{split},{x}\n"),
                    _ => format!(
                        "{{\"id\": \"{id}\", \"label\": \"{label}\", \"split\": \"{split}\", \"x\": {x}}}\n"
                    ),
                }
            })
            .collect();
        let p = prepared(name, &format!("{table}{rows}"));
        let config = std::fs::read_to_string(p.path("g.toml")).unwrap();
        let config = config
            .replace(
                "column = \"file\"\nmedia = \"frames\"",
                "columns = [\"x\"]\nmedia = \"array\"",
            )
            .replace("kind = \"rgb\"", "kind = \"vector\"")
            .replace("encoder.channels = [4]", "");
        p.write("g.toml", config);
        p.refuse(
            &["check", "g.toml"],
            &["`x` has numbers from 1700000000 to 1700000007", "subtract"],
        );
    }
}
