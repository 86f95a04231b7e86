//! UTD-MHAD's own files, where `GBLEND_DATA` names the folder that has `utd_mhad`.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

use std::path::{Path, PathBuf};

use gblend_core::{Dataset, Media, OpenContext, Partition, Seed, Source};
use gblend_inertial::UtdMhad;

fn folder() -> Option<PathBuf> {
    let Some(data) = std::env::var_os("GBLEND_DATA") else {
        eprintln!("skipped: GBLEND_DATA is not set");
        return None;
    };
    let folder = Path::new(&data).join("utd_mhad");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

fn open(folder: PathBuf) -> Box<dyn Source> {
    let dataset = UtdMhad {
        folder,
        actions: None,
    };
    let cx = OpenContext {
        base: Path::new("."),
        seed: Seed::new(0),
    };
    dataset.open(&cx).unwrap()
}

#[test]
fn the_streams_of_a_sample_are_what_another_reader_says() {
    let Some(folder) = folder() else { return };
    let source = open(folder);
    let index = (0..source.len())
        .find(|&index| source.sample(index).id == "a10_s1_t1")
        .unwrap();
    let sample = source.sample(index);
    assert_eq!(source.classes().len(), 27);
    assert_eq!((sample.label, sample.partition), (9.into(), Partition::Train));
    let Media::Depth(depth) = source.read(index, 0).unwrap() else {
        unreachable!()
    };
    // These numbers are from the crate `matfile` 0.5.
    let shape = depth.shape();
    assert_eq!([shape.frames, shape.height, shape.width], [76, 240, 320]);
    let millimeters = |frame: usize, row: usize, column: usize| {
        (depth.meters()[(frame * 240 + row) * 320 + column] * 1000.0).round()
    };
    assert_eq!(millimeters(10, 100, 150), 2788.0);
    assert_eq!(millimeters(75, 200, 160), 2881.0);
    assert_eq!(millimeters(5, 60, 170), 0.0);
    assert_eq!(
        depth.meters().iter().filter(|&&meters| meters > 0.0).count(),
        455_681
    );
    let Media::Array(inertial) = source.read(index, 1).unwrap() else {
        unreachable!()
    };
    assert_eq!(inertial.shape(), [192, 6]);
    // And these from `scipy.io.loadmat`, as `float32`.
    let row = [-0.023438, -0.612061, 0.096191, 140.33588, 234.83969, -56.030533];
    assert_eq!(inertial.values()[600..606], row);
    let Media::Array(skeleton) = source.read(index, 2).unwrap() else {
        unreachable!()
    };
    assert_eq!(skeleton.shape(), [76, 60]);
    assert_eq!(skeleton.values()[2 * 60 + 20 + 3], -0.104_844_466);
}

#[test]
#[cfg(feature = "binary")]
fn a_short_run_trains_on_two_streams() {
    let Some(folder) = folder() else { return };
    let playground = tempfile::tempdir().unwrap();
    let configuration = Path::new(env!("CARGO_MANIFEST_DIR")).join("utd-mhad.toml");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_gblend-inertial"))
        .arg("train")
        .arg(configuration)
        .args([
            "--set",
            "data.actions=[1, 3, 22]",
            "--set",
            "run.epochs=2",
            "--set",
            "run.cache=cache",
        ])
        .current_dir(playground.path())
        .env("GBLEND_DATA", folder.canonicalize().unwrap().parent().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let table = String::from_utf8(output.stdout).unwrap();
    for head in ["depth", "inertial", "joint"] {
        assert!(table.contains(head), "{table}");
    }
}
