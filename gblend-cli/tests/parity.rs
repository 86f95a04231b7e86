//! `examples/parity.rs`, which a GPU is compared with the CPU by: it finds what is wrong.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

/// The example, which cargo builds beside the tests.
fn parity(command: &str, file: &Path) -> Output {
    let test = std::env::current_exe().unwrap();
    let example: PathBuf = test.ancestors().nth(2).unwrap().join("examples/parity");
    Command::new(example).arg(command).arg(file).output().unwrap()
}

/// The cases that a comparison finds to differ, and how many there are.
fn differing(output: &Output) -> (Vec<String>, usize) {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let lines: Vec<_> = lines.collect();
    let differing = lines.iter().filter(|line| line["alike"] == false);
    let names = differing.map(|line| line["case"].as_str().unwrap().to_owned());
    (names.collect(), lines.len())
}

#[test]
fn a_device_agrees_with_itself_and_not_with_a_value_that_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stored.safetensors");
    let written = parity("write", &file);
    assert!(
        written.status.success(),
        "{}",
        String::from_utf8_lossy(&written.stderr)
    );

    let same = parity("compare", &file);
    assert!(same.status.success(), "{}", String::from_utf8_lossy(&same.stdout));
    let (names, cases) = differing(&same);
    assert!(names.is_empty() && cases > 50, "{cases} cases, {names:?}");

    // One gradient, a thousandth too large.
    let bytes = std::fs::read(&file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let changed: Vec<u8> = tensors
        .tensor("Linear/gradient of weight")
        .unwrap()
        .data()
        .chunks_exact(4)
        .flat_map(|bytes| (1.001 * f32::from_le_bytes(bytes.try_into().unwrap())).to_le_bytes())
        .collect();
    let views = tensors.iter().map(|(name, view)| match name {
        "Linear/gradient of weight" => {
            let view = TensorView::new(view.dtype(), view.shape().to_vec(), &changed).unwrap();
            (name, view)
        }
        _ => (name, view),
    });
    std::fs::write(&file, safetensors::serialize(views, None).unwrap()).unwrap();
    let other = parity("compare", &file);
    assert_eq!(other.status.code(), Some(1));
    assert_eq!(differing(&other).0, ["Linear"]);
}

#[test]
fn a_case_whose_values_are_missing_differs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stored.safetensors");
    assert!(parity("write", &file).status.success());
    let bytes = std::fs::read(&file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let kept = tensors.iter().filter(|(name, _)| !name.starts_with("gelu/"));
    std::fs::write(&file, safetensors::serialize(kept, None).unwrap()).unwrap();
    let compared = parity("compare", &file);
    assert_eq!(compared.status.code(), Some(1));
    assert_eq!(differing(&compared).0, ["gelu"]);
}
