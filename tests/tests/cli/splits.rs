//! A run keeps which sample was in which split, and its model is evaluated on those.

use serde_json::Value;

use crate::playground;
use gblend_tests::Playground;

const CONFIG: &str = r#"
[run]
epochs = 3
validation = 0.2

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
split = { test = 0.25 }

[data.streams.body]
columns = ["x", "y"]
media = "array"

[modality.body]
kind = "vector"
"#;

const HEADER: &str = "id,label,x,y";

/// Lines of a table whose classes cannot be told apart, so that a sample that was trained on looks better than others.
fn lines() -> Vec<String> {
    (0..120_u64)
        .map(|row| {
            let hash = row.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let value = |shift: u32| (hash >> shift & 1023) as f64 / 512.0 - 1.0;
            format!("s{row},{},{},{}", hash >> 61 & 1, value(7), value(23))
        })
        .collect()
}

fn write(p: &Playground, lines: &[String]) {
    p.write("table.csv", format!("{HEADER}\n{}\n", lines.join("\n")));
}

/// A run, the lines of its table, and what it says of its test samples.
fn trained() -> (Playground, Vec<String>, Value) {
    let p = playground();
    let lines = lines();
    write(&p, &lines);
    p.write("config.toml", CONFIG);
    p.succeed(&["train", "config.toml", "--quiet", "--out", "run"]);
    let found = evaluated(&p);
    (p, lines, found)
}

fn evaluated(p: &Playground) -> Value {
    p.json(&["evaluate", "run", "--quiet", "--json"])
}

/// The lines of the samples of a split.
fn of_split(p: &Playground, lines: &[String], split: &str) -> Vec<usize> {
    let text = std::fs::read_to_string(p.path("run/splits.csv")).unwrap();
    let of = |line: &str| -> Option<String> {
        let mut cells = line.split(',');
        let id = cells.next()?.to_owned();
        (cells.next()? == split).then_some(id)
    };
    let ids: Vec<String> = text.lines().filter_map(of).collect();
    assert!(ids.len() > 10, "{text}");
    let places = ids.iter().map(|id| {
        let start = format!("{id},");
        lines.iter().position(|line| line.starts_with(&start)).unwrap()
    });
    places.collect()
}

#[test]
fn a_table_in_another_order_and_with_further_rows_gives_the_same_figures() {
    let (p, lines, found) = trained();
    let mut shuffled = lines.clone();
    shuffled.reverse();
    shuffled.rotate_left(37);
    write(&p, &shuffled);
    assert_eq!(evaluated(&p), found);
    let validation =
        |p: &Playground| p.json(&["evaluate", "run", "--quiet", "--json", "--split", "validation"]);
    let before = validation(&p);
    shuffled.insert(3, "new,1,0.5,0.5".to_owned());
    write(&p, &shuffled);
    assert_eq!(evaluated(&p), found);
    assert_eq!(validation(&p), before);
    let said = p.run(&["evaluate", "run"]).stderr;
    assert!(
        said.contains("1 samples were not there") && said.contains("`new`"),
        "{said}"
    );
}

/// A line of another value.
fn edited(line: &str) -> String {
    format!("{}7", line.trim_end_matches(|c: char| c != ','))
}

#[test]
fn rows_that_are_gone_or_edited_are_refused_where_they_are_evaluated_and_told_elsewhere() {
    let (p, lines, found) = trained();
    let relabel = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let other = if cells[1] == "0" { "1" } else { "0" };
        format!("{},{other},{},{}", cells[0], cells[2], cells[3])
    };
    type Change<'a> = (&'a str, &'a dyn Fn(&mut Vec<String>, usize));
    let changes: [Change<'_>; 3] = [
        ("gone", &|lines, at| {
            lines.remove(at);
        }),
        ("other contents", &|lines, at| lines[at] = edited(&lines[at])),
        ("another label", &|lines, at| lines[at] = relabel(&lines[at])),
    ];
    let (test, training) = (of_split(&p, &lines, "test"), of_split(&p, &lines, "training"));
    for (part, change) in changes {
        let mut changed = lines.clone();
        change(&mut changed, test[2]);
        write(&p, &changed);
        p.refuse_after_run(&["evaluate", "run"], part);
        p.succeed(&["evaluate", "run", "--split", "train"]);
        let mut changed = lines.clone();
        change(&mut changed, training[2]);
        write(&p, &changed);
        assert_eq!(evaluated(&p), found, "{part}");
        let said = p.run(&["evaluate", "run"]).stderr;
        assert!(said.contains(part) && said.contains("training samples"), "{said}");
    }
}

