//! Gradient-Blending through the binary: estimates, schedules, what they leave alone, and loss curves.

use gblend_tests::without_measurements;
use serde_json::Value;

use crate::playground;

/// Overrides that make the tiny configuration blend.
fn blended<'a>(settings: &'a [String], out: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["train", "tiny.toml", "--quiet", "--json", "--out", out];
    arguments.extend(["--set", "blend.kind=ogr", "--set", "blend.resamples=20"]);
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    arguments
}

fn settings(list: &[&str]) -> Vec<String> {
    list.iter().map(|&setting| setting.to_owned()).collect()
}

fn epochs_of(summary: &Value) -> Vec<u64> {
    let blends = summary["blends"].as_array().unwrap();
    blends
        .iter()
        .map(|blend| blend["epoch"].as_u64().unwrap())
        .collect()
}

#[test]
fn offline_estimates_once_and_online_every_super_epoch_with_the_rest_at_the_end() {
    let p = playground();
    let offline = settings(&["run.epochs=3", "blend.probe_epochs=1"]);
    let summary = p.json(&blended(&offline, "offline"));
    assert_eq!(epochs_of(&summary), [0]);
    // Epochs that do not divide by the super-epoch are trained all the same.
    let online = settings(&[
        "run.epochs=6",
        "blend.schedule=online",
        "blend.warmup=1",
        "blend.super_epoch=2",
        "blend.estimator=gradient",
    ]);
    let summary = p.json(&blended(&online, "online"));
    assert_eq!(epochs_of(&summary), [0, 1, 3, 5]);
    let metrics = std::fs::read_to_string(p.path("online/metrics.jsonl")).unwrap();
    let lines: Vec<Value> = metrics
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.iter().filter(|line| line["blend"].is_object()).count(), 4);
    let trained: Vec<u64> = lines.iter().filter_map(|line| line["epoch"].as_u64()).collect();
    assert_eq!(trained, [1, 2, 3, 4, 5, 6]);
    // The weights of each epoch are those of the estimate before it.
    let weight = |epoch: usize, head: usize| {
        let line = lines.iter().find(|line| line["epoch"] == epoch).unwrap();
        line["heads"][head]["weight"].as_f64().unwrap()
    };
    for head in 0..4 {
        let estimated = summary["blends"][2]["heads"][head]["weight"].as_f64().unwrap();
        assert!((weight(4, head) - estimated).abs() < 1e-12);
        assert_eq!(
            summary["heads"][head]["weight"].as_f64().unwrap(),
            weight(6, head)
        );
    }
}

#[test]
fn an_estimate_leaves_the_live_run_as_it_was_to_the_bit() {
    let p = playground();
    // All smoothing makes the weights equal, so the runs differ in how often they are interrupted only.
    let still = [
        "run.epochs=3",
        "blend.smoothing=1",
        "blend.release_held_out=false",
        "run.threads=2",
    ];
    let once = settings(&[&still[..], &["blend.probe_epochs=1"]].concat());
    let often = ["blend.schedule=online", "blend.warmup=1", "blend.super_epoch=1"];
    let probed = settings(&[&still[..], &often, &["blend.probe_epochs=2"]].concat());
    let graded = settings(&[&still[..], &often, &["blend.estimator=gradient"]].concat());
    p.succeed(&blended(&once, "once"));
    let model = |name: &str| std::fs::read(p.path(&format!("{name}/model.safetensors"))).unwrap();
    for (settings, name) in [(&probed, "probed"), (&graded, "graded")] {
        let summary = p.json(&blended(settings, name));
        assert_eq!(epochs_of(&summary), [0, 1, 2]);
        assert!(model(name) == model("once"), "{name}");
    }
}

#[test]
fn probes_side_by_side_find_what_they_find_one_after_another() {
    let p = playground();
    let summary = |threads: &str, out: &str| {
        let settings = settings(&["blend.probe_epochs=auto", threads]);
        without_measurements(p.json(&blended(&settings, out)))
    };
    assert_eq!(summary("run.threads=1", "one"), summary("run.threads=2", "two"));
}

