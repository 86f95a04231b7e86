//! What the backward pass computes again changes time and memory, and no bit of a result.

use gblend_tests::{Playground, without_measurements};
use serde_json::Value;

use crate::playground;

/// Two modalities of the scene, through residual blocks and through plain convolutions.
const NETWORK: [&str; 12] = [
    "--set",
    "modality.camera.encoder.architecture=residual",
    "--set",
    "modality.camera.encoder.channels=[8, 8]",
    "--set",
    "modality.camera.encoder.blocks=2",
    "--set",
    "modality.camera.encoder.dropout=0.3",
    "--set",
    "modality.microphone.encoder.channels=[8, 8, 16]",
    "--set",
    "run.epochs=2",
];

fn trained(p: &Playground, out: &str, more: &[&str]) -> (Value, Vec<u8>) {
    let arguments = [
        &["train", "tiny.toml", "--quiet", "--out", out],
        &NETWORK[..],
        more,
    ]
    .concat();
    p.succeed(&arguments);
    let summary = std::fs::read_to_string(p.path(out).join("summary.json")).unwrap();
    let model = std::fs::read(p.path(out).join("model.safetensors")).unwrap();
    (serde_json::from_str(&summary).unwrap(), model)
}

#[test]
fn stages_that_run_again_change_no_bit_of_a_run_and_the_time_that_they_take_is_told() {
    let p = playground();
    let (kept, model) = trained(&p, "kept", &["--set", "run.recompute=none"]);
    assert_eq!(kept["seconds"].get("recompute"), None);
    for threads in ["1", "3"] {
        let threads = format!("run.threads={threads}");
        let more = ["--set", "run.recompute=stages", "--set", &threads];
        let (again, other) = trained(&p, &threads, &more);
        assert!(other == model, "parameters differ");
        let seconds = &again["seconds"];
        let [recompute, train] = ["recompute", "train"].map(|key| seconds[key].as_f64().unwrap());
        assert!(0.0 < recompute && recompute < train, "{seconds}");
        assert_eq!(without_measurements(again), without_measurements(kept.clone()));
    }
    let page = p.succeed(&["report", "run.threads=3"]);
    let page = std::fs::read_to_string(p.path(page.trim())).unwrap_or(page);
    assert!(page.contains("ran stages of encoders again"), "{page}");
}

#[test]
fn a_run_goes_on_with_another_setting_of_what_is_computed_again() {
    let p = playground();
    let (_, model) = trained(&p, "whole", &["--set", "run.recompute=none"]);
    trained(
        &p,
        "half",
        &["--set", "run.recompute=none", "--set", "run.epochs=1"],
    );
    let further = ["train", "--resume", "half", "--epochs", "2", "--quiet"];
    p.succeed(&[&further[..], &["--set", "run.recompute=stages"]].concat());
    assert!(std::fs::read(p.path("half").join("model.safetensors")).unwrap() == model);
}

#[test]
fn estimates_by_gradients_and_by_probes_are_the_same_where_stages_run_again() {
    let p = playground();
    for (name, estimator) in [
        ("gradient", "blend.estimator=gradient"),
        ("probe", "blend.probe_epochs=1"),
    ] {
        let of = |recompute: &str| {
            let out = format!("{name}-{recompute}");
            let recompute = format!("run.recompute={recompute}");
            let more = ["blend.kind=ogr", estimator, "blend.resamples=10", &recompute];
            let more: Vec<&str> = more.into_iter().flat_map(|set| ["--set", set]).collect();
            let (summary, model) = trained(&p, &out, &more);
            (summary["blends"].clone(), model)
        };
        let (kept, again) = (of("none"), of("stages"));
        assert!(!kept.0.as_array().unwrap().is_empty());
        assert_eq!(kept.0, again.0, "{name}");
        assert!(kept.1 == again.1, "{name}: parameters differ");
    }
}
