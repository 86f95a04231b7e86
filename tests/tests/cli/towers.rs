//! Two towers: modalities that are matched, beside what each knows alone.

use std::collections::BTreeMap;

use gblend_tests::Playground;
use gblend_tests::towers::{TOWERS, towers_by_themselves};
use serde_json::Value;

use crate::matching::whole_and_resumed;
use crate::playground;

fn prepared() -> Playground {
    let p = playground();
    p.write("towers.toml", TOWERS);
    p
}

fn train(p: &Playground, more: &[&str]) -> Value {
    p.json(&[&["train", "towers.toml", "--quiet", "--json"], more].concat())
}

fn head<'v>(summary: &'v Value, name: &str) -> &'v Value {
    let heads = summary["heads"].as_array().unwrap();
    heads.iter().find(|head| head["name"] == name).unwrap()
}

#[test]
fn every_strategy_blends_matching_with_what_the_towers_know_alone() {
    let p = prepared();
    for own in [
        "{ kind = \"none\" }",
        "{ kind = \"anchor\", share = 0.2 }",
        "{ kind = \"classify\" }",
    ] {
        let own = format!("modality.caption.objective={own}");
        for strategy in p.strategies() {
            let more: Vec<&str> = strategy.iter().map(String::as_str).collect();
            let summary = train(
                &p,
                &[&["--set", &own, "--set", "run.epochs=1"], &more[..]].concat(),
            );
            for head in summary["heads"].as_array().unwrap() {
                if head["weight"] != 0.0 {
                    let loss = head["test_loss"].as_f64().unwrap();
                    assert!(loss.is_finite(), "{own} {strategy:?}: {head}");
                }
            }
            let kind = more[1].trim_start_matches("blend.kind=");
            // They train one head alone.
            let alone = ["joint", "unimodal", "agm"].contains(&kind);
            let expected = if own.contains("anchor") && !alone {
                0.2
            } else {
                0.0
            };
            if !own.contains("classify") {
                let weight = head(&summary, "caption")["weight"].as_f64().unwrap();
                assert!((weight - expected).abs() < 1e-9, "{own} {strategy:?}: {weight}");
            }
        }
    }
}

#[test]
fn what_a_tower_stays_near_is_the_encoder_that_training_began_with() {
    let p = prepared();
    let cosine = |kind: &str, share: &str, rate: &str| {
        let own = format!("modality.camera.objective={{ kind = \"{kind}\"{share} }}");
        let rate = format!("optimizer.learning_rate={rate}");
        let summary = train(
            &p,
            &[
                "--set",
                &own,
                "--set",
                &rate,
                "--set",
                "run.epochs=3",
                "--out",
                "run",
            ],
        );
        std::fs::remove_dir_all(p.path("run")).unwrap();
        head(&summary, "camera")["test_metrics"]["anchor_cosine"]
            .as_f64()
            .unwrap()
    };
    let near = |share: &str| cosine("anchor", share, "0.05");
    assert!(cosine("anchor", "", "1e-9") > 0.9999);
    let (loose, tight) = (near(", share = 0.01"), near(", share = 0.9"));
    assert!(loose < tight && tight <= 1.0, "{loose} {tight}");
}

#[test]
fn a_tower_stays_near_that_of_another_run_of_the_same_architecture() {
    let p = prepared();
    train(&p, &["--out", "first"]);
    let anchored = |folder: &str| {
        format!("modality.camera.objective={{ kind = \"anchor\", to = {{ run = \"{folder}\" }} }}")
    };
    let from = "modality.camera.pretrained=first";
    let sets = ["--set", from, "--set", "optimizer.learning_rate=1e-9"];
    let summary = train(&p, &[&["--set", &anchored("first")], &sets[..]].concat());
    let cosine = head(&summary, "camera")["test_metrics"]["anchor_cosine"]
        .as_f64()
        .unwrap();
    assert!(cosine > 0.9999, "{cosine}");
    p.refuse_after_run(
        &["train", "towers.toml", "--set", &anchored("nowhere")],
        "nowhere",
    );
    let other = ["--set", "modality.camera.encoder.features=5"];
    p.refuse_after_run(
        &[&["train", "towers.toml", "--set", &anchored("first")], &other[..]].concat(),
        "modality.camera.objective.to",
    );
}