#[test]
fn a_run_from_before_splits_were_kept_is_evaluated_with_a_warning_and_a_damaged_file_is_refused() {
    let (p, _, found) = trained();
    let (model, splits) = (p.path("run/model.json"), p.path("run/splits.csv"));
    let kept = std::fs::read_to_string(&splits).unwrap();
    std::fs::write(&splits, kept.replacen("test", "training", 1)).unwrap();
    p.refuse_after_run(&["evaluate", "run"], "splits.csv is not the file");
    std::fs::remove_file(&splits).unwrap();
    p.refuse_after_run(&["evaluate", "run"], "splits.csv is not the file");
    let mut description: Value = serde_json::from_slice(&std::fs::read(&model).unwrap()).unwrap();
    description
        .as_object_mut()
        .unwrap()
        .remove("splits_blake3")
        .unwrap();
    std::fs::write(&model, description.to_string()).unwrap();
    assert_eq!(evaluated(&p), found);
    let said = p.run(&["evaluate", "run"]).stderr;
    assert!(said.contains("drawn again"), "{said}");
}

#[test]
fn samples_without_a_label_were_there_when_the_model_was_trained() {
    let p = playground();
    let mut lines = lines();
    for (place, line) in ["none,,0.25,0.5", "nor,,0.5,0.25"].into_iter().enumerate() {
        lines.insert(7 * place, line.to_owned());
    }
    write(&p, &lines);
    p.write("config.toml", CONFIG);
    p.succeed(&["train", "config.toml", "--quiet", "--out", "run"]);
    let said = p.run(&["evaluate", "run"]).stderr;
    assert!(
        said.contains("2 of 122 samples") && said.contains("no label") && !said.contains("not there"),
        "{said}"
    );
    lines[0] = lines[0].replace(",,", ",1,");
    write(&p, &lines);
    let said = p.run(&["evaluate", "run"]).stderr;
    assert!(
        said.contains("1 of 122 samples")
            && said.contains("1 samples were not there")
            && said.contains("`none`"),
        "{said}"
    );
}

#[test]
fn a_run_goes_on_with_the_samples_that_it_began_with() {
    let (p, lines, _) = trained();
    let further = ["train", "--resume", "run", "--epochs", "5", "--quiet"];
    let of = |split: &str| of_split(&p, &lines, split)[2];
    for (split, place) in ["training", "validation", "test"].map(|split| (split, of(split))) {
        let mut changed = lines.clone();
        changed[place] = edited(&lines[place]);
        write(&p, &changed);
        let said = p.run(&further);
        assert_eq!(said.code, Some(2), "{}", said.stderr);
        let id = lines[place].split(',').next().unwrap();
        for part in [
            &format!("of the {split} samples"),
            "other contents",
            &format!("`{id}`"),
        ] {
            assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
        }
    }
    write(&p, &[&lines[..], &["new,1,0.5,0.5".to_owned()]].concat());
    p.refuse_after_run(&further, "1 samples were not there, such as `new`");
    write(&p, &lines);
    p.succeed(&further);
}

/// Samples of datasets that are more than a table.
const OTHERS: usize = 48;

