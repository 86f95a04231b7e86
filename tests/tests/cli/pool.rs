//! Heads that predict together, and the training on validation samples that comes after.

use serde_json::Value;

use crate::playground;
use gblend_tests::{Playground, TINY, assert_same_losses, predicted};

/// A world with validation samples enough for a pool.
fn world(p: &Playground, test_samples: usize) {
    let text = TINY
        .replace("train_samples = 72", "train_samples = 160")
        .replace("test_samples = 40", &format!("test_samples = {test_samples}"));
    p.write("world.toml", text);
}

fn train(p: &Playground, run: &str, set: &[&str]) -> Value {
    let mut arguments = vec!["train", "world.toml", "--quiet", "--json", "--out", run];
    arguments.extend(["--set", "run.validation=0.25", "--set", "run.epochs=3"]);
    arguments.extend(set.iter().flat_map(|one| ["--set", one]));
    p.json(&arguments)
}

fn model(p: &Playground, run: &str) -> Value {
    let text = std::fs::read(p.path(run).join("model.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn a_pool_is_fitted_on_validation_samples_and_kept_with_the_model() {
    let p = playground();
    world(&p, 40);
    let summary = train(&p, "run", &[]);
    assert_eq!(summary["predict"], "pool");
    let pool = &summary["pool"]["pools"][0];
    assert_eq!(
        (&pool["samples"], &pool["heads"]),
        (&40.into(), &serde_json::json!([0, 1, 2, 3]))
    );
    assert_eq!(model(&p, "run")["pool"], summary["pool"]);
    let evaluated = p.json(&["evaluate", "run", "--quiet", "--json"]);
    assert_same_losses(&summary, &evaluated);
    assert_eq!(predicted(&summary)["test_loss"], predicted(&evaluated)["loss"]);
    let validation = p.json(&["evaluate", "run", "--quiet", "--json", "--split", "validation"]);
    let loss = |rule: &str| {
        let rules = validation["predictions"].as_array().unwrap();
        rules.iter().find(|one| one["rule"] == rule).unwrap()["loss"]
            .as_f64()
            .unwrap()
    };
    assert!(loss("pool") <= loss("mean"), "{validation}");
}

#[test]
fn test_samples_have_no_part_in_a_pool_nor_in_what_is_trained_after_it() {
    let p = playground();
    let of = |test_samples: usize, run: &str| {
        world(&p, test_samples);
        train(&p, run, &["run.refit=true"]);
        model(&p, run)
    };
    let (few, many) = (of(24, "few"), of(96, "many"));
    assert!(few["pool"].is_object());
    for key in ["pool", "blake3", "epoch"] {
        assert_eq!(few[key], many[key], "{key}");
    }
}

#[test]
fn training_once_more_keeps_the_epoch_and_the_pool_and_has_no_figures_of_validation() {
    let p = playground();
    world(&p, 40);
    for strategy in ["blend.kind=equal", "blend.kind=ogr"] {
        let (once, again) = (format!("{strategy}-once"), format!("{strategy}-again"));
        let found = train(&p, &once, &[strategy]);
        let refitted = train(&p, &again, &[strategy, "run.refit=true"]);
        for key in ["selected_epoch", "pool", "blends"] {
            assert_eq!(found[key], refitted[key], "{strategy} {key}");
        }
        assert_eq!(refitted["refitted"], true);
        assert_ne!(model(&p, &once)["blake3"], model(&p, &again)["blake3"]);
        let lines = std::fs::read_to_string(p.path(&again).join("metrics.jsonl")).unwrap();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let epochs: Vec<Value> = lines.filter(|line| line.get("refit").is_some()).collect();
        assert_eq!(epochs.len() as u64, found["selected_epoch"].as_u64().unwrap());
        for epoch in &epochs {
            assert!(epoch.get("selection").is_none() && epoch["heads"][0].get("validation").is_none());
        }
        // The blend's weights are those that the estimate gave, without another one.
        let weight = |summary: &Value| summary["heads"][0]["weight"].as_f64().unwrap();
        assert!((weight(&found) - weight(&refitted)).abs() < 1e-12);
        p.refuse(
            &["evaluate", &again, "--split", "validation", "--quiet"],
            &["run.refit", "--split test"],
        );
        p.succeed(&["report", &again]);
    }
}

#[test]
fn without_enough_validation_samples_the_mean_of_the_heads_predicts() {
    let p = playground();
    for (run, set) in [("few", "run.validation=0.1"), ("none", "run.validation=0")] {
        world(&p, 40);
        let summary = train(&p, run, &[set, "run.refit=true"]);
        assert!(summary.get("pool").is_none());
        let again = format!("{run}-again");
        let more = [
            "train",
            "world.toml",
            "--out",
            &again,
            "--set",
            set,
            "--set",
            "run.epochs=1",
        ];
        let said = p.run(&more).stderr;
        assert!(said.contains("needs 30 validation samples"), "{said}");
        let rules = summary["predictions"].as_array().unwrap();
        let mean = rules.iter().find(|one| one["rule"] == "mean").unwrap();
        assert_eq!(predicted(&summary)["test_loss"], mean["test_loss"]);
        assert_eq!(summary.get("refitted").is_some(), run == "few");
    }
}

#[test]
fn a_pool_across_folds_is_fitted_on_every_sample_but_those_of_the_test() {
    let p = playground();
    let of = |test_samples: usize, run: &str, set: &[&str]| {
        world(&p, test_samples);
        train(
            &p,
            run,
            &[&["blend.pool=cross", "run.validation=0"], set].concat(),
        )
    };
    let few = of(24, "few", &[]);
    assert_eq!(few["pool"]["folds"], 5);
    assert_eq!(few["pool"]["pools"][0]["samples"], 160);
    let many = of(96, "many", &[]);
    assert_eq!(few["pool"], many["pool"], "test samples have a part in it");
    assert_eq!(model(&p, "few")["pool"], few["pool"]);
    assert!(few["seconds"]["folds"].as_f64().unwrap() > 0.0);
    assert!(
        !p.path("few/checkpoints/fold-1").exists(),
        "what folds kept is left behind"
    );
    // The network is the one that it would be without a pool in folds.
    let plain = of(24, "plain", &["blend.pool=validation"]);
    assert!(plain.get("pool").is_none());
    assert_eq!(model(&p, "plain")["blake3"], model(&p, "few")["blake3"]);
    let evaluated = p.json(&["evaluate", "few", "--quiet", "--json"]);
    assert_eq!(predicted(&few)["test_loss"], predicted(&evaluated)["loss"]);
    // One head has no pool, and trains no folds.
    let alone = of(24, "alone", &["blend.kind=joint"]);
    assert!(alone.get("pool").is_none() && alone["seconds"].get("folds").is_none());
}

/// Ten people with forty samples each, of two streams that tell as much as each other; three of them are tested.
fn people(p: &Playground, group: &str) {
    let rows: String = (0..400)
        .map(|row| {
            let (label, person) = (row % 2, row / 40);
            let split = if row < 280 { "train" } else { "test" };
            let noise = |factor: usize| (row * factor % 101) as f64 / 40.0;
            let (x, y) = (label as f64 + noise(37), label as f64 + noise(53));
            format!("{row},{label},p{person},{split},{x},{y}\n")
        })
        .collect();
    p.write("people.csv", format!("id,label,who,split,x,y\n{rows}"));
    let text = format!(
        "[run]\nepochs = 3\nvalidation = 0.3\n\n[data]\nkind = \"manifest\"\ntable = \"people.csv\"\nid = \"id\"\n\
         label = \"label\"\nsplit = \"split\"\n{group}streams.first = {{ columns = [\"x\"], media = \"array\" }}\n\
         streams.second = {{ columns = [\"y\"], media = \"array\" }}\n\n[modality.first]\nkind = \"vector\"\n\n\
         [modality.second]\nkind = \"vector\"\n\n[blend]\nkind = \"equal\"\n"
    );
    p.write("people.toml", text);
}

#[test]
fn a_pool_counts_the_people_that_it_is_fitted_to_and_says_where_they_are_few() {
    let p = playground();
    let spread = |summary: &Value| {
        let heads = &summary["pool"]["pools"][0]["pool"]["one_class"]["heads"];
        let exponents: Vec<f64> = heads
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e.as_f64().unwrap())
            .collect();
        let most = exponents.iter().copied().fold(0.0, f64::max);
        most - exponents.iter().copied().fold(f64::INFINITY, f64::min)
    };
    for (pool, validation, folds) in [("validation", "0.3", 0), ("cross", "0", 5)] {
        let train = |out: &str| {
            let (pool, validation) = (
                format!("blend.pool={pool}"),
                format!("run.validation={validation}"),
            );
            let set = ["--set", &pool, "--set", &validation, "--out", out];
            p.run(&[&["train", "people.toml"], &set[..]].concat()).stderr
        };
        let summary = |out: &str| -> Value {
            serde_json::from_slice(&std::fs::read(p.path(out).join("summary.json")).unwrap()).unwrap()
        };
        people(&p, "group = \"who\"\n");
        let grouped = format!("{pool}-grouped");
        let said = train(&grouped);
        assert!(
            said.contains("group(s), which say little of the next one"),
            "{said}"
        );
        let of_people = summary(&grouped);
        let fitted = &of_people["pool"]["pools"][0];
        let samples = fitted["samples"].as_u64().unwrap();
        assert_eq!(
            fitted["groups"].as_f64().unwrap(),
            (samples / 40) as f64,
            "{fitted}"
        );
        people(&p, "");
        let alone = format!("{pool}-alone");
        let said = train(&alone);
        assert!(!said.contains("group(s)"), "{said}");
        let of_rows = summary(&alone);
        assert!(of_rows["pool"]["pools"][0].get("groups").is_none(), "{of_rows}");
        assert_eq!(of_people["pool"].get("folds").is_some(), folds > 0);
        assert!(spread(&of_people) < spread(&of_rows), "{of_people} {of_rows}");
    }
}

#[test]
fn a_pool_across_folds_says_when_there_are_none() {
    let p = playground();
    let rows: String = (0..80)
        .map(|row| {
            let (label, split) = (row % 2, if row < 60 { "train" } else { "test" });
            let group = if row < 60 { "one" } else { "other" };
            format!("{row},{label},{group},{split},{}.5\n", row % 7)
        })
        .collect();
    p.write("a.csv", format!("id,label,group,split,x\n{rows}"));
    let text = r#"
        [data]
        kind = "manifest"
        table = "a.csv"
        id = "id"
        label = "label"
        group = "group"
        split = "split"
        [data.streams.x]
        media = "array"
        columns = ["x"]
        [modality.x]
        kind = "vector"
        [run]
        epochs = 1
        validation = 0
        [blend]
        kind = "equal"
        pool = "cross"
    "#;
    p.write("a.toml", text);
    for command in ["train", "check"] {
        p.refuse(&[command, "a.toml", "--quiet"], &["one group", "no folds"]);
    }
    // One head has no pool, and needs no folds.
    p.succeed(&["train", "a.toml", "--quiet", "--set", "blend.kind=joint"]);
}

#[test]
fn a_run_from_before_there_were_pools_is_evaluated_as_it_was() {
    let p = playground();
    world(&p, 40);
    let old = ["blend.scale=sum", "blend.predict=joint", "run.select=last"];
    let summary = train(&p, "run", &old);
    // What such a run folder does not have.
    let strip = |name: &str, keys: &[&str]| {
        let path = p.path("run").join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let kept = text
            .lines()
            .filter(|line| !keys.iter().any(|key| line.starts_with(key)));
        std::fs::write(&path, kept.collect::<Vec<_>>().join("\n")).unwrap();
    };
    strip("config.toml", &["scale =", "predict =", "select =", "refit ="]);
    let mut described = model(&p, "run");
    described.as_object_mut().unwrap().remove("pool").unwrap();
    p.write("run/model.json", described.to_string());
    let evaluated = p.json(&["evaluate", "run", "--quiet", "--json"]);
    assert_eq!(evaluated["predict"], "joint");
    assert_same_losses(&summary, &evaluated);
    assert_eq!(predicted(&summary)["test_loss"], predicted(&evaluated)["loss"]);
}
