//! Classes of which some are rare: weights in the losses, and epochs that draw them more often.

use std::time::Instant;

use gblend_tests::{Playground, assert_same_losses, without_measurements};
use serde_json::Value;

use crate::playground;

const CONFIG: &str = r#"
[run]
epochs = 12
batch_size = 32
validation = 0.2

[data]
kind = "manifest"
table = "t.csv"
id = "id"
label = "label"
split = "split"

[data.streams.body]
media = "array"
columns = "a_*"

[data.streams.serum]
media = "array"
columns = "b_*"

[modality.body]
kind = "vector"
encoder = { widths = [8], dropout = 0 }

[modality.serum]
kind = "vector"
encoder = { widths = [8], dropout = 0 }

[fusion]
kind = "concat"
head = { hidden = [] }

[blend]
kind = "equal"

[optimizer]
kind = "adam"
learning_rate = 0.01
"#;

const WEIGHTS: [&str; 4] = [
    "--set",
    "objective.kind=single-label",
    "--set",
    "objective.class_weights=balanced",
];
const SAMPLER: [&str; 2] = ["--set", "run.sampler=balanced"];

/// Short probes of every head in the middle of a run, and before it.
const ESTIMATES: [&str; 14] = [
    "--set",
    "blend.kind=ogr",
    "--set",
    "blend.schedule=online",
    "--set",
    "blend.warmup=1",
    "--set",
    "blend.super_epoch=2",
    "--set",
    "blend.probe_epochs=1",
    "--set",
    "blend.resamples=20",
    "--set",
    "run.epochs=4",
];

/// About normal, with a mean of 0 and a deviation of 1.
fn noise(sample: usize, column: usize) -> f64 {
    let uniform = |part: usize| {
        let mut bits = (sample * 64 + column * 16 + part + 1) as u64;
        for _ in 0..3 {
            bits = (bits ^ (bits >> 29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..12).map(uniform).sum::<f64>() - 6.0
}

/// A table with one `rare` sample in so many, whose columns are higher by 1.2 deviations in the mean; as many samples for
/// the test as for training.
fn table(p: &Playground, samples: usize, one_in: usize) {
    let mut table = String::from("id,label,split,a_1,a_2,b_1,b_2\n");
    for sample in 0..2 * samples {
        let rare = (sample % samples).is_multiple_of(one_in);
        let split = if sample < samples { "train" } else { "test" };
        let label = if rare { "rare" } else { "usual" };
        table += &format!("s{sample},{label},{split}");
        for column in 0..4 {
            table += &format!(",{:.4}", noise(sample, column) + if rare { 1.2 } else { 0.0 });
        }
        table.push('\n');
    }
    p.write("t.csv", table);
    p.write("c.toml", CONFIG);
}

fn train(p: &Playground, run: &str, more: &[&str]) -> Value {
    p.json(&[&["train", "c.toml", "--quiet", "--json", "--out", run], more].concat())
}

/// The share of the rare class's test samples that is found, and the accuracy and the balanced accuracy of what predicts.
fn figures(p: &Playground, run: &str) -> [f64; 3] {
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(p.path(run).join(name)).unwrap()).unwrap()
    };
    let test = read("test.json");
    let class = test["classes"]
        .as_array()
        .unwrap()
        .iter()
        .position(|class| class == "rare")
        .unwrap();
    let row = test["prediction"]["counts"]["matrix"][class].as_array().unwrap();
    let all: f64 = row.iter().map(|count| count.as_f64().unwrap()).sum();
    let summary = read("summary.json");
    let predicted = gblend_tests::predicted(&summary);
    let figure = |value: &Value| value.as_f64().unwrap();
    [
        figure(&row[class]) / all,
        figure(&predicted["test_accuracy"]),
        figure(&predicted["test_metrics"]["balanced_accuracy"]),
    ]
}

/// What a run showed from epoch to epoch, without what was measured on the machine.
fn epochs(p: &Playground, run: &str) -> Vec<Value> {
    let lines = std::fs::read_to_string(p.path(run).join("metrics.jsonl")).unwrap();
    let lines = lines.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        for key in ["seconds", "waited_seconds"] {
            line.as_object_mut().unwrap().remove(key);
        }
        line
    });
    lines.collect()
}

#[test]
fn weights_and_a_balanced_sampler_find_more_of_a_class_that_one_in_twenty_has() {
    let p = playground();
    table(&p, 600, 20);
    let mut found = Vec::new();
    for (run, more) in [("plain", &[][..]), ("weights", &WEIGHTS), ("sampler", &SAMPLER)] {
        let summary = train(&p, run, more);
        found.push(figures(&p, run));
        let weights = summary.get("class_weights");
        assert_eq!(weights.is_some(), run != "plain");
        if let Some(weights) = weights {
            // Of 480 training samples 24 are rare.
            let of = |class: &str| {
                let all = weights.as_array().unwrap().iter();
                all.clone().find(|one| one["class"] == class).unwrap()["weight"]
                    .as_f64()
                    .unwrap()
            };
            assert!((of("rare") - 480.0 / 48.0).abs() < 1e-6, "{weights}");
            assert!((of("usual") - 480.0 / 912.0).abs() < 1e-6, "{weights}");
        }
    }
    let plain = found[0];
    for balanced in &found[1..] {
        assert!(balanced[0] > plain[0] + 0.2, "{found:?}");
        assert!(balanced[2] > plain[2] + 0.05, "{found:?}");
    }
}

