//! Training without a test.

use gblend_tests::Playground;

use crate::playground;

/// What a run leaves, is said to have come to, and refuses.
fn trains_untested(p: &Playground, arguments: &[&str]) {
    let told = p.succeed(&[&["train"], arguments, &["--quiet", "--out", "run"]].concat());
    assert!(told.contains("nothing was tested"), "{told}");
    assert!(!told.contains("test accuracy"), "{told}");
    for file in ["test.json", "test_samples.csv"] {
        assert!(!p.path("run").join(file).exists(), "{file}");
    }
    let text = std::fs::read_to_string(p.path("run/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(summary["predictions"], serde_json::json!([]));
    assert!(
        summary["heads"]
            .as_array()
            .unwrap()
            .iter()
            .all(|head| head["test_samples"] == 0)
    );

    p.succeed(&["report", "run", "--out", "report.html"]);
    let page = std::fs::read_to_string(p.path("report.html")).unwrap();
    assert!(page.contains("Nothing was tested"), "{page}");
    assert!(p.succeed(&["runs", "run"]).contains("nothing tested"));
}

#[test]
fn a_dataset_that_has_no_test_samples_is_trained_on_and_the_model_used() {
    let p = playground();
    trains_untested(
        &p,
        &[
            "tiny.toml",
            "--set",
            "data.test_samples=0",
            "--set",
            "run.validation=0.25",
        ],
    );
    p.refuse_after_run(&["evaluate", "run", "--quiet"], "trained without a test");
    let validated = p.json(&["evaluate", "run", "--quiet", "--json", "--split", "validation"]);
    assert!(validated["samples"].as_u64().unwrap() > 0, "{validated}");
    let predicted = p.succeed(&["predict", "run", "--quiet", "scene-3"]);
    assert!(predicted.contains("scene-3"), "{predicted}");
    let checked = p.succeed(&["check", "tiny.toml", "--quiet", "--set", "data.test_samples=0"]);
    assert!(
        checked.contains(" 0 test") && !checked.contains("without a test sample"),
        "{checked}"
    );
}

#[test]
fn test_samples_that_a_run_goes_without_stay_unseen() {
    let p = playground();
    trains_untested(&p, &["tiny.toml", "--set", "run.test=false"]);
    // Whoever wants to looks at them later.
    let tested = p.json(&["evaluate", "run", "--quiet", "--json"]);
    assert_eq!(tested["samples"], 40);
}

/// A table whose column of splits names no test sample.
fn table(split: &str) -> Playground {
    let p = playground();
    let rows = (0..24).map(|i| format!("s{i},{},train,{},{}\n", i % 2, (i % 2) * 3 + i % 5, i % 7));
    p.write(
        "t.csv",
        format!("id,label,part,x,y\n{}", rows.collect::<String>()),
    );
    p.write(
        "t.toml",
        format!(
            "[run]\nepochs = 1\nvalidation = 0.25\n[data]\nkind = \"manifest\"\ntable = \"t.csv\"\nid = \"id\"\n\
             label = \"label\"\nsplit = {split}\n[data.streams.v]\nmedia = \"array\"\ncolumns = [\"x\", \"y\"]\n\
             [modality.v]\nkind = \"vector\"\n[blend]\nkind = \"equal\"\n"
        ),
    );
    p
}

#[test]
fn a_table_without_test_rows_is_trained_on_where_that_is_said() {
    let drawn = table("{ test = 0.0 }");
    trains_untested(&drawn, &["t.toml"]);
    let named = table("\"part\"");
    named.refuse(
        &["train", "t.toml"],
        &["no test sample, expected at least one", "run.test = false"],
    );
    trains_untested(&named, &["t.toml", "--set", "run.test=false"]);
}

#[test]
fn methods_are_not_compared_without_a_test() {
    let p = playground();
    for set in ["run.test=false", "data.test_samples=0"] {
        p.refuse(
            &["compare", "tiny.toml", "--quiet", "--set", set, "--out", "c"],
            &["compared on test samples", "run.test"],
        );
        assert!(!p.path("c").exists());
    }
}