#[test]
fn a_run_that_goes_on_ends_as_one_that_was_never_stopped() {
    let p = prepared();
    let sets = [
        "--set",
        "run.epochs=3",
        "--set",
        "modality.caption.objective={ kind = \"anchor\" }",
        "--set",
        "blend.kind=ogr",
        "--set",
        "blend.probe_epochs=1",
    ];
    let model = whole_and_resumed(&p, "towers.toml", &sets);
    let tensors = safetensors::SafeTensors::deserialize(&model).unwrap();
    let temperature = tensors.tensor("joint.objective.temperature").unwrap();
    let temperature = f32::from_le_bytes(temperature.data().try_into().unwrap());
    assert!(temperature.is_finite());
    // What a tower stays near goes with the model.
    assert!(
        tensors
            .names()
            .iter()
            .any(|name| name.starts_with("caption.reference."))
    );
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let p = prepared();
    for threads in ["1", "2"] {
        train(
            &p,
            &["--out", threads, "--set", &format!("run.threads={threads}")],
        );
    }
    let model = |run: &str| std::fs::read(p.path(run).join("model.safetensors")).unwrap();
    assert!(model("1") == model("2"));
}

#[test]
fn augmentations_of_an_evaluation_are_drawn_once() {
    let p = prepared();
    let summary = train(&p, &["--out", "run"]);
    let evaluated = p.json(&["evaluate", "run", "--quiet", "--json"]);
    assert_eq!(
        head(&evaluated, "camera")["loss"],
        head(&summary, "camera")["test_loss"]
    );
}

#[test]
fn what_cannot_be_matched_is_refused_with_the_reason() {
    let p = prepared();
    let refused = |sets: &[&str], parts: &[&str]| {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        p.refuse(&[&["train", "towers.toml"], &sets[..]].concat(), parts);
    };
    refused(&["run.batch_size=1"], &["run.batch_size", "at least 2"]);
    refused(
        &["objective.temperature.start=nan"],
        &["objective.temperature.start", "NaN"],
    );
    refused(
        &["objective.temperature.start=5"],
        &["objective.temperature.start", "temperature.learned = false"],
    );
    refused(&["objective.block=1"], &["objective.block", "at least 2"]);
    refused(
        &["modality.camera.augment={}"],
        &["modality.camera.objective.kind", "augment"],
    );
    refused(
        &["objective={ kind = \"anchor\" }"],
        &["objective.kind", "[modality.NAME.objective]"],
    );
    refused(
        &["modality.camera.objective={ kind = \"match\" }"],
        &["modality.camera.objective.kind", "joint head"],
    );
    refused(
        &["modality.camera.objective={ kind = \"anchor\", share = 1.5 }"],
        &["share"],
    );
    refused(
        &["objective.same={ column = \"stile\" }"],
        &["objective.same", "style, look, color"],
    );
    refused(
        &[
            "modality.camera.objective={ kind = \"anchor\" }",
            "modality.camera.freeze=true",
        ],
        &["modality.camera.objective.kind", "modality.camera.freeze"],
    );
    refused(
        &["blend.kind=unimodal", "blend.head=caption"],
        &["blend.head", "camera, joint"],
    );
    let (first, rest) = TOWERS.split_once("[modality.caption]").unwrap();
    let (_, last) = rest.split_once("[blend]").unwrap();
    p.write("alone.toml", format!("{first}[blend]{last}"));
    p.refuse(
        &["train", "alone.toml"],
        &["objective.kind", "nothing to match it with"],
    );
}

#[test]
fn texts_that_are_all_equal_cannot_be_told_apart() {
    let p = playground();
    gblend_tests::write_clips(&p.path(""), 12);
    let mut table = "id,label,split,title\n".to_owned();
    for number in 1..=12 {
        let split = if number > 8 { "test" } else { "train" };
        table += &format!("s{number},{},{split},a shirt\n", number % 2);
    }
    p.write("table.csv", table);
    let streams = gblend_tests::clip_streams!();
    let modalities = gblend_tests::clip_modalities!();
    p.write(
        "towers.toml",
        format!(
            r#"
[run]
epochs = 1
batch_size = 4
validation = 0

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
split = "split"
{streams}
[data.streams.title]
media = "text"
column = "title"
{modalities}
[modality.title]
kind = "text"
length = 4
width = 4
encoder.features = 4

[modality.camera.objective]
kind = "none"

[modality.microphone.objective]
kind = "none"

[modality.title.objective]
kind = "none"

[objective]
kind = "match"
"#
        ),
    );
    p.refuse(&["train", "towers.toml"], &["the same text", "same = \"sample\""]);
    p.succeed(&[
        "train",
        "towers.toml",
        "--quiet",
        "--set",
        "objective.same=sample",
    ]);
    // Within a class every pair is as good as another.
    p.succeed(&["train", "towers.toml", "--quiet", "--set", "objective.same=label"]);
}

