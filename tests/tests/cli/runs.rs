//! Runs are listed with what came of them.

use serde_json::Value;

use crate::playground;

#[test]
fn runs_are_listed_by_age_with_their_results_and_what_sets_them_apart() {
    let p = playground();
    p.refuse(&["runs"], &["runs"]);
    let train = |out: &str, settings: &[&str]| {
        let mut arguments = vec!["train", "tiny.toml", "--quiet", "--json", "--out", out];
        settings
            .iter()
            .for_each(|setting| arguments.extend(["--set", setting]));
        p.json(&arguments)
    };
    let first = train("all/z", &["run.epochs=1"]);
    train(
        "all/a",
        &["run.epochs=1", "blend.kind=joint", "optimizer.learning_rate=0.5"],
    );
    // One that did not end, one whose result is damaged, and what is no run.
    std::fs::create_dir_all(p.path("all/stopped")).unwrap();
    std::fs::copy(p.path("all/z/config.toml"), p.path("all/stopped/config.toml")).unwrap();
    p.write(
        "all/stopped/metrics.jsonl",
        "{\"epoch\": 1}\n{\"epoch\": 2}\n{\"epo",
    );
    std::fs::create_dir_all(p.path("all/x")).unwrap();
    std::fs::copy(p.path("all/z/config.toml"), p.path("all/x/config.toml")).unwrap();
    p.write("all/x/summary.json", "{");
    p.write("all/notes/a.txt", "no run");
    let listed = p.json(&["runs", "all", "--json"]);
    let of = |name: &str| {
        let found = listed
            .as_array()
            .unwrap()
            .iter()
            .find(|run| run["run"] == format!("all/{name}"));
        found.cloned().unwrap_or(Value::Null)
    };
    assert_eq!(listed.as_array().unwrap().len(), 4);
    assert_eq!(
        (&listed[0]["run"], &listed[1]["run"]),
        (&"all/z".into(), &"all/a".into())
    );
    assert_eq!(of("z")["value"], gblend_tests::predicted(&first)["test_accuracy"]);
    assert_eq!(
        (&of("z")["state"], of("z")["settings"].as_array().unwrap().len()),
        (&"ended".into(), 0)
    );
    let settings: Vec<String> = serde_json::from_value(of("a")["settings"].clone()).unwrap();
    assert!(
        settings.iter().any(|setting| setting == "blend.kind = \"joint\""),
        "{settings:?}"
    );
    assert!(
        settings
            .iter()
            .any(|setting| setting == "optimizer.learning_rate = 0.5"),
        "{settings:?}"
    );
    assert_eq!(
        (&of("stopped")["state"], &of("stopped")["epochs"]),
        (&"open".into(), &2.into())
    );
    assert_eq!(of("x")["state"], "damaged");
    let table = p.succeed(&["runs", "all"]);
    for part in [
        "all/stopped",
        "2 epochs done",
        "% accuracy",
        "optimizer.learning_rate = 0.5",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    assert_eq!(p.json(&["runs", "all/z", "--json"]).as_array().unwrap().len(), 1);
}
