//! Comparisons that test every sample: `gblend compare --folds`, and `run.fold` of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::playground;
use gblend_tests::Playground;

const CONFIG: &str = r#"
[run]
epochs = 2
validation = 0.25

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
group = "who"
split = { test = 0 }

[data.streams.body]
columns = "body_*"
media = "array"

[data.streams.voice]
columns = "voice_*"
media = "array"

[modality]
body = { kind = "vector" }
voice = { kind = "vector" }
"#;

/// Seventy-two samples of twelve people, six of each, in two classes.
fn table(p: &Playground) {
    let rows = (0..72_u64).map(|row| {
        let hash = row.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let (label, who) = (row / 3 % 2, row / 6);
        let value = |shift: u32| label as f64 + (hash >> shift & 1023) as f64 / 256.0 - 2.0;
        format!(
            "s{row},{label},p{who},{},{},{},{}",
            value(7),
            value(23),
            value(31),
            value(41)
        )
    });
    let rows: Vec<String> = rows.collect();
    let header = "id,label,who,body_0,body_1,voice_0,voice_1";
    p.write("table.csv", format!("{header}\n{}\n", rows.join("\n")));
    p.write("config.toml", CONFIG);
}

const COMPARE: [&str; 7] = [
    "compare",
    "config.toml",
    "--quiet",
    "--methods",
    "equal",
    "--out",
    "c",
];

fn compare(p: &Playground, more: &[&str]) -> Value {
    p.json(&[&COMPARE[..], &["--json"], more].concat())
}

/// What the same says to a reader.
fn told(p: &Playground, more: &[&str]) -> String {
    p.succeed(&[&COMPARE[..], more].concat())
}

/// The split of each sample of a run, by its id.
fn splits(run: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(run.join("splits.csv")).unwrap();
    let lines = text
        .lines()
        .skip_while(|line| !line.starts_with('s') || line.starts_with("sample"));
    let pairs = lines.filter_map(|line| {
        let mut cells = line.split(',');
        Some((cells.next()?.to_owned(), cells.next()?.to_owned()))
    });
    pairs.collect()
}

fn tested(run: &Path) -> BTreeSet<String> {
    let all = splits(run).into_iter();
    all.filter(|(_, split)| split == "test")
        .map(|(id, _)| id)
        .collect()
}

fn runs(p: &Playground, row: &Value) -> Vec<PathBuf> {
    let runs = row["runs"].as_array().unwrap().iter();
    runs.map(|run| p.path("c").join(run.as_str().unwrap())).collect()
}

