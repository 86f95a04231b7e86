//! `gblend export`: what is written says what it reads and what it is. `cargo xtask onnx` has ONNX Runtime run it.
#![allow(clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use gblend_tests::{Playground, TINY};
use serde_json::Value;

use crate::playground;
use crate::protobuf::{Field, fields};

/// An exported model, as far as it is looked at here.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Inputs and outputs: names, and extents, of which one may be a name.
    inputs: BTreeMap<String, Vec<String>>,
    pub(crate) outputs: BTreeMap<String, Vec<String>>,
    /// Operators of the nodes.
    pub(crate) operators: BTreeSet<String>,
    /// Names of initializers.
    initializers: Vec<String>,
    properties: BTreeMap<String, String>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The messages that field `number` of a message has.
fn messages(message: &[u8], number: u64) -> Vec<&[u8]> {
    let found = fields(message).into_iter().filter(|(of, _)| *of == number);
    found
        .map(|(_, field)| match field {
            Field::Bytes(bytes) => bytes,
            other => panic!("field {number} is {other:?}"),
        })
        .collect()
}

fn one(message: &[u8], number: u64) -> &[u8] {
    match messages(message, number)[..] {
        [one] => one,
        ref other => panic!("field {number} is there {} times", other.len()),
    }
}

/// `onnx.ValueInfoProto`.
fn value(message: &[u8]) -> (String, Vec<String>) {
    let shape = one(one(one(message, 2), 1), 2);
    let extents = messages(shape, 1)
        .into_iter()
        .map(|extent| match fields(extent)[..] {
            [(1, Field::Varint(extent))] => extent.to_string(),
            [(2, Field::Bytes(name))] => text(name),
            ref other => panic!("an extent is {other:?}"),
        });
    (text(one(message, 1)), extents.collect())
}

/// An exported model in a folder.
pub(crate) fn read(p: &Playground, name: &str) -> Model {
    let bytes = std::fs::read(p.path(name)).unwrap();
    let graph = one(&bytes, 7);
    let properties = messages(&bytes, 14).into_iter();
    Model {
        inputs: messages(graph, 11).into_iter().map(value).collect(),
        outputs: messages(graph, 12).into_iter().map(value).collect(),
        operators: messages(graph, 1)
            .into_iter()
            .map(|node| text(one(node, 4)))
            .collect(),
        initializers: messages(graph, 5)
            .into_iter()
            .map(|tensor| text(one(tensor, 8)))
            .collect(),
        properties: properties
            .map(|entry| (text(one(entry, 1)), text(one(entry, 2))))
            .collect(),
    }
}

#[test]
fn a_model_has_named_inputs_for_any_number_of_samples_and_says_how_they_are_made() {
    let p = playground();
    p.succeed(&["train", "tiny.toml", "--quiet", "--out", "run"]);
    let told = p.succeed(&["export", "run", "--onnx", "model.onnx"]);
    let model = read(&p, "model.onnx");
    let shape = |extents: &[&str]| extents.iter().map(ToString::to_string).collect::<Vec<String>>();
    assert_eq!(model.inputs["camera"], shape(&["batch", "3", "3", "12", "12"]));
    assert_eq!(model.inputs["motion"], shape(&["batch", "2", "3", "12", "12"]));
    assert_eq!(model.inputs["microphone"][..2], shape(&["batch", "1"]));
    assert_eq!(model.inputs.len(), 3);
    let classes: Vec<String> = serde_json::from_str(&model.properties["gblend.classes"]).unwrap();
    let of_classes = shape(&["batch", &classes.len().to_string()]);
    for output in ["", ".camera", ".motion", ".microphone", ".joint"] {
        assert_eq!(model.outputs[&format!("probabilities{output}")], of_classes);
        assert!(told.contains(&format!("probabilities{output}")), "{told}");
    }
    assert_eq!(model.outputs.len(), 5);
    for path in ["camera.encoder.block0.weight", "motion.head.bias"] {
        assert!(
            model.initializers.iter().any(|name| name == path),
            "{:?}",
            model.initializers
        );
    }
    assert_eq!(model.properties["gblend.version"], env!("CARGO_PKG_VERSION"));
    let inputs: Value = serde_json::from_str(&model.properties["gblend.inputs"]).unwrap();
    assert_eq!(inputs[2]["kind"], "audio");
    assert_eq!(inputs[2]["settings"]["sample_rate"], 8000);
    assert_eq!(inputs[0]["tensors"][0]["axes"][2], "frames 3");
    let prediction: Value = serde_json::from_str(&model.properties["gblend.prediction"]).unwrap();
    assert_eq!(prediction["rule"], "pool");
    assert_eq!(prediction["heads"][3][0], "joint");

    p.refuse_after_run(&["export", "run", "--onnx", "model.onnx"], "is there already");
}

