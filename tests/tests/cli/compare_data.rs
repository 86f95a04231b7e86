//! A comparison is of one dataset.

use serde_json::Value;

use crate::playground;
use gblend_tests::Playground;

const CONFIG: &str = r#"
[run]
epochs = 1
validation = 0.2

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
split = { test = 0.25 }

[data.streams.first]
columns = ["a"]
media = "array"

[data.streams.second]
columns = ["b"]
media = "array"

[modality.first]
kind = "vector"

[modality.second]
kind = "vector"
"#;

fn lines() -> Vec<String> {
    let line = |row: u32| format!("s{row},{},{},{}", row % 2, row * 7 % 13, row * 5 % 11);
    (0..80).map(line).collect()
}

fn write(p: &Playground, lines: &[String]) {
    p.write("table.csv", format!("id,label,a,b\n{}\n", lines.join("\n")));
}

fn command(seeds: &'static str) -> Vec<&'static str> {
    let methods = ["--methods", "joint,equal", "--out", "c", "--quiet"];
    [&["compare", "config.toml", "--seeds", seeds], &methods[..]].concat()
}

fn begun() -> (Playground, Vec<String>) {
    let p = playground();
    let lines = lines();
    write(&p, &lines);
    p.write("config.toml", CONFIG);
    p.succeed(&command("1"));
    (p, lines)
}

#[test]
fn runs_of_another_dataset_are_not_put_beside_those_that_are_there() {
    let (p, lines) = begun();
    let table = std::fs::read(p.path("c/compare.json")).unwrap();
    type Change = fn(&mut Vec<String>);
    let changes: [(&str, Change); 4] = [
        ("1 have another label or other contents, such as `s3`", |lines| {
            lines[3] = lines[3].replacen(",1,", ",0,", 1);
        }),
        // Of one modality.
        ("1 have another label or other contents, such as `s3`", |lines| {
            lines[3] += "5";
        }),
        ("1 are gone or cannot be used, such as `s3`", |lines| {
            lines.remove(3);
        }),
        ("1 samples were not there, such as `new`", |lines| {
            lines.push("new,1,1,1".to_owned());
        }),
    ];
    for (told, change) in changes {
        let mut changed = lines.clone();
        change(&mut changed);
        write(&p, &changed);
        // Whether there is more to run or not.
        for seeds in ["1", "2"] {
            p.refuse_after_run(&command(seeds), told);
        }
        assert!(!p.path("c/cells/joint/seed-1").exists());
        assert_eq!(std::fs::read(p.path("c/compare.json")).unwrap(), table);
    }
    let mut sorted = lines.clone();
    sorted.reverse();
    write(&p, &sorted);
    p.succeed(&command("1"));
    write(&p, &lines);
    p.succeed(&command("2"));
}

#[test]
fn settings_that_were_tuned_on_another_dataset_are_not_taken() {
    let p = playground();
    let lines = lines();
    write(&p, &lines);
    p.write("config.toml", CONFIG);
    let tuned = [&command("1")[..], &["--tune", "--tune-seeds", "1"]].concat();
    p.succeed(&tuned);
    std::fs::remove_dir_all(p.path("c/cells")).unwrap();
    write(&p, &lines[..79]);
    p.refuse_after_run(&tuned, "1 are gone or cannot be used, such as `s79`");
}

#[test]
fn a_table_is_printed_again_where_the_dataset_is_not_and_says_that_nothing_was_looked_at() {
    let (p, _) = begun();
    std::fs::remove_file(p.path("table.csv")).unwrap();
    let again = p.run(&command("1"));
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(
        again
            .stderr
            .contains("nothing tells whether the dataset is still what these runs were made of"),
        "{}",
        again.stderr
    );
    p.refuse_after_run(&command("2"), "table.csv");
}

#[test]
fn runs_of_another_version_are_told() {
    let (p, _) = begun();
    assert_eq!(p.run(&command("1")).stderr, "");
    let path = p.path("c/cells/equal/seed-0/begun.json");
    let mut begun: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    begun["gblend"] = "0.0.9".into();
    std::fs::write(&path, begun.to_string()).unwrap();
    let said = p.run(&command("2")).stderr;
    assert!(
        said.contains("1 of 4 runs that are there already are of another version of gblend, such as 0.0.9"),
        "{said}"
    );
}