#[test]
fn what_features_tell_of_labels_that_captions_never_name_is_measured() {
    let p = prepared();
    let summary = train(&p, &["--out", "run"]);
    let alone = ["--set", "blend.kind=unimodal", "--set", "blend.head=camera"];
    train(&p, &[&["--out", "alone"], &alone[..]].concat());
    let asked = [
        "--feature-space",
        "--labels",
        "style,look",
        "--alone",
        "alone",
        "--quiet",
    ];
    let evaluated = p.json(&[&["evaluate", "run", "--json"], &asked[..]].concat());
    let space = &evaluated["feature_space"];
    let camera = &space["towers"][0];
    assert_eq!(camera["name"], "camera");
    let labels: Vec<&str> = camera["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["label"].as_str().unwrap())
        .collect();
    assert_eq!(labels, ["style", "look"]);
    for figure in ["knn", "probe", "retrieval"] {
        for state in ["trained", "initial", "alone"] {
            let share = camera["labels"][0][figure][state].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&share), "{figure} {state}: {camera}");
        }
    }
    assert!(camera["overlap"]["alone"].is_f64() && space["towers"][1]["overlap"]["alone"].is_null());
    // Of the test samples the summary has the same.
    assert_eq!(
        summary["feature_space"]["towers"][0]["labels"][0]["knn"]["trained"],
        camera["labels"][0]["knn"]["trained"]
    );
    let recall = space["pairs"][0]["recall"][0].as_f64().unwrap();
    let back = space["pairs"][0]["recall_back"][0].as_f64().unwrap();
    let told = head(&summary, "joint")["test_metrics"]["recall_at_1"]
        .as_f64()
        .unwrap();
    assert!(
        ((recall + back) / 2.0 - told).abs() < 1e-9,
        "{recall} {back} {told}"
    );
    let text = p.succeed(&[&["evaluate", "run"], &asked[..]].concat());
    assert!(
        text.contains("5-NN accuracy") && text.contains("trained alone"),
        "{text}"
    );
    p.refuse_after_run(
        &["evaluate", "run", "--feature-space", "--labels", "stile"],
        "style, look, color",
    );
    p.succeed(&["report", "run"]);
    let page = std::fs::read_to_string(p.path("run/report.html")).unwrap();
    assert!(page.contains("What features tell") && page.contains("linear probe"));
    // Of four test samples, five neighbors before and five after.
    assert_eq!(page.matches("data:image/png;base64,").count(), 4 * 11);
    assert!(page.contains("By the features of caption") && page.contains("a red thing"));
    let neighbors: Value =
        serde_json::from_str(&std::fs::read_to_string(p.path("run/neighbors.json")).unwrap()).unwrap();
    // In the middle of quarters of forty.
    let asked = neighbors["towers"][1]["queries"].as_array().unwrap();
    let asked = asked
        .iter()
        .map(|query| query["sample"].as_u64().unwrap() as usize);
    let asked: Vec<&str> = asked
        .map(|place| neighbors["samples"][place]["id"].as_str().unwrap())
        .collect();
    assert_eq!(asked, ["scene-77", "scene-87", "scene-97", "scene-107"]);
}