#[test]
fn a_graph_of_samples_that_may_lack_modalities_is_told_which_have_them_and_so_are_its_inputs() {
    let p = playground();
    p.succeed(&[
        "data",
        "export",
        "scene",
        "data",
        "--quiet",
        "--set",
        "data.train_samples=40",
        "--set",
        "data.test_samples=8",
    ]);
    p.succeed(&[
        "train",
        "data/config.toml",
        "--quiet",
        "--out",
        "run",
        "--set",
        "run.epochs=1",
        "--set",
        "data.streams.camera.optional=true",
    ]);
    let table = std::fs::read_to_string(p.path("data/samples.csv")).unwrap();
    let mut lines: Vec<String> = table.lines().map(ToOwned::to_owned).collect();
    let columns: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    let camera = columns
        .iter()
        .position(|column| *column == "camera_path")
        .unwrap();
    let mut cells: Vec<&str> = table.lines().nth(1).unwrap().split(',').collect();
    cells[camera] = "";
    lines[1] = cells.join(",");
    p.write("data/part.csv", lines.join("\n"));
    let export = [
        "export",
        "run",
        "--onnx",
        "whole.onnx",
        "--table",
        "data/part.csv",
        "--inputs",
        "whole.npz",
    ];
    p.refuse_after_run(&export, "with --missing");
    let export = [
        "export",
        "run",
        "--missing",
        "--onnx",
        "part.onnx",
        "--table",
        "data/part.csv",
        "--inputs",
        "part.npz",
    ];
    let told = p.succeed(&export);
    let model = read(&p, "part.onnx");
    for name in ["camera", "motion", "microphone"] {
        assert_eq!(model.inputs[&format!("present_{name}")], ["batch"], "{told}");
        assert!(
            told.contains(&format!("input   present_{name} [batch]")),
            "{told}"
        );
    }
    assert!(model.properties["gblend.missing"].contains("present_NAME"));
    let mut inputs = zip::ZipArchive::new(std::fs::File::open(p.path("part.npz")).unwrap()).unwrap();
    let mut present = |name: &str| {
        let mut bytes = Vec::new();
        let mut file = inputs.by_name(&format!("present_{name}.npy")).unwrap();
        std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        bytes.split_off(bytes.len() - (lines.len() - 1))
    };
    assert_eq!(present("camera").iter().position(|&there| there == 0), Some(0));
    assert_eq!(present("camera").iter().filter(|&&there| there == 0).count(), 1);
    assert!(present("microphone").iter().all(|&there| there == 1));
}

#[test]
fn heads_that_were_not_trained_are_left_out_with_what_they_alone_read() {
    let p = playground();
    let sets = ["blend.kind=unimodal", "blend.head=motion"]
        .iter()
        .flat_map(|set| ["--set", set]);
    let train = ["train", "tiny.toml", "--quiet", "--out", "run"]
        .into_iter()
        .chain(sets);
    p.succeed(&train.collect::<Vec<_>>());
    p.succeed(&["export", "run", "--onnx", "model.onnx"]);
    let model = read(&p, "model.onnx");
    assert_eq!(model.inputs.keys().collect::<Vec<_>>(), ["motion"]);
    assert_eq!(
        model.outputs.keys().collect::<Vec<_>>(),
        ["probabilities", "probabilities.motion"]
    );
}

#[test]
fn inputs_of_samples_want_samples_and_samples_a_file() {
    let p = playground();
    p.succeed(&["train", "tiny.toml", "--quiet", "--out", "run"]);
    p.refuse_after_run(
        &["export", "run", "--onnx", "m.onnx", "--inputs", "i.npz"],
        "--table or --shards",
    );
    p.write("new.csv", "camera\n");
    p.refuse_after_run(
        &["export", "run", "--onnx", "m.onnx", "--table", "new.csv"],
        "--inputs FILE.npz",
    );
    assert!(!p.path("m.onnx").exists());
}

#[test]
fn numbers_are_predicted_in_their_unit_and_the_run_alone_tells_that_they_are_asked() {
    let p = playground();
    p.write(
        "distance.toml",
        TINY.replace("kind = \"scene\"", "kind = \"scene\"\ntarget = \"distance\""),
    );
    p.succeed(&["train", "distance.toml", "--quiet", "--out", "run"]);
    p.succeed(&["export", "run", "--onnx", "model.onnx"]);
    let model = read(&p, "model.onnx");
    assert_eq!(model.outputs["values"], ["batch", "1"]);
    assert_eq!(model.outputs["values.joint"], ["batch", "1"]);
    assert_eq!(model.properties["gblend.classes"], "[]");
    assert!(!model.operators.contains("Softmax"), "{:?}", model.operators);
}
