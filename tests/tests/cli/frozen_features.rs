//! The features of frozen encoders, which are computed once.

use serde_json::Value;

use crate::playground;
use gblend_tests::Playground;

const FREEZE: &str = "modality.camera.freeze=true";
/// No room for features.
const NO_ROOM: &str = "run.memory=0";

/// Trains with more settings, and tells what was said.
fn train(p: &Playground, out: &str, more: &[&str]) -> String {
    let mut arguments = vec!["train", "tiny.toml", "--out", out];
    arguments.extend(more.iter().flat_map(|set| ["--set", set]));
    let outcome = p.run(&arguments);
    assert_eq!(outcome.code, Some(0), "{arguments:?}: {}", outcome.stderr);
    outcome.stderr
}

fn model(p: &Playground, run: &str) -> Vec<u8> {
    std::fs::read(p.path(run).join("model.safetensors")).unwrap()
}

fn losses(p: &Playground, run: &str) -> Vec<f64> {
    let summary = std::fs::read(p.path(run).join("summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    let heads = summary["heads"].as_array().unwrap();
    heads
        .iter()
        .map(|head| head["test_loss"].as_f64().unwrap())
        .collect()
}

/// Two runs that did the same, but for rounding.
fn assert_alike(p: &Playground, [one, other]: [&str; 2], of: &str) {
    for (one, other) in losses(p, one).iter().zip(losses(p, other)) {
        assert!(
            (one - other).abs() < 1e-4 * other.abs().max(1.0),
            "{of}: {one} and {other}"
        );
    }
}

#[test]
fn kept_features_train_what_the_encoder_in_every_epoch_would() {
    let p = playground();
    let cases: [&[&str]; 5] = [
        &[],
        &["blend.kind=ogr", "blend.probe_epochs=1"],
        &["blend={ kind = \"ogr\", estimator = \"gradient\" }"],
        &["run.refit=true", "run.validation=0.2", "blend.pool=cross"],
        &["fusion.kind=attention", "modality.motion.freeze=true"],
    ];
    for (number, case) in cases.iter().enumerate() {
        let (kept, anew) = (format!("kept-{number}"), format!("anew-{number}"));
        let said = train(&p, &kept, &[&[FREEZE, "run.epochs=3"], *case].concat());
        assert!(said.contains("camera is frozen: its"), "{said}");
        let said = train(&p, &anew, &[&[FREEZE, NO_ROOM, "run.epochs=3"], *case].concat());
        assert!(
            said.contains("camera is frozen, but its encoder runs in every epoch")
                && said.contains("a quarter of run.memory"),
            "{said}"
        );
        assert_alike(&p, [&kept, &anew], &format!("{case:?}"));
    }
}

#[test]
fn an_encoder_that_is_frozen_for_some_epochs_is_the_kept_features_for_these_alone() {
    let p = playground();
    for freeze in ["2", "{ from = 2 }", "{ from = 2, epochs = 1 }"] {
        let freeze = format!("modality.camera.freeze={freeze}");
        let sets = [freeze.as_str(), "run.epochs=4"];
        let said = train(&p, "kept", &sets);
        assert!(said.contains("camera is frozen: its"), "{said}");
        train(&p, "anew", &[&sets[..], &[NO_ROOM]].concat());
        assert_alike(&p, ["kept", "anew"], &freeze);
        for run in ["kept", "anew"] {
            std::fs::remove_dir_all(p.path(run)).unwrap();
        }
    }
}

#[test]
fn runs_with_other_encoders_or_splits_share_a_cache_and_no_bit() {
    let p = playground();
    let others: [&[&str]; 4] = [
        &["run.seed=3"],
        &["run.seed=4"],
        &["run.seed=3", "run.batch_size=8"],
        &["run.seed=3", "modality.camera.encoder.channels=[4, 6]"],
    ];
    for (number, other) in others.iter().enumerate() {
        for cache in ["shared", &format!("own-{number}")] {
            let set = format!("run.cache=cache-{cache}");
            let out = format!("{cache}-{number}");
            train(&p, &out, &[&[FREEZE, set.as_str()], *other].concat());
        }
        let [shared, own] =
            ["shared", &format!("own-{number}")].map(|cache| model(&p, &format!("{cache}-{number}")));
        assert!(shared == own, "{other:?}");
        // From the cache the features are those that were computed.
        let again = format!("again-{number}");
        train(
            &p,
            &again,
            &[&[FREEZE, "run.cache=cache-shared"], *other].concat(),
        );
        assert!(model(&p, &again) == own, "{other:?}");
    }
}

#[test]
fn samples_that_differ_in_every_epoch_have_no_features_to_keep_and_the_reason_is_told() {
    let p = playground();
    for (set, reason) in [
        ("modality.camera.augment.flip=true", "its samples are augmented"),
        (
            "modality.camera={ kind = \"rgb\", sampling = \"clip\", frames = 2, clips = 2, encoder = { channels = [4, 8] } }",
            "one of 2 views",
        ),
    ] {
        let said = train(&p, "run", &[set, FREEZE]);
        assert!(said.contains("camera is frozen, but its encoder runs"), "{said}");
        assert!(said.contains(reason), "{said}");
        std::fs::remove_dir_all(p.path("run")).unwrap();
    }
}

#[test]
fn a_sample_without_the_modality_has_no_features_of_it() {
    let p = playground();
    let table: String = (0..60)
        .map(|row| {
            let picture = match row % 5 {
                0 => String::new(),
                _ => format!("{}.png", row % 4),
            };
            format!(
                "s{row},{},{picture},{},{}\n",
                ["a", "b"][row % 2],
                row % 7,
                row % 2
            )
        })
        .collect();
    p.write("table.csv", format!("id,label,picture,x1,x2\n{table}"));
    for shade in 0..4_u8 {
        image::GrayImage::from_fn(8, 8, |x, y| image::Luma([shade * 60 + (x * y) as u8]))
            .save(p.path(&format!("{shade}.png")))
            .unwrap();
    }
    p.write(
        "tiny.toml",
        r#"
[run]
epochs = 3
batch_size = 8

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
split = { test = 0.2 }

[data.streams.picture]
column = "picture"
media = "frames"
optional = true

[data.streams.numbers]
columns = ["x1", "x2"]
media = "array"

[modality.picture]
kind = "rgb"
frames = 1
encoder.channels = [4]

[modality.numbers]
kind = "vector"

[blend]
kind = "equal"
"#,
    );
    let freeze = "modality.picture.freeze=true";
    let said = train(&p, "kept", &[freeze]);
    assert!(said.contains("picture is frozen: its"), "{said}");
    train(&p, "anew", &[freeze, NO_ROOM]);
    assert_alike(&p, ["kept", "anew"], freeze);
}