#[test]
fn a_comparison_tells_feature_spaces_seed_by_seed() {
    let p = prepared();
    let compared = p.json(&[
        "compare",
        "towers.toml",
        "--quiet",
        "--json",
        "--seeds",
        "2",
        "--methods",
        "joint,equal,unimodal-ensemble",
        "--set",
        "run.epochs=1",
        "--out",
        "c",
    ]);
    let rows = compared["feature_spaces"].as_array().unwrap();
    let of = |method: &str, figure: &str| {
        let of =
            |row: &&Value| row["method"] == method && row["figure"] == figure && row["tower"] == "camera";
        rows.iter()
            .find(|row| of(row) && row["label"] == "style")
            .unwrap()
    };
    assert_eq!(of("equal", "knn")["values"].as_array().unwrap().len(), 2);
    assert!(of("equal", "knn")["paired_difference_to_joint"]["ci95"].is_f64());
    assert!(of("joint", "probe")["paired_difference_to_joint"].is_null());
    assert!(of("unimodal-ensemble", "retrieval")["mean"].is_f64());
    p.succeed(&["report", "c"]);
}

#[test]
fn a_text_finds_the_samples_that_are_nearest_to_it() {
    let p = prepared();
    train(&p, &["--out", "run"]);
    let found = |more: &[&str]| {
        let asked = ["predict", "run", "--among", "test", "--json", "--quiet"];
        p.json(&[&asked[..], more].concat()).as_array().unwrap().clone()
    };
    let nearest = found(&[
        "--query",
        "a red thing, near, moving left",
        "--nearest",
        "7",
        "--page",
        "found.html",
    ]);
    assert_eq!(nearest.len(), 7);
    let similarity = |one: &Value| one["similarity"].as_f64().unwrap();
    assert!(
        nearest
            .windows(2)
            .all(|two| similarity(&two[0]) >= similarity(&two[1]))
    );
    assert!(nearest.iter().all(|one| similarity(one).abs() <= 1.0 + 1e-9));
    let page = std::fs::read_to_string(p.path("found.html")).unwrap();
    assert_eq!(page.matches("data:image/png;base64,").count(), 7);
    assert!(page.contains("a red thing, near, moving left"));
    // Among its own kind a text that is there is nearest to itself.
    let asked = |text: &str| {
        let page = ["--look-for", "caption", "--nearest", "1", "--page", "text.html"];
        let found = found(&[&["--query", text], &page[..]].concat());
        let page = std::fs::read_to_string(p.path("text.html")).unwrap();
        let shown = page.split_once("<p>").unwrap().1.split_once("</p>").unwrap().0;
        (similarity(&found[0]), shown.to_owned())
    };
    let (_, there) = asked("a red thing, near, moving left");
    let (itself, again) = asked(&there);
    assert!(itself > 0.9999 && again == there, "{itself} {there} {again}");
    // Of several queries each sample is told one.
    let told = found(&["--query", "a red thing", "--query", "a blue thing"]);
    assert_eq!(told.len(), 40);
    assert!(
        told.iter()
            .all(|one| one["query"].as_str().unwrap().ends_with(" thing"))
    );
    p.refuse_after_run(&["predict", "run", "--query", "a thing"], "--among");
    p.refuse_after_run(
        &["predict", "run", "--query", " ", "--among", "test"],
        "empty text",
    );
    let asked = |text: &str| {
        p.run(&["predict", "run", "--query", text, "--among", "test"])
            .stderr
    };
    let told = "no part of it was in a training text";
    assert!(asked("@#@#").contains(told) && !asked("a red thing").contains(told));
    // A word that captions have inside of them is known at the beginning of a query.
    assert!(!asked("red").contains(told));
    p.refuse_after_run(
        &[
            "predict",
            "run",
            "--query",
            "a thing",
            "--among",
            "test",
            "--look-for",
            "sound",
        ],
        "camera, caption",
    );
    train(
        &p,
        &[
            "--out",
            "alone",
            "--set",
            "blend.kind=unimodal",
            "--set",
            "blend.head=camera",
        ],
    );
    p.refuse_after_run(
        &["predict", "alone", "--query", "a thing", "--among", "test"],
        "objective.kind",
    );
}

/// Towers that treat every sample by itself: nothing is normalized over a batch.
fn by_themselves() -> Playground {
    let p = playground();
    p.write("towers.toml", towers_by_themselves());
    p
}

