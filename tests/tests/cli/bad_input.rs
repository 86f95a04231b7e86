//! Bad input: exit code 2, a message that names the place and what was expected, no run that looks whole.

use gblend_tests::{TINY, TINY_AVMNIST, write_avmnist};
use safetensors::SafeTensors;

use crate::playground;

#[test]
fn an_unknown_key_is_answered_with_file_line_and_the_nearest_key() {
    let p = playground();
    p.write("bad.toml", TINY.replace("batch_size", "bach_size"));
    p.refuse(
        &["train", "bad.toml"],
        &["bad.toml:4", "run.bach_size", "`batch_size`"],
    );
    p.write("bad.toml", TINY.replace("limit = 4", "limt = 4"));
    p.refuse(
        &["train", "bad.toml"],
        &["bad.toml:20", "modality.motion.limt", "did you mean `limit`"],
    );
    p.write("bad.toml", TINY.replace("[fusion]", "[fusoin]"));
    p.refuse(
        &["train", "bad.toml"],
        &["bad.toml:", "fusoin", "did you mean `fusion`"],
    );
    p.refuse(
        &["train", "tiny.toml", "--set", "run.epoch=3"],
        &["--set run.epoch=3", "did you mean `epochs`"],
    );
}

#[test]
fn an_unknown_key_deep_in_a_plugins_table_is_named_with_its_path() {
    let p = playground();
    p.write("bad.toml", TINY.replace("n_mels", "mels"));
    p.refuse(
        &["train", "bad.toml"],
        &["bad.toml:26", "modality.microphone.spectrogram.mels", "n_mels"],
    );
}

#[test]
fn a_wrong_type_is_named_with_what_was_expected() {
    let p = playground();
    p.write("bad.toml", TINY.replace("epochs = 2", "epochs = \"two\""));
    p.refuse(
        &["train", "bad.toml"],
        &["bad.toml:3", "run.epochs", "string", "expected"],
    );
    p.write("bad.toml", TINY.replace("limit = 4", "limit = [4]"));
    p.refuse(
        &["train", "bad.toml"],
        &["bad.toml:20", "modality.motion.limit", "expected"],
    );
}

#[test]
fn an_unknown_kind_is_answered_with_the_nearest_kinds() {
    let p = playground();
    p.write("bad.toml", TINY.replace("\"flow\"", "\"flwo\""));
    p.refuse(
        &["train", "bad.toml"],
        &[
            "bad.toml:19",
            "modality.motion.kind",
            "did you mean `flow`",
            "audio",
        ],
    );
    p.refuse(
        &["train", "tiny.toml", "--set", "blend.kind=equl"],
        &["did you mean `equal`", "joint"],
    );
}

#[test]
fn text_that_is_no_toml_is_named_with_its_line() {
    let p = playground();
    p.write("bad.toml", "[run]\nepochs = = 3\n");
    p.refuse(&["train", "bad.toml"], &["bad.toml:2"]);
}

#[test]
fn a_missing_file_is_named() {
    let p = playground();
    p.refuse(&["train", "nowhere.toml"], &["nowhere.toml"]);
    p.write("av.toml", TINY_AVMNIST);
    p.refuse(&["train", "av.toml"], &["train-images-idx3-ubyte", "not found"]);
}

#[test]
fn an_unset_environment_variable_is_named() {
    let p = playground();
    p.write(
        "av.toml",
        TINY_AVMNIST.replace("mnist = \".\"", "mnist = \"${GBLEND_DATA}/mnist\""),
    );
    p.refuse(
        &["train", "av.toml"],
        &["av.toml:9", "data.mnist", "GBLEND_DATA", "not set"],
    );
}

#[test]
fn truncated_files_and_labels_out_of_range_are_named() {
    type Damage = fn(&std::path::Path);
    let cases: [(Damage, &[&str]); 4] = [
        (
            |folder| {
                let path = folder.join("train-images-idx3-ubyte");
                let bytes = std::fs::read(&path).unwrap();
                std::fs::write(path, &bytes[..bytes.len() - 7]).unwrap();
            },
            &["train-images-idx3-ubyte", "cut short"],
        ),
        (
            |folder| {
                let path = folder.join("4_ann_0.wav");
                let bytes = std::fs::read(&path).unwrap();
                std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
            },
            &["4_ann_0.wav", "wav"],
        ),
        (
            |folder| {
                let path = folder.join("train-labels-idx1-ubyte");
                let mut bytes = std::fs::read(&path).unwrap();
                bytes[12] = 10;
                std::fs::write(path, bytes).unwrap();
            },
            &["train-labels-idx1-ubyte", "label 4 is 10", "expected 0 to 9"],
        ),
        (
            // Every 7 becomes a 1.
            |folder| {
                let path = folder.join("train-labels-idx1-ubyte");
                let mut bytes = std::fs::read(&path).unwrap();
                bytes[8..]
                    .iter_mut()
                    .filter(|label| **label == 7)
                    .for_each(|label| *label = 1);
                std::fs::write(path, bytes).unwrap();
            },
            &["class `7`", "no training sample"],
        ),
    ];
    for (damage, parts) in cases {
        let p = playground();
        write_avmnist(&p.path(""));
        p.write("av.toml", TINY_AVMNIST);
        damage(&p.path(""));
        p.refuse(&["train", "av.toml"], parts);
        p.refuse(&["check", "av.toml"], parts);
        assert!(!p.path("runs/av-1").exists());
    }
}

