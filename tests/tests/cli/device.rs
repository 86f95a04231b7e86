//! `--device` and `run.device`, in a binary that was built without CUDA.

use crate::playground;

#[test]
fn a_gpu_is_refused_with_what_to_do_about_it() {
    let p = playground();
    let advice = ["built without CUDA", "--features cuda", "--device cpu"];
    for command in ["train", "compare", "estimate", "check"] {
        p.refuse(
            &[command, "tiny.toml", "--device", "cuda:1"],
            &[&["`cuda:1`"][..], &advice].concat(),
        );
    }
    p.refuse(
        &["train", "tiny.toml", "--set", "run.device=cuda"],
        &[&["`cuda`"][..], &advice].concat(),
    );
}

#[test]
fn a_device_that_nobody_knows_is_named_with_those_that_there_are() {
    let p = playground();
    for device in ["gpu", "cuda:first"] {
        let set = format!("run.device={device}");
        let known = [device, "cuda:N", "`auto`"];
        p.refuse(&["train", "tiny.toml", "--set", &set], &known);
        p.refuse(&["train", "tiny.toml", "--device", device], &known);
    }
}

#[test]
fn the_option_overrides_what_a_run_was_trained_with() {
    let p = playground();
    p.succeed(&["train", "tiny.toml", "--device", "cpu", "--out", "run"]);
    let summary = std::fs::read_to_string(p.path("run/summary.json")).unwrap();
    assert!(summary.contains("\"device\": \"cpu\""), "{summary}");
    let config = std::fs::read_to_string(p.path("run/config.toml")).unwrap();
    // As if it had been trained on a GPU.
    p.write(
        "run/config.toml",
        config.replace("device = \"cpu\"", "device = \"cuda\""),
    );
    p.refuse(&["evaluate", "run"], &["`cuda`", "--device cpu"]);
    p.succeed(&["evaluate", "run", "--device", "cpu"]);
    p.succeed(&["predict", "run", "scene-100", "--device", "cpu"]);
}