#[test]
fn a_batch_in_chunks_has_the_gradient_of_the_batch_to_rounding() {
    let p = by_themselves();
    let sets = [
        "run.epochs=1",
        "run.batch_size=64",
        "optimizer.kind=sgd",
        "optimizer.learning_rate=0.05",
    ];
    let parameters = |out: &str, more: &[&str]| {
        let sets = sets.iter().chain(more).flat_map(|set| ["--set", set]);
        train(&p, &[&["--out", out][..], &sets.collect::<Vec<_>>()].concat());
        let model = std::fs::read(p.path(out).join("model.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&model).unwrap();
        let mut values: Vec<(String, Vec<f32>)> = tensors
            .tensors()
            .into_iter()
            .map(|(name, view)| {
                let floats = view
                    .data()
                    .chunks_exact(4)
                    .map(|four| f32::from_le_bytes(four.try_into().unwrap()));
                (name, floats.collect())
            })
            .collect();
        values.sort_by(|a, b| a.0.cmp(&b.0));
        values
    };
    let (whole, chunked) = (parameters("whole", &[]), parameters("chunked", &["run.chunk=10"]));
    let still = parameters("still", &["optimizer.learning_rate=1e-12"]);
    let mut moved = 0.0_f32;
    for (((name, whole), (_, chunked)), (_, still)) in whole.iter().zip(&chunked).zip(&still) {
        for ((a, b), start) in whole.iter().zip(chunked).zip(still) {
            assert!((a - b).abs() < 2e-5 * a.abs().max(1.0), "{name}: {a} {b}");
            moved = moved.max((a - start).abs());
        }
    }
    // They went somewhere.
    assert!(moved > 1e-3, "{moved}");
    let refused = |sets: &[&str], part: &str| {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        p.refuse_after_run(&[&["train", "towers.toml"], &sets[..]].concat(), part);
    };
    refused(&["run.chunk=0"], "run.chunk");
    refused(&["run.chunk=8", "blend.kind=pcgrad"], "looks into gradients");
    refused(
        &["run.chunk=8", "modality.caption.objective={ kind = \"anchor\" }"],
        "run.chunk",
    );
}

/// A table of pairs as people have them: numbers that go with a text, and nothing that says what either is.
const PAIRS: &str = r#"
[run]
epochs = 4
batch_size = 32

[data]
kind = "manifest"
table = "pairs.csv"
id = "id"
split = "split"

[data.streams.numbers]
columns = "a*"
media = "array"

[data.streams.text]
column = "text"
media = "text"

[objective]
kind = "match"
width = 8
block = 16

[modality.numbers]
kind = "vector"
objective = { kind = "none" }

[modality.text]
kind = "text"
augment.delete = 0.2
objective = { kind = "views", width = 8, hidden = [8], block = 16, same = "text" }

[blend]
kind = "equal"
"#;

#[test]
fn pairs_need_no_label() {
    let p = playground();
    let mut table = "id,a1,a2,text,split\n".to_owned();
    for row in 0..90 {
        let (color, thing) = (["red", "blue", "green"][row % 3], ["cat", "dog"][row % 2]);
        let split = if row % 5 == 0 { "test" } else { "train" };
        let noise = (row * 37 % 11) as f64 / 50.0;
        table += &format!(
            "s{row},{},{},a {color} {thing},{split}\n",
            (row % 3) as f64 + noise,
            (row % 2) as f64 - noise
        );
    }
    p.write("pairs.csv", table);
    p.write("towers.toml", PAIRS);
    let checked = p.succeed(&["check", "towers.toml"]);
    assert!(checked.contains("labels: none"), "{checked}");
    let summary = train(&p, &["--out", "run"]);
    let joint = head(&summary, "joint");
    assert!(joint["test_loss"].as_f64().unwrap().is_finite(), "{joint}");
    for command in [
        &["evaluate", "run"][..],
        &["predict", "run", "--among", "test", "--query", "a red cat"],
        &["report", "run", "--out", "report.html"],
    ] {
        p.succeed(command);
    }
    // What asks for labels is told that there are none.
    for asks in [
        "objective={ kind = \"single-label\" }",
        "modality.numbers.objective={ kind = \"classify\" }",
    ] {
        p.refuse_after_run(
            &["train", "towers.toml", "--set", asks],
            "`data.label` names the column",
        );
    }
    p.refuse_after_run(
        &["train", "towers.toml", "--set", "data.classes=[\"cat\"]"],
        "the column whose labels `classes` is about",
    );
}

const QUEUE: &str = "objective.queue={ size = 24, momentum = 0.9 }";

/// The arrays of the last checkpoint of a run.
fn last_checkpoint(p: &Playground, run: &str) -> BTreeMap<String, Vec<f32>> {
    let folder = p.path(run).join("checkpoints");
    let numbers = std::fs::read_dir(&folder).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".safetensors")?.parse::<u64>().ok()
    });
    let last = numbers.max().unwrap();
    arrays(&std::fs::read(folder.join(format!("{last}.safetensors"))).unwrap())
}