#[test]
fn where_classes_are_equally_frequent_neither_changes_a_bit() {
    let p = playground();
    table(&p, 120, 2);
    for estimates in [&[][..], &ESTIMATES] {
        let of = |run: &str, more: &[&str]| {
            let all = [more, estimates].concat();
            let mut summary = without_measurements(train(&p, run, &all));
            let weights = summary.as_object_mut().unwrap().remove("class_weights");
            let epochs = epochs(&p, run);
            std::fs::remove_dir_all(p.path(run)).unwrap();
            (weights, summary, epochs)
        };
        let (none, plain, by_epoch) = of("plain", &[]);
        assert_eq!(none, None);
        for (run, more) in [("weights", &WEIGHTS[..]), ("sampler", &SAMPLER)] {
            let (weights, summary, epochs) = of(run, more);
            assert!(
                weights
                    .unwrap()
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|one| one["weight"] == 1.0)
            );
            assert_eq!(summary, plain, "{run}");
            assert_eq!(epochs, by_epoch, "{run}");
        }
    }
}

#[test]
fn a_run_goes_on_to_the_same_bits_in_an_epoch_and_at_any_number_of_threads() {
    let p = playground();
    table(&p, 160, 8);
    for settings in [&WEIGHTS[..], &SAMPLER] {
        let result = |run: &str| {
            let summary = std::fs::read(p.path(run).join("summary.json")).unwrap();
            let model = std::fs::read(p.path(run).join("model.safetensors")).unwrap();
            let summary = without_measurements(serde_json::from_slice(&summary).unwrap());
            (summary, model, epochs(&p, run))
        };
        let more = [
            settings,
            &ESTIMATES,
            &["--set", "run.refit=true", "--set", "checkpoint.every_steps=1"],
        ]
        .concat();
        let began = Instant::now();
        train(&p, "whole", &[&more[..], &["--set", "run.threads=1"]].concat());
        let length = began.elapsed();
        let whole = result("whole");
        train(&p, "threads", &[&more[..], &["--set", "run.threads=3"]].concat());
        assert!(result("threads") == whole);
        let mut stopped = 0;
        for trial in 0..12 {
            // Multiples of the golden ratio fall everywhere.
            let share = (f64::from(trial) * 0.618_033_988_749_895).fract();
            let mut child =
                p.start(&[&["train", "c.toml", "--quiet", "--out", "killed"], &more[..]].concat());
            std::thread::sleep(length.mul_f64(share));
            child.kill().unwrap();
            child.wait().unwrap();
            let run = p.path("killed");
            if run.join("config.toml").is_file() {
                if !run.join("summary.json").is_file() {
                    stopped += u32::from(run.join("checkpoints").is_dir());
                    p.succeed(&["train", "--quiet", "--resume", "killed"]);
                }
                assert!(result("killed") == whole, "stopped in trial {trial}");
                std::fs::remove_dir_all(&run).unwrap();
            }
        }
        assert!(stopped >= 2, "{stopped} of 12 were stopped in training");
        std::fs::remove_dir_all(p.path("whole")).unwrap();
        std::fs::remove_dir_all(p.path("threads")).unwrap();
    }
}

#[test]
fn weights_are_those_of_the_training_samples_that_there_were() {
    let p = playground();
    table(&p, 160, 8);
    let table = std::fs::read_to_string(p.path("t.csv")).unwrap();
    for (run, more) in [("weights", &WEIGHTS[..]), ("sampler", &SAMPLER)] {
        p.write("t.csv", &table);
        let summary = train(&p, run, more);
        // Would they be counted anew, other classes would be rare now.
        let turned: String = table
            .lines()
            .map(
                |line| match line.contains(",usual,train") && !line.contains("9,usual") {
                    true => line.replace(",usual,", ",rare,") + "\n",
                    false => line.to_owned() + "\n",
                },
            )
            .collect();
        p.write("t.csv", turned);
        let evaluated = p.json(&["evaluate", run, "--quiet", "--json"]);
        assert_same_losses(&summary, &evaluated);
        assert_eq!(summary["class_weights"], evaluated["class_weights"]);
        assert_eq!(
            gblend_tests::predicted(&summary)["test_loss"],
            gblend_tests::predicted(&evaluated)["loss"]
        );
    }
}

#[test]
fn both_estimators_see_the_losses_of_training() {
    let p = playground();
    table(&p, 240, 8);
    for settings in [&WEIGHTS[..], &SAMPLER] {
        for estimator in ["probe", "gradient"] {
            let set = format!("blend.estimator={estimator}");
            let summary = train(&p, "run", &[settings, &ESTIMATES, &["--set", &set]].concat());
            let estimates = summary["blends"].as_array().unwrap();
            assert!(
                estimates.len() > 1 && estimates[0]["estimator"] == estimator,
                "{summary}"
            );
            std::fs::remove_dir_all(p.path("run")).unwrap();
        }
    }
}