#[test]
fn every_sample_is_tested_once_by_every_method_and_its_group_is_never_trained_on() {
    let p = playground();
    table(&p);
    let comparison = compare(&p, &["--folds", "4"]);
    assert_eq!(
        comparison["folds"],
        serde_json::json!({ "of": 4, "deals": 1, "first_seed": 0 })
    );
    assert_eq!(comparison["test_samples"], 72);
    assert_eq!(comparison["other_samples"], Value::Null);
    let rows = comparison["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4, "{comparison}");
    let mut first: Option<Vec<BTreeSet<String>>> = None;
    for row in rows {
        assert_eq!(row["seeds"], serde_json::json!([0, 1, 2, 3]));
        let of_folds: Vec<BTreeSet<String>> = runs(&p, row).iter().map(|run| tested(run)).collect();
        assert!(of_folds.iter().all(|tested| tested.len() == 18), "{of_folds:?}");
        let all: BTreeSet<&String> = of_folds.iter().flatten().collect();
        assert_eq!(all.len(), 72);
        let same = first.get_or_insert_with(|| of_folds.clone());
        assert_eq!(*same, of_folds, "{}", row["method"]);
        for run in runs(&p, row) {
            let person = |id: &String| id[1..].parse::<usize>().unwrap() / 6;
            let test: BTreeSet<usize> = tested(&run).iter().map(person).collect();
            for (id, split) in splits(&run) {
                assert_eq!(test.contains(&person(&id)), split == "test", "{id} is in {split}");
            }
        }
        assert_eq!(
            (&row["parts"]["samples"], &row["parts"]["groups"]),
            (&72.into(), &12.into())
        );
    }
    let text = told(&p, &["--folds", "4"]);
    assert!(
        text.contains("intervals over 4 folds of 72 samples in 12 groups"),
        "{text}"
    );
    p.succeed(&["report", "c"]);
    let page = std::fs::read_to_string(p.path("c/report.html")).unwrap();
    assert!(page.contains("over 4 folds of 72 samples in 12 groups"));
    assert!(page.contains("each small point one fold") && !page.contains("one seed"));
    assert!(p.run(&["runs", "c"]).stdout.contains(" methods, 4 folds"));
}

#[test]
fn what_is_chosen_for_a_fold_has_never_seen_its_test_samples() {
    let p = playground();
    table(&p);
    let tune = [
        "--folds",
        "3",
        "--tune",
        "optimizer.learning_rate=1e-7,0.05",
        "--tune-seeds",
        "1",
    ];
    let comparison = compare(&p, &tune);
    let row = &comparison["rows"][2];
    assert_eq!(row["tuned_by_fold"].as_array().unwrap().len(), 3, "{row}");
    assert!(row.get("tuned").is_none());
    for (fold, run) in runs(&p, row).iter().enumerate() {
        let test = tested(run);
        let tuning = format!(
            "c/tuning/fold-{}-of-3/{}",
            fold + 1,
            row["method"].as_str().unwrap()
        );
        for point in ["point0", "point1"] {
            let seen = splits(&p.path(&format!("{tuning}/{point}/seed-1000000")));
            assert!(seen.len() > 30);
            let used = seen
                .iter()
                .filter(|(_, split)| *split != "test")
                .map(|(id, _)| id);
            let used: Vec<&String> = used.collect();
            assert_eq!(used.len(), 72 - test.len());
            assert!(used.iter().all(|id| !test.contains(*id)), "{tuning}");
        }
    }
    // What is done stays, and more seeds deal the samples again.
    let written = |run: &Path| {
        std::fs::metadata(run.join("summary.json"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before: Vec<_> = runs(&p, row).iter().map(|run| written(run)).collect();
    let more = compare(&p, &[&tune[..], &["--seeds", "6"]].concat());
    let row = &more["rows"][2];
    let after = runs(&p, row);
    assert_eq!(
        before,
        after.iter().take(3).map(|run| written(run)).collect::<Vec<_>>()
    );
    let tests: BTreeSet<BTreeSet<String>> = after.iter().map(|run| tested(run)).collect();
    assert_eq!(tests.len(), 6, "another deal has other folds");
    assert_eq!(more["test_samples"], 72);
}

#[test]
fn a_run_of_one_fold_keeps_it_and_is_evaluated_on_it() {
    let p = playground();
    table(&p);
    let train = |out: &str, seed: &str| {
        let set = format!("run.seed={seed}");
        p.succeed(&[
            "train",
            "config.toml",
            "--quiet",
            "--out",
            out,
            "--set",
            "run.fold=2/4",
            "--set",
            &set,
        ]);
        tested(&p.path(out))
    };
    assert_eq!(train("a", "0"), train("b", "1"), "whatever the seed is");
    let summary: Value =
        serde_json::from_str(&std::fs::read_to_string(p.path("a/summary.json")).unwrap()).unwrap();
    let evaluated = p.json(&["evaluate", "a", "--quiet", "--json"]);
    assert_eq!(summary["heads"][0]["test_samples"], 18);
    assert_eq!(
        summary["heads"][0]["test_accuracy"], evaluated["heads"][0]["accuracy"],
        "{evaluated}"
    );
}

#[test]
fn folds_that_there_cannot_be_are_refused_before_anything_is_trained() {
    let p = playground();
    table(&p);
    for (arguments, parts) in [
        (&["--folds", "13"][..], &["12 groups", "13 folds"][..]),
        (&["--folds", "1"], &["--folds 1", "2 to 1000"]),
        (
            &["--folds", "4", "--seeds", "6"],
            &["--seeds 6", "a multiple of 4"],
        ),
        (
            &["--folds", "4", "--set", "run.fold=1/3"],
            &["fold 1/3", "run.fold"],
        ),
        (&["--folds", "4", "--set", "run.test=false"], &["run.test"]),
        (&["--set", "run.fold=5/4"], &["found `5/4`", "`2/5`"]),
        (&["--folds", "4", "--simplex", "2"], &["--simplex"]),
        (
            &["--folds", "4", "--variant", "own run.fold=1/2"],
            &["--variant", "run.fold is what a comparison sets"],
        ),
        (
            &["--variant", "own run.seed=7"],
            &["run.seed is what a comparison sets"],
        ),
        (
            &["--folds", "4", "--tune", "--set", "run.validation=0"],
            &["--folds 4", "run.validation"],
        ),
    ] {
        p.refuse(
            &[&["compare", "config.toml", "--quiet", "--out", "c"], arguments].concat(),
            parts,
        );
        assert!(!p.path("c/cells").exists());
    }
}

#[test]
fn means_count_each_sample_alike_where_groups_make_folds_of_unequal_size() {
    let p = playground();
    table(&p);
    let text = std::fs::read_to_string(p.path("table.csv")).unwrap();
    // Half of the people are one.
    let joined = (6..12).fold(text, |text, who| text.replace(&format!(",p{who},"), ",p6,"));
    p.write("table.csv", joined);
    let comparison = compare(&p, &["--folds", "3"]);
    for row in comparison["rows"].as_array().unwrap() {
        let tested = row["tested"].as_array().unwrap();
        let tested: Vec<f64> = tested.iter().map(|count| count.as_f64().unwrap()).collect();
        assert_eq!(
            (tested[0].max(tested[1]).max(tested[2]), tested.iter().sum()),
            (36.0, 72.0),
            "{row}"
        );
        let right: Vec<f64> = runs(&p, row)
            .iter()
            .flat_map(|run| predicted_right(run))
            .collect();
        assert_eq!(right.len(), 72);
        let mean = right.iter().sum::<f64>() / 72.0;
        assert!(
            (row["mean"].as_f64().unwrap() - mean).abs() < 1e-12,
            "{mean}: {row}"
        );
    }
    let equal = &comparison["rows"][3];
    let difference = &equal["paired_difference_to_joint"]["mean"];
    let expected = equal["mean"].as_f64().unwrap() - comparison["rows"][2]["mean"].as_f64().unwrap();
    assert!((difference.as_f64().unwrap() - expected).abs() < 1e-12);
}

/// Whether each test sample of a run was right by what predicts, the last column.
fn predicted_right(run: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(run.join("test_samples.csv")).unwrap();
    let lines = text.lines().skip(1);
    lines
        .map(|line| line.rsplit(',').next().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn a_fold_that_has_all_samples_of_a_class_is_left_out_by_name_whatever_the_number_of_jobs() {
    let p = playground();
    table(&p);
    let text = std::fs::read_to_string(p.path("table.csv")).unwrap();
    let config = CONFIG.replace("group = \"who\"\n", "");
    for (class, jobs) in [("a", "1"), ("a", "2"), ("z", "1"), ("z", "2")] {
        p.write("table.csv", format!("{text}s72,{class},p0,0,0,0,0\n"));
        p.write("config.toml", &config);
        let out = format!("{class}{jobs}");
        let arguments = [
            "compare",
            "config.toml",
            "--quiet",
            "--folds",
            "4",
            "--methods",
            "equal",
            "--out",
            &out,
            "--jobs",
            jobs,
        ];
        let outcome = p.run(&arguments);
        let told = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(
            told.contains("over 3 of 4 folds of") && told.contains("run.fold_seed"),
            "{told}"
        );
        let comparison: Value =
            serde_json::from_str(&std::fs::read_to_string(p.path(&out).join("compare.json")).unwrap())
                .unwrap();
        assert_eq!(
            comparison["left_out"].as_array().unwrap().len(),
            4,
            "one for each method"
        );
    }
}

#[test]
fn encoders_of_a_run_that_learned_from_what_is_tested_are_refused_and_those_of_the_same_fold_are_not() {
    let p = playground();
    table(&p);
    let train = |out: &str, fold: &str, more: &[&str]| {
        let fold = format!("run.fold={fold}");
        let own = ["train", "config.toml", "--quiet", "--out", out, "--set", &fold];
        p.run(&[&own[..], more].concat())
    };
    assert_eq!(train("first", "1/4", &[]).code, Some(0));
    let from = ["--set", "modality.body.pretrained=first"];
    assert_eq!(train("same", "1/4", &from).code, Some(0));
    let other = train("other", "2/4", &from);
    assert_eq!(other.code, Some(2), "{}", other.stderr);
    for part in [
        "modality.body.pretrained",
        "18 of the samples that are tested",
        "run.test = false",
    ] {
        assert!(other.stderr.contains(part), "{}", other.stderr);
    }
    assert!(!p.path("other").exists());
    let untested = [&from[..], &["--set", "run.test=false"]].concat();
    assert_eq!(train("untested", "2/4", &untested).code, Some(0));
}

#[test]
fn methods_that_are_tested_on_other_samples_are_named() {
    let p = playground();
    table(&p);
    let text = std::fs::read_to_string(p.path("table.csv")).unwrap();
    let fewer: Vec<&str> = text.lines().take(49).collect();
    p.write("fewer.csv", fewer.join("\n") + "\n");
    let arguments = ["--folds", "2", "--variant", "fewer data.table=fewer.csv"];
    let comparison = compare(&p, &arguments);
    assert_eq!(comparison["other_samples"][0]["method"], "fewer", "{comparison}");
    let text = told(&p, &arguments);
    assert!(
        text.contains("fewer was not tested on the samples of single:body"),
        "{text}"
    );
}
