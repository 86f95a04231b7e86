//! The same seed gives the same bits, at any number of threads.

use crate::playground;
use gblend_tests::without_measurements;

#[test]
fn one_seed_gives_one_summary_and_one_model_at_any_number_of_threads() {
    let p = playground();
    let mut results = Vec::new();
    for (out, threads) in [("a", "1"), ("b", "2"), ("c", "3"), ("d", "1")] {
        let threads = format!("run.threads={threads}");
        p.succeed(&["train", "tiny.toml", "--quiet", "--out", out, "--set", &threads]);
        let summary = std::fs::read_to_string(p.path(out).join("summary.json")).unwrap();
        let model = std::fs::read(p.path(out).join("model.safetensors")).unwrap();
        results.push((
            without_measurements(serde_json::from_str(&summary).unwrap()),
            model,
        ));
    }
    for other in &results[1..] {
        assert_eq!(other.0, results[0].0);
        assert!(other.1 == results[0].1, "parameters differ");
    }
}

#[test]
fn another_seed_gives_another_model() {
    let p = playground();
    for seed in ["1", "2"] {
        p.succeed(&["train", "tiny.toml", "--quiet", "--out", seed, "--seed", seed]);
    }
    let model = |seed: &str| std::fs::read(p.path(seed).join("model.safetensors")).unwrap();
    assert_ne!(model("1"), model("2"));
}

#[test]
fn a_cache_that_was_there_before_changes_nothing() {
    let p = playground();
    let first = without_measurements(p.json(&["train", "tiny.toml", "--quiet", "--json"]));
    let second = without_measurements(p.json(&["train", "tiny.toml", "--quiet", "--json"]));
    std::fs::remove_dir_all(p.path("runs/cache")).unwrap();
    // Without memory for prepared samples they are read from the cache one by one.
    let third = p.json(&["train", "tiny.toml", "--quiet", "--json", "--set", "run.memory=0"]);
    assert_eq!(first, second);
    assert_eq!(first, without_measurements(third));
}