fn arrays(file: &[u8]) -> BTreeMap<String, Vec<f32>> {
    let tensors = safetensors::SafeTensors::deserialize(file).unwrap();
    let arrays = tensors.tensors().into_iter().map(|(name, view)| {
        let floats = view
            .data()
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes(four.try_into().unwrap()));
        (name, floats.collect())
    });
    arrays.collect()
}

/// By the name of each array that a checkpoint has of what makes keys, that array and the one of the network.
fn followers(arrays: &BTreeMap<String, Vec<f32>>) -> BTreeMap<String, [Vec<f32>; 2]> {
    let followers = arrays.iter().filter_map(|(path, follower)| {
        let (before, name) = path.split_once("joint.keys.")?;
        let leader = arrays.get(&format!("{before}{name}"))?;
        Some((name.to_owned(), [follower.clone(), leader.clone()]))
    });
    followers.collect()
}

#[test]
fn every_strategy_trains_with_a_queue_of_keys_which_evaluation_does_not_know() {
    let p = prepared();
    for strategy in p.strategies() {
        let more: Vec<&str> = strategy.iter().map(String::as_str).collect();
        let sets = ["--set", QUEUE, "--out", "run"];
        let summary = train(&p, &[&sets, &more[..]].concat());
        for head in summary["heads"].as_array().unwrap() {
            if head["weight"] != 0.0 {
                assert!(
                    head["test_loss"].as_f64().unwrap().is_finite(),
                    "{strategy:?}: {head}"
                );
            }
        }
        let evaluated = p.json(&["evaluate", "run", "--quiet", "--json"]);
        assert_eq!(
            head(&evaluated, "joint")["loss"],
            head(&summary, "joint")["test_loss"],
            "{strategy:?}"
        );
        std::fs::remove_dir_all(p.path("run")).unwrap();
    }
}

#[test]
fn a_loss_is_told_among_the_keys_in_training_and_among_a_block_in_evaluation() {
    let p = prepared();
    let losses = |more: &[&str]| {
        let sets = ["--set", "optimizer.learning_rate=1e-9", "--out", "run"];
        train(&p, &[&sets, more].concat());
        let lines = std::fs::read_to_string(p.path("run/metrics.jsonl")).unwrap();
        std::fs::remove_dir_all(p.path("run")).unwrap();
        let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        ["train", "validation"].map(|part| head(&last, "joint")[part]["loss"].as_f64().unwrap())
    };
    let (plain, queue) = (losses(&[]), losses(&["--set", QUEUE]));
    // In the second epoch of a network that stays: among 16 and 24 earlier ones as against 16.
    assert!(queue[0] > plain[0] + 0.5, "{queue:?} {plain:?}");
    assert!((queue[1] - plain[1]).abs() < 1e-4, "{queue:?} {plain:?}");
}

