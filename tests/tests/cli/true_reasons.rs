//! What is refused is refused for the true reason, and nothing odd is told of what is not.

use std::time::{Duration, Instant};

use gblend_tests::Playground;

use crate::playground;

/// Samples of two columns of numbers in a table of this name and text.
fn table(name: &str, text: &str) -> Playground {
    let p = playground();
    p.write(name, text);
    p.write(
        "t.toml",
        format!(
            "[run]\nepochs = 1\nvalidation = 0\n[data]\nkind = \"manifest\"\ntable = \"{name}\"\nid = \"id\"\n\
             label = \"label\"\nsplit = \"split\"\n[data.streams.v]\nmedia = \"array\"\ncolumns = [\"x\", \"y\"]\n\
             [modality.v]\nkind = \"vector\"\n[blend]\nkind = \"equal\"\n"
        ),
    );
    p
}

/// Its rows, divided by something.
fn rows(between: &str) -> String {
    let rows = (0..12).map(|i| {
        let split = if i < 8 { "train" } else { "test" };
        [
            format!("s{i}"),
            (i % 2).to_string(),
            split.into(),
            (i % 4).to_string(),
            (i % 5).to_string(),
        ]
        .join(between)
            + "\n"
    });
    ["id", "label", "split", "x", "y"].join(between) + "\n" + &rows.collect::<String>()
}

#[test]
fn a_table_that_is_written_otherwise_than_its_name_says_is_told_as_such_by_every_command() {
    for (between, what) in [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")] {
        let p = table("t.csv", &rows(between));
        for command in ["check", "train"] {
            p.refuse(&[command, "t.toml"], &["t.csv", "found one column", what]);
        }
    }
    let list = "[\n{\"id\": \"a\", \"label\": \"0\", \"split\": \"train\", \"x\": 1, \"y\": 2}\n]\n";
    let p = table("t.jsonl", list);
    p.refuse(
        &["check", "t.toml"],
        &["t.jsonl:1", "the objects of a list stand in lines of their own"],
    );
}

#[test]
fn a_few_numbers_that_are_equal_are_neither_a_blank_picture_nor_silence() {
    let p = table("t.csv", &rows(","));
    let checked = p.succeed(&["check", "t.toml", "--quiet"]);
    assert!(!checked.contains("one value everywhere"), "{checked}");
}

#[test]
fn shards_that_are_a_pattern_or_empty_are_told_as_such() {
    let p = playground();
    p.write("empty.tar", "");
    for (shard, part) in [
        ("s-*.tar", "a pattern for none"),
        ("s-{0..3}.tar", "a pattern for none"),
        ("empty.tar", "is empty"),
    ] {
        p.write(
            "s.toml",
            format!(
                "[data]\nkind = \"manifest\"\nshards = [\"{shard}\"]\nlabel = \"cls\"\nsplit = {{ test = 0.25 }}\n\
                 [data.streams.camera]\npath = \"{{__key__}}.png\"\nmedia = \"frames\"\n[modality.camera]\nkind = \"rgb\"\n"
            ),
        );
        p.refuse(&["check", "s.toml"], &[shard, part]);
    }
}

/// Twelve samples with a picture each, at these paths of the table, of which these files are written.
fn pictures(path: impl Fn(usize) -> String, file: &str, bytes: &[u8]) -> Playground {
    let p = playground();
    let mut text = "id,label,split,file\n".to_owned();
    for i in 0..12 {
        let split = if i < 8 { "train" } else { "test" };
        text += &format!("s{i},{},{split},{}\n", i % 2, path(i));
    }
    p.write("t.csv", text);
    p.write(file, bytes);
    p.write(
        "p.toml",
        "[run]\nvalidation = 0\n[data]\nkind = \"manifest\"\ntable = \"t.csv\"\nid = \"id\"\nlabel = \"label\"\nsplit = \"split\"\n\
         [data.streams.camera]\ncolumn = \"file\"\nmedia = \"frames\"\n[modality.camera]\nkind = \"rgb\"\nencoder.channels = [4]\n\
         [blend]\nkind = \"equal\"\n",
    );
    p
}

#[test]
fn a_path_that_was_written_for_somewhere_else_is_told_with_the_one_that_is_there() {
    for (path, file, part) in [
        ("a\\0.png", "a/0.png", "`a/0.png` is there"),
        ("0.png", "0.PNG", "`0.PNG` is there"),
        ("https://example.org/0.png", "0.png", "an address (https)"),
    ] {
        let p = pictures(|_| path.to_owned(), file, b"x");
        p.refuse(&["check", "p.toml"], &["not found in", part]);
    }
}

#[test]
fn a_file_that_is_no_picture_is_told_for_what_it_is() {
    for (name, bytes, part) in [
        (
            "0.heic",
            &b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..],
            "a picture in HEIC",
        ),
        ("0.jpg", b"<!DOCTYPE html><html>404</html>", "is a web page"),
        ("0.mp4", b"\n<html><body>Sign in</body></html>", "is a web page"),
        ("0.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ] {
        let p = pictures(|_| name.to_owned(), name, bytes);
        p.refuse(&["check", "p.toml"], &[name, part]);
    }
}

#[test]
fn arguments_that_cannot_be_are_told_by_the_name_that_was_used() {
    let p = playground();
    let refused = |arguments: &[&str], part: &str, not: &str| {
        let outcome = p.run(arguments);
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains(part) && !outcome.stderr.contains(not),
            "{}",
            outcome.stderr
        );
    };
    refused(
        &["train", "tiny.toml", "--seed", "-1"],
        "'-1' for '--seed <N>'",
        "-- -1",
    );
    refused(
        &["compare", "tiny.toml", "--methods", "nope", "--out", "c"],
        "`nope`; known are",
        "` Known",
    );
    p.succeed(&[
        "train",
        "tiny.toml",
        "--quiet",
        "--out",
        "run",
        "--set",
        "run.epochs=1",
    ]);
    refused(
        &["train", "--resume", "run", "--epochs", "0"],
        "--epochs 0",
        "--set",
    );
}

#[test]
fn a_run_that_is_under_way_is_not_called_stopped_and_one_without_a_whole_checkpoint_has_none_to_go_on_from() {
    let p = playground();
    let (mut child, stderr) = p.start_heard(&[
        "train",
        "tiny.toml",
        "--out",
        "run",
        "--set",
        "run.epochs=1000000",
    ]);
    let began = Instant::now();
    while !p.path("run/checkpoints/3.json").is_file() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{}",
            std::fs::read_to_string(&stderr).unwrap()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let (evaluated, reported) = (
        p.run(&["evaluate", "run", "--quiet"]),
        p.run(&["report", "run", "--out", "r.html"]),
    );
    child.kill().unwrap();
    child.wait().unwrap();
    for outcome in [&evaluated, &reported] {
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    }
    assert!(
        evaluated.stderr.contains("the run is under way after epoch"),
        "{}",
        evaluated.stderr
    );
    assert!(
        std::fs::read_to_string(p.path("r.html"))
            .unwrap()
            .contains("The run is under way after epoch")
    );
    for entry in std::fs::read_dir(p.path("run/checkpoints")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            std::fs::write(path, "{").unwrap();
        }
    }
    for command in [["evaluate", "run"], ["report", "run"]] {
        p.refuse_after_run(&command, "no checkpoint can be read");
    }
}