#[test]
fn the_gradient_estimator_finds_the_same_at_any_number_of_threads_and_says_of_what() {
    let p = playground();
    let summary = |threads: &str, batches: &str, out: &str| {
        let settings = settings(&["blend.estimator=gradient", threads, batches]);
        without_measurements(p.json(&blended(&settings, out)))
    };
    let [one, two] = [("run.threads=1", "one"), ("run.threads=2", "two")]
        .map(|(threads, out)| summary(threads, "blend.gradient_batches=auto", out));
    assert_eq!(one, two);
    let fixed = summary("run.threads=2", "blend.gradient_batches=2", "fixed");
    let of = |summary: &Value| summary["blends"][0]["gradients"].clone();
    let batches = |summary: &Value| of(summary)["batches"].as_u64().unwrap();
    assert_eq!(batches(&fixed), 2);
    // All of the few samples, in batches of sixteen.
    assert_eq!(batches(&one), of(&one)["train"].as_u64().unwrap().div_ceil(16));
    for summary in [&one, &fixed] {
        let of = of(summary);
        assert!(
            of["train"].as_u64() > Some(0) && of["held_out"].as_u64() > Some(0),
            "{of}"
        );
    }
}

#[test]
fn held_out_samples_are_given_back_after_an_offline_estimate_only_if_asked() {
    let p = playground();
    let steps = |release: &str, out: &str| {
        let settings = settings(&["blend.probe_epochs=1", "run.batch_size=1", release]);
        p.succeed(&blended(&settings, out));
        let metrics = std::fs::read_to_string(p.path(&format!("{out}/metrics.jsonl"))).unwrap();
        let last: Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
        last["step"].as_u64().unwrap()
    };
    let (kept, released) = (
        steps("blend.release_held_out=false", "kept"),
        steps("blend.release_held_out=true", "all"),
    );
    let config = p.succeed(&["check", "tiny.toml", "--quiet", "--set", "blend.kind=ogr"]);
    let held_out: u64 = config
        .split(" held out")
        .next()
        .and_then(|text| text.rsplit(' ').next())
        .unwrap()
        .parse()
        .unwrap();
    // Two epochs of one sample per step.
    assert_eq!(released - kept, 2 * held_out);
}

#[test]
fn a_summary_tells_every_way_of_predicting_and_evaluate_agrees() {
    let p = playground();
    let summary = p.json(&blended(
        &settings(&["blend.probe_epochs=1", "blend.predict=mean"]),
        "run",
    ));
    assert_eq!(summary["predict"], "mean");
    let evaluated = p.json(&["evaluate", "run", "--json", "--quiet"]);
    for k in 0..3 {
        let (told, found) = (&summary["predictions"][k], &evaluated["predictions"][k]);
        assert_eq!(told["rule"], found["rule"]);
        assert_eq!(told["test_accuracy"], found["accuracy"]);
    }
    // The joint head that blending trained is in the saved model.
    assert_eq!(summary["heads"][3]["test_loss"], evaluated["heads"][3]["loss"]);
}

