//! What modalities fit to the training samples, and to no other.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use gblend_cli::config::{Config, Override};
use gblend_cli::data::{Evaluable, SampleIndex, Splits};
use gblend_cli::progress::Reporter;
use gblend_cli::training::session::{Session, with_threads};
use gblend_core::Fitted;

const SAMPLES: usize = 600;
const COLUMNS: usize = 5;

/// Validation and held-out samples are drawn by the run's seed.
const CONFIG: &str = r#"
[run]
validation = 0.2

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
split = "split"
streams.table = { path = "{id}.npy", media = "array" }

[modality.table]
kind = "vector"
categorical = [4]

[blend]
kind = "ogr"
held_out = 0.2
"#;

/// A `.npy` file of one axis.
fn npy(values: &[f32]) -> Vec<u8> {
    let header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}\n",
        values.len()
    );
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    bytes
}

/// Numbers of very different sizes, a gap here and there, and a category.
fn row(sample: usize, column: usize) -> f32 {
    let number = (sample * 7919 + column * 104_729) % 1009;
    match column {
        4 => (sample % 3) as f32,
        _ if number.is_multiple_of(29) => f32::NAN,
        _ => (number as f32 - 500.0) * 10_f32.powi(2 * column as i32 - 3) + 1e4,
    }
}

fn write_sample(folder: &Path, sample: usize, value: impl Fn(usize) -> f32) {
    let values: Vec<f32> = (0..COLUMNS).map(value).collect();
    std::fs::write(folder.join(format!("s{sample}.npy")), npy(&values)).unwrap();
}

fn write_dataset(folder: &Path) {
    let mut table = String::from("id,label,split\n");
    for sample in 0..SAMPLES {
        let split = if sample % 5 == 0 { "test" } else { "train" };
        table.push_str(&format!("s{sample},{},{split}\n", sample % 2));
        write_sample(folder, sample, |column| row(sample, column));
    }
    std::fs::write(folder.join("table.csv"), table).unwrap();
}

/// What is fitted, and the splits, with this seed and this folder for the cache.
fn fit(folder: &Path, cache: &str, seed: u64, threads: usize) -> (Vec<Fitted>, Splits) {
    let overrides: Vec<Override> = vec![
        format!("run.cache={}", folder.join(cache).display())
            .parse()
            .unwrap(),
        format!("run.seed={seed}").parse().unwrap(),
    ];
    let config = Config::parse("fit", CONFIG, folder.to_owned(), &overrides).unwrap();
    with_threads(threads, || {
        let (session, splits) = Session::open(&config, &Reporter::new(true))?;
        Ok((session.fitted, splits))
    })
    .unwrap()
}

fn text(fitted: &[Fitted]) -> String {
    serde_json::to_string(fitted).unwrap()
}

#[test]
fn held_out_validation_and_test_samples_change_no_bit_of_what_is_fitted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_dataset(folder);
    let (before, splits) = fit(folder, "cache", 1, 2);
    let train: BTreeSet<SampleIndex> = splits.train.samples().iter().copied().collect();
    assert!(!splits.held_out.samples().is_empty() && !splits.validation.samples().is_empty());
    for sample in (0..SAMPLES).filter(|&sample| !train.contains(&(sample as SampleIndex))) {
        write_sample(folder, sample, |column| if column == 4 { 77.0 } else { -1e9 });
    }
    let (after, same_splits) = fit(folder, "cache", 1, 2);
    assert_eq!(splits, same_splits);
    assert_eq!(text(&after), text(&before));
    // One sample of the training split would have been seen.
    let seen = *splits.train.samples().first().unwrap() as usize;
    write_sample(folder, seen, |column| row(seen, column) + 1.0);
    assert_ne!(text(&fit(folder, "cache", 1, 2).0), text(&before));
}

#[test]
fn splits_that_share_a_cache_fit_what_they_fit_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_dataset(folder);
    let shared: Vec<String> = (1..4)
        .map(|seed| text(&fit(folder, "shared", seed, 2).0))
        .collect();
    let alone: Vec<String> = (1..4)
        .map(|seed| text(&fit(folder, &format!("alone-{seed}"), seed, 2).0))
        .collect();
    assert_eq!(shared, alone);
    // Other splits have other figures, so that one taken for another would be found.
    assert_eq!(alone.iter().collect::<BTreeSet<_>>().len(), 3);
}

#[test]
fn what_is_fitted_is_the_same_at_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_dataset(folder);
    let one = text(&fit(folder, "one", 1, 1).0);
    for threads in [2, 3] {
        assert_eq!(text(&fit(folder, &format!("{threads}"), 1, threads).0), one);
    }
}