#[test]
fn weights_that_cannot_be_are_refused_with_their_line() {
    let p = playground();
    table(&p, 160, 8);
    let objective = |kind: &str, weights: &str| {
        p.write(
            "w.toml",
            format!("{CONFIG}\n[objective]\nkind = \"{kind}\"\nclass_weights = {weights}\n"),
        );
    };
    let line = CONFIG.lines().count() + 4;
    objective("single-label", "{ usul = 2 }");
    let place = format!("w.toml:{line}");
    p.refuse(
        &["train", "w.toml", "--quiet"],
        &[&place, "objective.class_weights.usul", "did you mean `usual`?"],
    );
    objective("single-label", "{ rare = 0 }");
    p.refuse(
        &["check", "w.toml", "--quiet"],
        &[&place, "objective.class_weights.rare", "a number from"],
    );
    objective("single-label", "\"balancd\"");
    p.refuse(
        &["train", "w.toml", "--quiet"],
        &[&place, "objective.class_weights", "\"balanced\""],
    );
    objective("regression", "\"balanced\"");
    p.refuse(
        &["train", "w.toml", "--quiet"],
        &[
            &place,
            "unknown key of objective kind `regression`",
            "class_weights",
        ],
    );
    objective("single-label", "\"balanced\"");
    p.refuse(
        &["train", "w.toml", "--quiet", "--set", "run.sampler=balanced"],
        &["run.sampler", "class_weights of [objective]"],
    );
    let several = [
        "train",
        "c.toml",
        "--quiet",
        "--set",
        "data.label_separator=;",
        "--set",
        "run.sampler=balanced",
    ];
    p.refuse(&several, &["run.sampler", "a set of classes", "class_weights"]);
}

#[test]
fn several_labels_are_weighted_class_by_class() {
    let p = playground();
    table(&p, 160, 8);
    let text = CONFIG.replace("label = \"label\"", "label = \"label\"\nlabel_separator = \";\"");
    p.write("c.toml", text);
    let weights = [
        "--set",
        "objective.kind=multi-label",
        "--set",
        "objective.class_weights=balanced",
    ];
    let summary = train(&p, "run", &weights);
    for class in summary["class_weights"].as_array().unwrap() {
        let figure = |key: &str| class[key].as_f64().unwrap();
        // 16 of 128 training samples are rare, the others usual.
        let having = if class["class"] == "rare" {
            4.0
        } else {
            128.0 / 224.0
        };
        let lacking = if class["class"] == "rare" {
            128.0 / 224.0
        } else {
            4.0
        };
        assert!((figure("weight") - having).abs() < 1e-6 && (figure("without") - lacking).abs() < 1e-6);
    }
    assert_same_losses(&summary, &p.json(&["evaluate", "run", "--quiet", "--json"]));
}

#[test]
fn a_run_from_before_there_was_a_sampler_is_the_same_task() {
    let p = playground();
    table(&p, 120, 8);
    train(&p, "run", &[]);
    let path = p.path("run/config.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let without: String = text
        .lines()
        .filter(|line| !line.starts_with("sampler ="))
        .map(|line| line.to_owned() + "\n")
        .collect();
    assert_ne!(text, without);
    std::fs::write(&path, without).unwrap();
    p.succeed(&["evaluate", "run", "--quiet"]);
}

#[test]
fn check_says_what_helps_where_a_class_is_rare_and_init_writes_it_down() {
    let p = playground();
    table(&p, 400, 20);
    let checked = |more: &[&str]| p.succeed(&[&["check", "c.toml", "--quiet"], more].concat());
    let plain = checked(&[]);
    let said = plain
        .lines()
        .find(|line| line.contains("`rare` with 16 beside `usual` with 304"))
        .unwrap();
    assert!(
        said.contains("class_weights = \"balanced\"") && said.contains("run.sampler"),
        "{said}"
    );
    for settings in [&WEIGHTS[..], &SAMPLER] {
        let told = checked(settings);
        assert!(!told.contains("`rare` with 16"), "{told}");
        assert!(
            told.contains("losses count samples by their classes: rare 10.0, usual 0.526"),
            "{told}"
        );
    }
    let told = p.succeed(&["init", "--from", "t.csv"]);
    assert!(told.contains("objective.class_weights: as a comment"), "{told}");
    let written = std::fs::read_to_string(p.path("gblend.toml")).unwrap();
    let set: String = written
        .lines()
        .map(|line| match line {
            "# [objective]" | "# kind = \"single-label\"" | "# class_weights = \"balanced\"" => &line[2..],
            line => line,
        })
        .map(|line| line.to_owned() + "\n")
        .collect();
    assert_ne!(set, written);
    p.write("set.toml", set);
    assert!(
        p.succeed(&["check", "set.toml", "--quiet"])
            .contains("losses count samples")
    );
    table(&p, 400, 4);
    assert!(!checked(&[]).contains("`rare` with"));
}