#[test]
fn every_strategy_trains() {
    let p = playground();
    let kinds = p.json(&["plugins", "blend", "--json"]);
    let kinds: Vec<String> = kinds
        .as_array()
        .unwrap()
        .iter()
        .map(|plugin| plugin["kind"].as_str().unwrap().to_owned())
        .filter(|kind| !["fixed", "unimodal", "ogr"].contains(&kind.as_str()))
        .collect();
    assert!(kinds.len() >= 12, "{kinds:?}");
    for kind in kinds {
        let set = format!("blend.kind={kind}");
        let summary = p.json(&[
            "train",
            "tiny.toml",
            "--quiet",
            "--json",
            "--out",
            &kind,
            "--set",
            &set,
        ]);
        let weights = summary["heads"].as_array().unwrap().iter();
        let sum: f64 = weights.map(|head| head["weight"].as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{kind}: {summary}");
    }
}

const CURVES: &str = "head,epoch,train_loss,val_loss
camera,0,2.30,2.31
motion,0,2.30,2.32
joint,0,2.30,2.30
camera,5,1.20,1.60
motion,5,1.60,1.80
joint,5,0.60,1.55
";

#[test]
fn the_worked_case_comes_out_to_six_digits_with_the_paper_s_policy() {
    let p = playground();
    p.write("curves.csv", CURVES);
    let output = p.json(&[
        "estimate",
        "--curves",
        "curves.csv",
        "--policy",
        "paper",
        "--json",
    ]);
    assert_eq!(
        (&output["estimator"], &output["policy"]),
        (&"curves".into(), &"paper".into())
    );
    assert_eq!(
        (output["from"].as_u64(), output["to"].as_u64()),
        (Some(0), Some(5))
    );
    for (k, expected) in [0.216628, 0.744807, 0.038566].into_iter().enumerate() {
        let weight = output["heads"][k]["weight"].as_f64().unwrap();
        assert!((weight - expected).abs() < 5e-7, "{weight} {expected}");
    }
    // The robust policy is the default, says so, and keeps the joint head alive.
    let output = p.json(&["estimate", "--curves", "curves.csv", "--json"]);
    assert_eq!(output["policy"], "robust");
    assert!(output["heads"][2]["weight"].as_f64().unwrap() >= 0.15 - 1e-12);
    assert!(
        p.succeed(&["estimate", "--curves", "curves.csv", "--cap", "0.5"])
            .contains("policy robust")
    );
}

#[test]
fn curves_with_faults_are_refused_with_their_line() {
    let p = playground();
    for (line, part) in [
        (
            "camera,5,1.1,1.5\n",
            "curves.csv:8: head `camera` has epoch 5 already, in line 5",
        ),
        ("depth,0,1.0,1.0\n", "head `depth` nowhere"),
        ("depth,0,nan,1.0\n", "curves.csv:8: train_loss `nan`"),
        ("depth,0,1.0\n", "curves.csv:8:"),
        (",0,1.0,1.0\n", "curves.csv:8: no head"),
    ] {
        p.write("curves.csv", format!("{CURVES}{line}"));
        p.refuse(&["estimate", "--curves", "curves.csv"], &[part]);
    }
    p.write("curves.csv", CURVES);
    p.refuse(
        &["estimate", "--curves", "curves.csv", "--from", "3"],
        &["--from 3", "lines 2 to 7"],
    );
    p.refuse(
        &["estimate", "--curves", "curves.csv", "--cap", "0.1"],
        &["--cap", "0.1"],
    );
    p.refuse(&["estimate", "--curves", "missing.csv"], &["missing.csv"]);
}

#[test]
fn no_gain_is_an_error_only_if_asked() {
    let p = playground();
    p.write(
        "curves.csv",
        "head,epoch,train_loss,val_loss\na,0,1,1\na,1,0.5,1.2\njoint,0,1,1\njoint,1,0.5,1.1\n",
    );
    let outcome = p.run(&["estimate", "--curves", "curves.csv", "--json"]);
    assert_eq!(outcome.code, Some(0));
    assert!(outcome.stderr.contains("no head gains"), "{}", outcome.stderr);
    p.refuse(
        &["estimate", "--curves", "curves.csv", "--no-gain", "error"],
        &["no head gains"],
    );
}

#[test]
fn an_estimate_of_a_configuration_is_the_one_that_training_makes_first() {
    let p = playground();
    let options = [
        "--set",
        "blend.kind=ogr",
        "--set",
        "blend.probe_epochs=1",
        "--set",
        "blend.resamples=0",
    ];
    let estimated = p.json(&[&["estimate", "tiny.toml", "--json", "--quiet"][..], &options].concat());
    let trained = p.json(
        &[
            &["train", "tiny.toml", "--json", "--quiet", "--out", "run"][..],
            &options,
        ]
        .concat(),
    );
    assert_eq!(estimated["heads"], trained["blends"][0]["heads"]);
    assert_eq!(estimated["ogr_blend"], trained["blends"][0]["ogr_blend"]);
    // A strategy that estimates nothing gets `ogr` in its place.
    let equal = p.json(&["estimate", "tiny.toml", "--json", "--quiet"]);
    assert_eq!(equal["policy"], "robust");
    assert_eq!(equal["heads"].as_array().unwrap().len(), 4);
}

#[test]
fn settings_of_the_blend_that_cannot_be_are_refused_by_name() {
    let p = playground();
    for (setting, part) in [
        ("blend.held_out=0", "blend.held_out"),
        ("blend.probe_epochs=0", "probe_epochs"),
        ("blend.probe_epochs=never", "probe_epochs"),
        ("blend.floor=2", "blend.floor"),
        ("blend.cap=0.1", "blend.cap"),
        ("blend.super_epoch=0", "blend.super_epoch"),
        ("blend.policy=papr", "did you mean `paper`"),
        ("blend.predict=best", "predict"),
        ("optimizer.apply=loss", "did you mean `losses`"),
    ] {
        let arguments = ["train", "tiny.toml", "--set", "blend.kind=ogr", "--set", setting];
        p.refuse(&arguments, &[part]);
    }
}
