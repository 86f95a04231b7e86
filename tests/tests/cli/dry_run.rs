//! What a run would do, without it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::playground;

/// Every file and folder below a folder.
fn all_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all_below(&path));
        }
        found.insert(path);
    }
    found
}

#[test]
fn a_dry_run_tells_what_training_would_do_and_writes_nothing() {
    let p = playground();
    let before = all_below(&p.path(""));
    let ogr = ["--set", "blend.kind=ogr", "--set", "blend.probe_epochs=3"];
    let validated = [
        "--set",
        "run.validation=0.25",
        "--set",
        "optimizer.schedule={ kind = \"cosine\" }",
    ];
    let told = p.succeed(
        &[
            &["train", "tiny.toml", "--quiet", "--dry-run"],
            &ogr[..],
            &validated,
        ]
        .concat(),
    );
    for part in [
        "40 test",
        "parameters of the parts: camera ",
        "microphone ",
        "joint ",
        "training: 2 epochs of ",
        "blend `ogr`",
        "the schedule cosine",
        "probes, the first before epoch 1: 4 networks train for up to 3 epochs",
        "validation samples say is best",
        "test: 40 samples",
        "run folder: runs/tiny-1, which is not there yet",
        "nothing was written",
    ] {
        assert!(told.contains(part), "`{part}` is not in: {told}");
    }
    assert_eq!(all_below(&p.path("")), before);
    // The parameters are those of the model.
    let parts = told
        .lines()
        .find_map(|line| line.strip_prefix("parameters of the parts: "));
    let sizes = parts
        .unwrap()
        .split(", ")
        .map(|part| part.rsplit(' ').next().unwrap());
    let sum: usize = sizes.map(|size| size.parse::<usize>().unwrap()).sum();
    assert!(told.contains(&format!("\nparameters: {sum}\n")), "{told}");
}

#[test]
fn a_dry_run_is_refused_where_training_would_be() {
    let p = playground();
    for (arguments, part) in [
        (&["--set", "data.train_samples=0"][..], "train_samples"),
        (&["--set", "blend.kind=nothing"], "nothing"),
        (&["--out", "full"], "is not empty"),
        (&["--resume", "runs/x"], "--resume"),
    ] {
        p.write("full/a.txt", "here first");
        p.refuse_after_run(&[&["train", "tiny.toml", "--dry-run"], arguments].concat(), part);
        assert!(!p.path("runs").exists(), "{arguments:?}");
    }
}