#[test]
fn what_makes_keys_is_the_network_itself_with_momentum_0_and_never_moves_with_1() {
    let p = prepared();
    let trained = |momentum: &str, epochs: &str| {
        let queue = format!("objective.queue={{ size = 24, momentum = {momentum} }}");
        let epochs = format!("run.epochs={epochs}");
        let sets = [
            "--set",
            &queue,
            "--set",
            &epochs,
            "--set",
            "checkpoint.keep=true",
            "--out",
            "run",
        ];
        train(&p, &sets);
        let found = last_checkpoint(&p, "run");
        std::fs::remove_dir_all(p.path("run")).unwrap();
        found
    };
    let itself = followers(&trained("0", "2"));
    assert!(itself.len() > 8, "{:?}", itself.keys());
    assert!(itself.keys().any(|name| name.starts_with("camera.encoder")));
    assert!(itself.keys().any(|name| name.starts_with("caption.encoder")));
    assert!(itself.keys().any(|name| name.starts_with("joint.")));
    for (name, [follower, leader]) in itself {
        assert_eq!(follower, leader, "{name}");
    }
    let (early, late) = (followers(&trained("1", "1")), followers(&trained("1", "2")));
    let (mut moved, mut parameters) = (0, 0);
    for (name, [follower, leader]) in &late {
        // Statistics are of the batches that it has seen.
        if !name.contains("running_") {
            assert_eq!(follower, &early[name][0], "{name}");
            parameters += 1;
            moved += usize::from(leader != follower);
        }
    }
    assert!(parameters > 8 && moved > 8, "{moved} of {parameters}");
    // In between it is in between.
    let between = followers(&trained("0.9", "2"));
    let apart = |all: &BTreeMap<String, [Vec<f32>; 2]>| -> f64 {
        let pairs = all.iter().filter(|(name, _)| !name.contains("running_"));
        let values = pairs.flat_map(|(_, [follower, leader])| follower.iter().zip(leader));
        values.map(|(a, b)| f64::from(a - b).powi(2)).sum()
    };
    let (between, initial) = (apart(&between), apart(&late));
    assert!(0.0 < between && between < 0.8 * initial, "{between} {initial}");
}

#[test]
fn a_run_with_a_queue_that_goes_on_ends_as_one_that_was_never_stopped() {
    let p = prepared();
    let sets = ["--set", "run.epochs=3", "--set", QUEUE];
    let model = whole_and_resumed(&p, "towers.toml", &sets);
    // What follows is of training alone.
    assert!(arrays(&model).keys().all(|name| !name.contains("keys")));
    // With an encoder that is frozen for an epoch, and the model of a fold.
    let frozen = ["--set", "modality.camera.freeze=1", "--set", "run.validation=0.3"];
    std::fs::remove_dir_all(p.path("whole")).unwrap();
    std::fs::remove_dir_all(p.path("part")).unwrap();
    whole_and_resumed(&p, "towers.toml", &[&sets[..], &frozen].concat());
}

#[test]
fn a_run_with_a_queue_that_was_stopped_has_a_model() {
    let p = prepared();
    let every_step = ["--set", "checkpoint.every_steps=1", "--set", "run.epochs=500"];
    let start = [
        "train",
        "towers.toml",
        "--out",
        "part",
        "--set",
        QUEUE,
        "--set",
        "run.validation=0",
    ];
    let mut child = p.start(&[&start[..], &every_step].concat());
    while !p.path("part/checkpoints/3.json").is_file() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    p.succeed(&["evaluate", "part", "--quiet"]);
}

#[test]
fn the_number_of_threads_changes_no_bit_of_a_run_with_a_queue() {
    let p = prepared();
    for threads in ["1", "2"] {
        let set = format!("run.threads={threads}");
        train(&p, &["--out", threads, "--set", &set, "--set", QUEUE]);
    }
    let model = |run: &str| std::fs::read(p.path(run).join("model.safetensors")).unwrap();
    assert!(model("1") == model("2"));
}

#[test]
fn a_queue_is_refused_where_there_can_be_none() {
    let p = prepared();
    let refused = |sets: &[&str], parts: &[&str]| {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        p.refuse(&[&["train", "towers.toml"], &sets[..]].concat(), parts);
    };
    refused(&[QUEUE, "run.chunk=4"], &["objective.queue", "run.chunk"]);
    refused(
        &["objective.queue.momentum=1.5"],
        &["objective.queue.momentum", "0 to 1"],
    );
    refused(&["objective.queue.size=0"], &["objective.queue.size"]);
}

#[test]
fn the_example_trains_without_files_and_is_evaluated() {
    let p = playground();
    p.write("example.toml", include_str!("../../../examples/towers.toml"));
    let few = [
        "--set",
        "run.epochs=1",
        "--set",
        "data.train_samples=64",
        "--set",
        "data.test_samples=40",
    ];
    p.succeed(&[&["train", "example.toml", "--quiet", "--out", "run"], &few[..]].concat());
    p.succeed(&[
        "evaluate",
        "run",
        "--feature-space",
        "--labels",
        "style,look",
        "--quiet",
    ]);
}
