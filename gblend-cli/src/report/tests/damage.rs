//! Folders that are not what they should be.

use proptest::prelude::*;

use super::*;
use crate::error::Error;
use crate::report::page;

/// What reading the folder of a changed run complains about.
fn refused(change: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &run());
    page(&[folder.path().to_owned()]).unwrap();
    change(folder.path());
    let error = page(&[folder.path().to_owned()]).unwrap_err();
    assert!(
        matches!(error, Error::Run { .. } | Error::Read { .. }),
        "{error:?}"
    );
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

#[test]
fn a_run_that_did_not_end_says_so() {
    let error = refused(|folder| std::fs::remove_file(folder.join("summary.json")).unwrap());
    assert!(error.contains("did not end"), "{error}");
}

#[test]
fn a_folder_of_something_else_says_so() {
    let error = refused(|folder| std::fs::remove_file(folder.join("config.toml")).unwrap());
    assert!(error.contains("no folder that `gblend train`"), "{error}");
}

#[test]
fn a_damaged_file_is_named_with_its_line() {
    let error = refused(|folder| std::fs::write(folder.join("metrics.jsonl"), "{}\n").unwrap());
    assert!(error.contains("metrics.jsonl, line 1"), "{error}");
    let error = refused(|folder| std::fs::write(folder.join("test.json"), "{\"classes\": 3}").unwrap());
    assert!(error.contains("test.json"), "{error}");
}

#[test]
fn counts_that_are_not_those_of_the_classes_are_refused() {
    let change = |counts: Counts| {
        refused(|folder| {
            let mut run = run();
            run.test.as_mut().unwrap().heads[0].counts = counts;
            write(folder, &run);
        })
    };
    for counts in [
        Counts::Matrix(vec![vec![1, 2]]),
        Counts::Matrix(vec![vec![1], vec![2]]),
        Counts::Matrix(vec![vec![u64::MAX, 1], vec![0, 0]]),
        Counts::PerClass(Vec::new()),
    ] {
        let error = change(counts);
        assert!(error.contains("counts of `camera`"), "{error}");
    }
}

#[test]
fn advice_of_another_format_or_number_of_heads_is_refused() {
    let write = |format: &str, values: &[f64]| {
        let advice = Advice::default().with_figures("log variance s", values);
        let json = serde_json::json!({ "format": format, "strategy": "ogr", "advice": advice });
        refused(|folder| std::fs::write(folder.join("advice.json"), json.to_string()).unwrap())
    };
    let error = write("gblend-advice-9", &[]);
    assert!(error.contains("gblend-advice-9"), "{error}");
    let error = write("gblend-advice-1", &[1.0; 4]);
    assert!(error.contains("`log variance s` has 4 figures"), "{error}");
}

#[test]
fn a_comparison_does_not_lead_out_of_its_folder() {
    for run in ["/etc", "../other", "cells/../../other"] {
        let json = serde_json::json!({
            "format": "gblend-compare-1", "gblend": "0.1.0", "modalities": ["a"], "predict": "joint",
            "test_samples": 1, "rows": [{
                "method": "joint", "modalities": ["a"], "fusion": "concat", "seeds": [0], "test_accuracy": [0.5],
                "mean": 0.5, "seconds": 1.0, "runs": [run],
            }],
        });
        let error = refused(|folder| std::fs::write(folder.join("compare.json"), json.to_string()).unwrap());
        assert!(error.contains("not in the comparison's folder"), "{error}");
    }
}

#[test]
fn a_comparison_of_another_format_is_refused() {
    let json = serde_json::json!({
        "format": "gblend-compare-9", "gblend": "9.0.0", "modalities": [], "predict": "joint", "test_samples": 1,
        "rows": [],
    });
    let error = refused(|folder| std::fs::write(folder.join("compare.json"), json.to_string()).unwrap());
    assert!(error.contains("gblend-compare-9"), "{error}");
}

#[test]
fn a_comparison_that_contradicts_itself_is_refused() {
    let json = serde_json::json!({
        "format": "gblend-compare-1", "gblend": "0.1.0", "modalities": ["a"], "predict": "joint", "test_samples": 1,
        "rows": [{
            "method": "joint", "modalities": ["a"], "fusion": "concat", "seeds": [0, 1], "test_accuracy": [0.5],
            "mean": 0.5, "seconds": 1.0, "runs": ["x"],
        }],
    });
    let error = refused(|folder| std::fs::write(folder.join("compare.json"), json.to_string()).unwrap());
    assert!(error.contains("2 seeds, 1 figures"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_figures_a_file_has_there_is_a_page(
        figures in proptest::collection::vec(
            prop_oneof![Just(0.0), Just(-1.0), Just(1e300), Just(-1e300), Just(1e-300), -10.0_f64..10.0],
            8,
        ),
        epochs in 0_usize..5,
        epoch in prop_oneof![Just(1_usize), Just(usize::MAX - 5)],
    ) {
        let mut run = run();
        run.epochs.truncate(epochs);
        for (index, one) in run.epochs.iter_mut().enumerate() {
            one.epoch = epoch + index;
            one.heads[0].weight = figures[0];
            one.heads[1].train.as_mut().unwrap().loss = figures[1];
        }
        run.summary.heads[0].test_accuracy = Some(figures[2]);
        run.summary.heads[1].weight = figures[3];
        run.summary.seconds.train = figures[4];
        run.summary.seconds.total = figures[5];
        let head = &mut run.summary.blends[0].heads[0];
        head.delta_g = figures[6];
        head.ogr = Some(figures[7]);
        run.summary.blends.push(estimate(epoch));
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &run);
        let page = page(&[folder.path().to_owned()]);
        prop_assert!(page.is_ok(), "{:?}", page.err());
    }

    #[test]
    fn a_file_with_changed_bytes_is_a_page_or_an_error(
        file in 0_usize..4,
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &run());
        let path = folder.path().join(["summary.json", "test.json", "metrics.jsonl", "advice.json"][file]);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        std::fs::write(&path, bytes).unwrap();
        if let Err(error) = page(&[folder.path().to_owned()]) {
            prop_assert_eq!(error.exit_code(), 2);
        }
    }
}
