//! `gblend data export`: what is written is a dataset like the one that it came from.

use std::collections::BTreeMap;
use std::path::Path;

use crate::playground;
use gblend_cli::config::Config;
use gblend_core::{Media, OpenContext, Seed, Source};
use gblend_tests::without_measurements;
use serde_json::Value;

/// A modality for the stream that the tiny configuration leaves out.
const DEPTH: &str = r#"
[modality.distance]
kind = "depth"
encoder.channels = [4, 8]
"#;

/// The dataset of a configuration.
pub(crate) fn open(config: &Path) -> Box<dyn Source> {
    let config = Config::load(Some(config), &[]).unwrap();
    let cx = OpenContext {
        base: &config.base,
        seed: Seed::new(config.run.seed).derive("data"),
    };
    config.data.open(&cx).unwrap()
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_scene_comes_back_from_its_files() {
    let p = playground();
    let small = [
        "data.train_samples=24",
        "data.test_samples=16",
        "data.depth_noise=2",
    ];
    let sets = small.iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> = ["data", "export", "scene", "world", "--seed", "5"]
        .into_iter()
        .chain(sets)
        .collect();
    assert!(p.succeed(&arguments).contains("40 samples"));
    let checked = p.succeed(&["check", "world/config.toml", "--quiet"]);
    assert!(
        checked.contains("16 test") && checked.contains("acorn"),
        "{checked}"
    );
    let written = std::fs::read_to_string(p.path("world/config.toml")).unwrap();
    assert!(
        written.contains("seed = 5") && !written.contains("base ="),
        "{written}"
    );

    p.write(
        "scene.toml",
        "[data]\nkind = \"scene\"\ntrain_samples = 24\ntest_samples = 16\ndepth_noise = 2\n[modality.camera]\nkind = \"rgb\"",
    );
    let (memory, export) = (open(&p.path("scene.toml")), open(&p.path("world/config.toml")));
    assert_eq!((memory.len(), memory.classes()), (export.len(), export.classes()));
    let mut rounded = 0;
    for index in 0..memory.len() {
        assert_eq!(memory.sample(index), export.sample(index));
        for (position, stream) in memory.streams().iter().enumerate() {
            let same = export.streams().iter().position(|other| other == stream).unwrap();
            match (
                memory.read(index, position).unwrap(),
                export.read(index, same).unwrap(),
            ) {
                (Media::Depth(memory), Media::Depth(export)) => {
                    for (&before, &after) in memory.meters().iter().zip(export.meters()) {
                        // Half a millimeter, the coarsest unit for depths of up to 32 meters, and float32.
                        assert!(
                            (before - after).abs() <= 0.00025 + 2e-6,
                            "{before} became {after}"
                        );
                        rounded += usize::from(before != after);
                    }
                }
                (memory, export) => assert!(memory == export, "sample {index}, {}", stream.name),
            }
        }
    }
    assert!(rounded > 0, "depth was compared with itself");
}

#[test]
fn training_on_exact_files_gives_the_same_bits() {
    let p = playground();
    let settings = ["--seed", "3", "--set", "blend.kind=ogr"];
    let mut arguments = vec!["train", "tiny.toml", "--quiet", "--json", "--out", "memory"];
    arguments.extend(settings);
    let memory = p.json(&arguments);
    let mut arguments = vec!["data", "export", "tiny.toml", "world", "--quiet"];
    arguments.extend(settings);
    p.succeed(&arguments);
    let export = p.json(&[
        "train",
        "world/config.toml",
        "--quiet",
        "--json",
        "--out",
        "export",
    ]);
    assert_eq!(without_measurements(memory), without_measurements(export));
    let model = |run: &str| std::fs::read(p.path(run).join("model.safetensors")).unwrap();
    assert!(model("memory") == model("export"), "the parameters differ");
}

#[test]
fn training_on_rounded_depth_gives_the_same_accuracy_within_noise() {
    const TEST: f64 = 320.0;
    let p = playground();
    // Without distractors and with a large step, so that little training leads far from chance.
    let world = "train_samples = 160\nflow_noise = 0.0\nflow_distractor = 0.0\ndepth_distractor = 0.0\n\
                 audio_noise = 0.1\naudio_distractor = 0.0";
    let config = gblend_tests::TINY
        .replace("train_samples = 72", world)
        .replace("test_samples = 40", "test_samples = 320")
        .replace("epochs = 2", "epochs = 10");
    let config = format!("{config}{DEPTH}\n[optimizer]\nkind = \"sgd\"\nlearning_rate = 0.04\n");
    p.write("four.toml", config);
    p.succeed(&["data", "export", "four.toml", "world", "--quiet"]);
    let accuracy = |config: &str, run: &str| -> Vec<f64> {
        let summary: Value = p.json(&["train", config, "--quiet", "--json", "--out", run]);
        let heads = summary["heads"].as_array().unwrap().clone();
        assert_eq!(heads.len(), 5);
        heads
            .iter()
            .map(|head| head["test_accuracy"].as_f64().unwrap())
            .collect()
    };
    let memory = accuracy("four.toml", "memory");
    let export = accuracy("world/config.toml", "export");
    // Three standard deviations of the difference of two shares of TEST samples, at most (p = 1/2).
    let noise = 3.0 * (2.0 * 0.25 / TEST).sqrt();
    for (before, after) in memory.iter().zip(&export) {
        assert!((before - after).abs() <= noise, "{memory:?} {export:?}");
    }
    // Labels or files that had been mixed up would leave chance, which is 1/8.
    assert!(export.last().unwrap() > &(0.125 + 2.0 * noise), "{export:?}");
}

#[test]
fn an_export_of_an_export_has_the_same_media() {
    let p = playground();
    p.succeed(&["data", "export", "tiny.toml", "world", "--quiet"]);
    p.succeed(&["data", "export", "world/config.toml", "again", "--quiet"]);
    let (world, again) = (files(&p.path("world")), files(&p.path("again")));
    assert!(world.keys().eq(again.keys()));
    for (name, bytes) in &world {
        // An export has its streams in the order of their names.
        let ordered = ["README.md", "samples.csv"].contains(&name.as_str());
        assert!(ordered || bytes == &again[name], "{name}");
    }
    // 112 samples: 3 pictures, 3 fields, 3 depth maps and a sound each, and three files beside them.
    assert_eq!(world.len(), 112 * 10 + 3);
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let p = playground();
    std::fs::create_dir(p.path("used")).unwrap();
    p.write("used/note.txt", "mine");
    p.refuse(
        &["data", "export", "tiny.toml", "used"],
        &["used", "is not empty"],
    );
    p.refuse(&["data", "export", "tiny.toml", "tiny.toml"], &["no folder"]);
    p.refuse(&["data", "export", "nowhere.toml", "new"], &["nowhere.toml"]);
    p.refuse(
        &["data", "export", "scene", "new", "--set", "data.size=1"],
        &["data.size"],
    );
    assert_eq!(files(&p.path("used")).len(), 1);
    assert!(!p.path("new").exists());
    std::fs::create_dir(p.path("empty")).unwrap();
    p.succeed(&["data", "export", "tiny.toml", "empty", "--quiet"]);
}

#[test]
fn an_export_that_ends_early_is_no_dataset() {
    let p = playground();
    p.succeed(&["data", "export", "tiny.toml", "world", "--quiet"]);
    p.write("world/motion/scene-100/0002.flo", "PIEH");
    p.refuse(
        &["data", "export", "world/config.toml", "again"],
        &["scene-100", "0002.flo"],
    );
    assert!(p.path("again").is_dir() && !p.path("again/samples.csv").exists());
    p.refuse(
        &["data", "export", "world/config.toml", "again"],
        &["is not empty"],
    );
}

#[test]
fn the_example_with_every_stream_of_the_scene_trains() {
    let p = playground();
    let example = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("examples/scene.toml");
    p.write("scene.toml", std::fs::read_to_string(example).unwrap());
    let small = [
        "data.train_samples=64",
        "data.test_samples=16",
        "run.epochs=1",
        "blend.kind=equal",
    ];
    let sets = small.iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> = ["train", "scene.toml", "--quiet", "--json"]
        .into_iter()
        .chain(sets)
        .collect();
    let summary = p.json(&arguments);
    let kinds: Vec<&str> = summary["heads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|head| head["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["rgb", "flow", "depth", "audio", "concat"]);
}