#[test]
fn zero_modalities_are_refused() {
    let p = playground();
    let start = TINY.find("[modality.camera]").unwrap();
    let end = TINY.find("[fusion]").unwrap();
    p.write("bad.toml", format!("{}{}", &TINY[..start], &TINY[end..]));
    p.refuse(&["train", "bad.toml"], &["bad.toml", "modality", "at least one"]);
}

#[test]
fn a_loss_that_is_not_a_number_stops_with_step_head_and_value() {
    let p = playground();
    let explode = ["train", "tiny.toml", "--set", "optimizer.learning_rate=1e30"];
    p.refuse(
        &explode,
        &[
            "loss of head",
            "camera",
            "step",
            "epoch 1",
            "optimizer.learning_rate",
        ],
    );
    let outcome = p.run(&explode);
    assert!(
        outcome.stderr.contains("NaN") || outcome.stderr.contains("inf"),
        "{}",
        outcome.stderr
    );
    let evaluated = p.run(&["evaluate", "runs/tiny-1"]);
    assert_eq!(evaluated.code, Some(2));
    assert!(evaluated.stderr.contains("did not end"), "{}", evaluated.stderr);
}

#[test]
fn a_run_that_diverges_keeps_the_checkpoints_before_it_did() {
    let p = playground();
    let late = [
        "train",
        "tiny.toml",
        "--set",
        "optimizer.learning_rate=1e4",
        "--set",
        "run.epochs=400",
    ];
    let outcome = p.run(&[&late[..], &["--set", "checkpoint.every_steps=1", "--out", "run"]].concat());
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    let (_, after) = outcome.stderr.split_once("in step ").unwrap();
    let diverged: u64 = after.split(' ').next().unwrap().parse().unwrap();
    let entries = std::fs::read_dir(p.path("run/checkpoints")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let (mut arrays, mut steps) = (0, Vec::new());
    for path in paths {
        let bytes = std::fs::read(&path).unwrap();
        if path.extension().is_some_and(|extension| extension == "json") {
            let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            steps.push(json["description"]["position"]["step"].as_u64().unwrap());
        } else {
            arrays += 1;
            let tensors = SafeTensors::deserialize(&bytes).unwrap();
            for (name, tensor) in tensors.iter().filter(|(name, _)| name.starts_with("model/")) {
                let values = tensor.data().chunks_exact(4);
                let mut values = values.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
                assert!(values.all(f32::is_finite), "{name}");
            }
        }
    }
    assert!(arrays == 2 && steps.len() == 2);
    assert!(steps.iter().all(|&step| step < diverged), "{steps:?} {diverged}");
}

#[test]
fn settings_out_of_range_are_refused_before_anything_is_written() {
    let p = playground();
    for (key, part) in [
        ("run.epochs=0", "at least 1"),
        ("run.batch_size=0", "at least 1"),
        ("run.validation=1.5", "below 1"),
        ("run.threads=100000", "at most"),
        ("optimizer.momentum=1", "momentum"),
        ("optimizer.clip_norm=-1", "above 0"),
        (
            "optimizer.schedule={kind=\"step\", every_epochs=0}",
            "every_epochs",
        ),
        ("fusion.head.dropout=1", "below 1"),
        ("data.size=3", "data.size"),
        ("modality.camera.encoder.channels=[]", "camera.encoder.channels"),
        ("modality.camera.encoder.depth=2", "encoder.depth = 2"),
        (
            "modality.camera.encoder.architecture=transformer",
            "encoder.channels = [4, 8]",
        ),
        ("modality.camera.source=\"motion\"", "stream of frames"),
        ("modality.camera.source=\"lidar\"", "camera (frames)"),
    ] {
        p.refuse(&["train", "tiny.toml", "--set", key], &[part]);
    }
    assert!(!p.path("runs/tiny-1").exists());
}

#[test]
fn a_malformed_override_is_answered_with_an_example() {
    let p = playground();
    p.refuse(
        &["train", "tiny.toml", "--set", "epochs"],
        &["--set epochs", "KEY=VALUE"],
    );
}

#[test]
fn a_modality_must_not_take_the_joint_heads_name() {
    let p = playground();
    p.write("bad.toml", TINY.replace("[modality.camera]", "[modality.joint]"));
    p.refuse(&["train", "bad.toml"], &["joint", "another name"]);
    p.write(
        "bad.toml",
        TINY.replace("[modality.camera]", "[modality.\"a.b\"]"),
    );
    p.refuse(&["train", "bad.toml"], &["a.b", "letters"]);
}

#[test]
fn a_run_folder_that_is_not_empty_is_left_alone() {
    let p = playground();
    std::fs::create_dir(p.path("mine")).unwrap();
    p.write("mine/notes.txt", "keep me");
    p.refuse(&["train", "tiny.toml", "--out", "mine"], &["mine", "not empty"]);
    assert_eq!(
        std::fs::read_to_string(p.path("mine/notes.txt")).unwrap(),
        "keep me"
    );
    assert_eq!(std::fs::read_dir(p.path("mine")).unwrap().count(), 1);
}