fn values(sample: usize, changed: Option<usize>) -> [f32; 2] {
    let hash = (sample as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let value = |shift: u32| (hash >> shift & 1023) as f32 / 512.0 - 1.0;
    let more = if changed == Some(sample) { 0.5 } else { 0.0 };
    [value(7) + more, value(23)]
}

fn write_labels(p: &Playground) {
    let rows = (0..OTHERS).map(|sample| format!("s{sample},{}\n", sample % 2));
    p.write("table.csv", format!("id,label\n{}", rows.collect::<String>()));
}

/// A row of one file for each sample.
fn write_rows(p: &Playground, changed: Option<usize>) {
    write_labels(p);
    let all: Vec<f32> = (0..OTHERS).flat_map(|sample| values(sample, changed)).collect();
    p.write("rows.npy", gblend_tests::npy(&[OTHERS, 2], &all));
}

/// Two files for each sample, the second of which may change.
fn write_files(p: &Playground, changed: Option<usize>) {
    write_labels(p);
    for sample in 0..OTHERS {
        p.write(
            &format!("a/s{sample}.npy"),
            gblend_tests::npy(&[2], &values(sample, None)),
        );
        p.write(
            &format!("b/s{sample}.npy"),
            gblend_tests::npy(&[2], &values(sample, changed)),
        );
    }
}

/// Two shards.
fn write_shards(p: &Playground, changed: Option<usize>) {
    for shard in 0..2 {
        let file = std::fs::File::create(p.path(&format!("{shard}.tar"))).unwrap();
        let mut builder = tar::Builder::new(file);
        for sample in (shard..OTHERS).step_by(2) {
            let array = gblend_tests::npy(&[2], &values(sample, changed));
            for (name, bytes) in [("npy", array), ("cls", (sample / 2 % 2).to_string().into_bytes())] {
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes.len() as u64);
                header.set_mode(0o644);
                builder
                    .append_data(&mut header, format!("s{sample}.{name}"), &bytes[..])
                    .unwrap();
            }
        }
        builder.finish().unwrap();
    }
}

#[test]
fn contents_of_rows_files_and_shards_are_compared_as_those_of_tables_are() {
    type Write = fn(&Playground, Option<usize>);
    let table = "table = \"table.csv\"\nid = \"id\"\nlabel = \"label\"";
    let stream = |name: &str, from: &str| {
        format!("[data.streams.{name}]\nmedia = \"array\"\n{from}\n[modality.{name}]\nkind = \"vector\"\n")
    };
    let cases: [(&str, String, Write); 3] = [
        (table, stream("a", "file = \"rows.npy\""), write_rows),
        (
            table,
            stream("a", "path = \"a/{id}.npy\"") + &stream("b", "path = \"b/{id}.npy\""),
            write_files,
        ),
        (
            "shards = [\"0.tar\", \"1.tar\"]\nlabel = \"cls\"",
            stream("a", "path = \"{__key__}.npy\""),
            write_shards,
        ),
    ];
    for (samples, streams, write) in cases {
        let p = playground();
        write(&p, None);
        p.write(
            "config.toml",
            format!(
                "[run]\nepochs = 1\nvalidation = 0\n[data]\nkind = \"manifest\"\n{samples}\nsplit = {{ test = 0.4 }}\n{streams}\n\
                 [blend]\nkind = \"equal\"\n"
            ),
        );
        p.succeed(&["train", "config.toml", "--quiet", "--out", "run"]);
        let found = evaluated(&p);
        let kept = std::fs::read_to_string(p.path("run/splits.csv")).unwrap();
        let of = |split: &str| -> usize {
            let line = kept
                .lines()
                .find(|line| line.contains(&format!(",{split},")))
                .unwrap();
            line[1..].split(',').next().unwrap().parse().unwrap()
        };
        write(&p, Some(of("test")));
        p.refuse_after_run(&["evaluate", "run"], "other contents");
        write(&p, Some(of("training")));
        assert_eq!(evaluated(&p), found, "{samples}");
        let said = p.run(&["evaluate", "run"]).stderr;
        assert!(
            said.contains("other contents") && said.contains("training samples"),
            "{said}"
        );
    }
}
