//! Strategies under which encoders do not learn from the joint head: each is then trained as if it were alone.

use std::collections::BTreeMap;

use safetensors::SafeTensors;

use crate::playground;
use gblend_tests::Playground;

/// The bits of every parameter of a run, by path.
fn parameters(p: &Playground, run: &str) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(p.path(run).join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let all = tensors.iter();
    all.map(|(path, tensor)| (path.to_owned(), tensor.data().to_vec()))
        .collect()
}

fn train(p: &Playground, run: &str, set: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let mut arguments = vec!["train", "tiny.toml", "--quiet", "--json", "--out", run];
    arguments.extend(["--set", "run.select=last", "--set", "run.epochs=2"]);
    arguments.extend(set.iter().flat_map(|one| ["--set", one]));
    p.json(&arguments);
    parameters(p, run)
}

/// What is a modality's own: its encoder and its head.
fn own<'a>(
    parameters: &'a BTreeMap<String, Vec<u8>>,
    modality: &'a str,
) -> impl Iterator<Item = (&'a String, &'a Vec<u8>)> {
    let of = move |path: &str| path.split('.').next() == Some(modality);
    parameters.iter().filter(move |(path, _)| of(path))
}

#[test]
fn encoders_that_the_joint_loss_does_not_reach_are_to_the_bit_those_of_networks_alone() {
    for optimizer in [
        ["optimizer.kind=sgd", "optimizer.apply=losses"],
        ["optimizer.kind=adamw", "optimizer.apply=updates"],
    ] {
        let p = playground();
        let run = |name: &str, set: &[&str]| train(&p, name, &[&optimizer, set].concat());
        let detached = run("detached", &["blend.kind=detached"]);
        let ensemble = run("ensemble", &["blend.kind=unimodal-ensemble"]);
        let equal = run("equal", &["blend.kind=equal"]);
        for modality in ["camera", "microphone", "motion"] {
            let head = format!("blend.head={modality}");
            let alone = run(modality, &["blend.kind=unimodal", &head]);
            assert!(own(&alone, modality).count() > 3);
            for (path, bits) in own(&alone, modality) {
                assert_eq!(&detached[path], bits, "{path} of detached");
                assert_eq!(&ensemble[path], bits, "{path} of the ensemble");
            }
            let moved = own(&equal, modality).any(|(path, bits)| bits != &detached[path]);
            assert!(moved, "the joint loss reaches {modality} under equal weights");
        }
        // The joint head is trained by the one, and left where it began by the other.
        let joint = |run: &BTreeMap<String, Vec<u8>>| {
            let own = own(run, "joint");
            own.map(|(_, bits)| bits.clone()).collect::<Vec<_>>()
        };
        assert_ne!(joint(&detached), joint(&ensemble));
    }
}

#[test]
fn a_fusion_of_maps_is_detached_from_the_encoders_as_well() {
    let p = playground();
    let fusion = ["fusion.kind=mid-concat", "optimizer.kind=sgd"];
    let run = |name: &str, set: &[&str]| train(&p, name, &[&fusion, set].concat());
    let detached = run("detached", &["blend.kind=detached"]);
    let alone = run("alone", &["blend.kind=unimodal", "blend.head=camera"]);
    for (path, bits) in own(&alone, "camera") {
        assert_eq!(&detached[path], bits, "{path}");
    }
}

#[test]
fn independent_networks_predict_together() {
    let p = playground();
    for (kind, heads) in [("detached", 4), ("unimodal-ensemble", 3)] {
        let set = format!("blend.kind={kind}");
        let arguments = [
            "train",
            "tiny.toml",
            "--quiet",
            "--json",
            "--out",
            kind,
            "--set",
            &set,
        ];
        let summary = p.json(&arguments);
        let trained = summary["heads"].as_array().unwrap();
        let trained = trained.iter().filter(|head| head["weight"].as_f64() > Some(0.0));
        assert_eq!(trained.count(), heads, "{kind}");
        assert!(
            summary["predictions"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["rule"] == "mean")
        );
        p.succeed(&["report", kind]);
        p.succeed(&["evaluate", kind, "--quiet"]);
    }
}
