//! What ranks train, estimate and compare is what one process does.

use serde_json::Value;

use crate::{assert_equal_to_rounding, model, playground, succeed, test_losses};

#[test]
fn ranks_with_a_part_of_the_batch_each_train_what_one_process_trains_with_all_of_it() {
    let p = playground();
    let sgd = [
        "--set",
        "optimizer.kind=sgd",
        "--set",
        "optimizer.learning_rate=0.02",
        "--quiet",
    ];
    let train = |ranks: usize, batch: &str, out: &str| {
        let batch = format!("run.batch_size={batch}");
        let mut arguments = vec![
            "train",
            "tiny.toml",
            "--distributed",
            "--out",
            out,
            "--set",
            &batch,
        ];
        arguments.extend(sgd);
        succeed(&p, ranks, &arguments);
        test_losses(&p, out)
    };
    let one = train(1, "12", "one");
    assert_equal_to_rounding(&one, &train(2, "6", "two"));
    assert_equal_to_rounding(&one, &train(3, "4", "three"));
    train(3, "4", "three again");
    assert!(model(&p, "three") == model(&p, "three again"));
    // One writes, and what it writes is a run like any other.
    p.succeed(&["evaluate", "three"]);
    let config = std::fs::read_to_string(p.path("three/config.toml")).unwrap();
    assert!(config.contains("batch_size = 12"), "{config}");
}

#[test]
fn an_estimate_is_the_same_to_the_bit() {
    let p = playground();
    let estimate = [
        "estimate",
        "tiny.toml",
        "--json",
        "--quiet",
        "--set",
        "run.threads=1",
    ];
    let one: Value = p.json(&estimate);
    for ranks in [2, 3] {
        let many = succeed(&p, ranks, &[&estimate[..], &["--distributed"]].concat());
        assert_eq!(serde_json::from_str::<Value>(&many).unwrap(), one);
    }
}

#[test]
fn a_comparison_has_the_same_table() {
    let p = playground();
    let figures = |run: &str| {
        let text = std::fs::read_to_string(p.path(run).join("compare.json")).unwrap();
        let comparison: Value = serde_json::from_str(&text).unwrap();
        let rows = comparison["rows"].as_array().unwrap().iter();
        let figures = rows.map(|row| (row["method"].clone(), row["mean"].clone(), row["seeds"].clone()));
        figures.collect::<Vec<_>>()
    };
    let compare = |out: &'static str| {
        [
            "compare",
            "tiny.toml",
            "--seeds",
            "2",
            "--methods",
            "joint,equal",
            "--quiet",
            "--set",
            "run.epochs=1",
            "--set",
            "run.threads=1",
            "--out",
            out,
        ]
    };
    p.succeed(&compare("one"));
    succeed(&p, 2, &[&compare("two")[..], &["--distributed"]].concat());
    assert_eq!(figures("two"), figures("one"));
}
