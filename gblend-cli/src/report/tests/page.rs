//! What is on a page.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::records::{Comparison, Difference, LeftOut, Row, Simplex, SimplexPoint, Tuned, TunedPoint};
use crate::report::page;

pub(super) fn of(run: &Run) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("run"), run);
    page(&[folder.path().join("run")]).unwrap()
}

fn row(method: &str, accuracies: &[f64]) -> Row {
    let mean = accuracies.iter().sum::<f64>() / accuracies.len() as f64;
    let single = method.strip_prefix("single:");
    Row {
        method: method.into(),
        modalities: single.map_or_else(|| vec!["camera".into(), "sound".into()], |name| vec![name.into()]),
        fusion: "concat".into(),
        tuned: None,
        tuned_by_fold: Vec::new(),
        tested: Vec::new(),
        seeds: (0..accuracies.len() as u64).collect(),
        test_accuracy: accuracies.to_vec(),
        test_metrics: BTreeMap::new(),
        joint_head: Vec::new(),
        joint_head_ci95: None,
        mean,
        ci95: Some(mean / 10.0),
        parts: None,
        paired_difference_to_best_single: single.is_none().then(|| Difference {
            to: "single:sound".into(),
            mean: mean / 7.0,
            ci95: Some(0.01),
            significant: true,
            parts: None,
            settles: None,
            p: None,
        }),
        paired_difference_to_joint: (method == "ogr").then(|| Difference {
            to: "joint".into(),
            mean: mean / 11.0,
            ci95: Some(0.5),
            significant: false,
            parts: None,
            settles: None,
            p: None,
        }),
        paired_difference_to_equal: (method == "ogr").then(|| Difference {
            to: "equal".into(),
            mean: -mean / 3.0,
            ci95: None,
            significant: false,
            parts: None,
            settles: None,
            p: None,
        }),
        paired_difference_to_equal_joint: None,
        seconds: 2.0,
        runs: (0..accuracies.len())
            .map(|seed| format!("cells/{}/seed-{seed}", method.replace(':', "-")))
            .collect(),
    }
}

pub(super) fn comparison(accuracies: &[f64]) -> Comparison {
    Comparison {
        format: "gblend-compare-1".into(),
        gblend: "0.1.0".into(),
        modalities: vec!["camera".into(), "sound".into()],
        predict: PredictionRule::Joint,
        objective: None,
        test_samples: 100,
        folds: None,
        rows: ["single:camera", "single:sound", "equal", "ogr"]
            .map(|method| row(method, accuracies))
            .into(),
        simplex: None,
        seeds_alone: Vec::new(),
        feature_spaces: Vec::new(),
        other_samples: Vec::new(),
        left_out: vec![LeftOut {
            method: "joint".into(),
            seed: 3,
            problem: "a loss is NaN".into(),
        }],
    }
}

pub(super) fn compared(comparison: &Comparison, runs: &[(&str, &Run)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let json = serde_json::to_string(comparison).unwrap();
    std::fs::write(folder.path().join("compare.json"), json).unwrap();
    for (path, run) in runs {
        write(&folder.path().join(path), run);
    }
    page(&[folder.path().to_owned()]).unwrap()
}

/// The data attributes of every table row that has the first one.
fn data(page: &str, first: &str) -> Vec<BTreeMap<String, String>> {
    let start = format!("<tr {first}=\"");
    let rows = page.split(&start).skip(1);
    rows.map(|row| {
        let tag = format!("{first}=\"{}", row.split('>').next().unwrap());
        let attributes = tag.split("\" ").map(|attribute| attribute.trim_end_matches('"'));
        let pairs = attributes.filter_map(|attribute| attribute.split_once("=\""));
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    })
    .collect()
}

#[test]
fn what_an_estimate_says_against_itself_stands_below_its_chart_once() {
    let mut run = run();
    run.summary.blends.push(estimate(2));
    assert!(!of(&run).contains("With reservations"));
    for blend in &mut run.summary.blends {
        blend.warnings.push("of 2 group(s)".into());
    }
    let page = of(&run);
    assert_eq!(page.matches("With reservations: of 2 group(s).").count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_table_has_the_figures_of_compare_json_to_the_last_bit(
        accuracies in proptest::collection::vec(0.0_f64..=1.0, 1..5),
    ) {
        let comparison = comparison(&accuracies);
        let json = serde_json::to_value(&comparison).unwrap();
        let found = data(&compared(&comparison, &[]), "data-method");
        prop_assert_eq!(found.len(), comparison.rows.len());
        for (found, row) in found.iter().zip(json["rows"].as_array().unwrap()) {
            let number = |name: &str| found.get(name).map(|text| text.parse::<f64>().unwrap());
            prop_assert_eq!(found["data-method"].as_str(), row["method"].as_str().unwrap());
            prop_assert_eq!(number("data-mean"), row["mean"].as_f64());
            prop_assert_eq!(number("data-ci95"), row["ci95"].as_f64());
            prop_assert_eq!(
                number("data-to-best-single"),
                row["paired_difference_to_best_single"]["mean"].as_f64()
            );
            prop_assert_eq!(number("data-to-joint"), row["paired_difference_to_joint"]["mean"].as_f64());
            prop_assert_eq!(number("data-to-equal"), row["paired_difference_to_equal"]["mean"].as_f64());
        }
    }
}

#[test]
fn what_methods_were_tuned_to_stands_beside_them() {
    let mut comparison = comparison(&[0.6, 0.7, 0.8]);
    assert!(!compared(&comparison, &[]).contains("tuned to"));
    let point = |rate: &str| TunedPoint {
        values: vec![rate.to_owned()],
        figures: Some([0.5, 0.0]),
        problem: None,
    };
    comparison.rows[0].tuned = Some(Tuned {
        keys: vec!["optimizer.learning_rate".into()],
        seeds: vec![1_000_000, 1_000_001],
        points: vec![point("0.001"), point("0.0305")],
        chosen: 1,
        at_edge: true,
    });
    let page = compared(&comparison, &[]);
    for part in [
        "tuned to",
        "0.0305 (edge)",
        "optimizer.learning_rate",
        "2 other seeds",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn the_table_of_heads_has_the_figures_of_the_summary() {
    let mut run = run();
    run.summary.heads[1].test_accuracy = Some(0.123_456_789_012_345_68);
    let found = data(&of(&run), "data-head");
    assert_eq!(found.len(), 3);
    for (found, head) in found.iter().zip(&run.summary.heads) {
        assert_eq!(found["data-head"], head.name);
        assert_eq!(found["data-accuracy"].parse().ok(), head.test_accuracy);
        assert_eq!(found["data-weight"].parse::<f64>().unwrap(), head.weight);
    }
}

#[test]
fn every_part_of_a_run_is_there_and_every_chart_has_words_and_a_table() {
    let page = of(&run());
    for title in [
        "What to try next",
        "Accuracy on the test samples",
        "Gain over sound, class by class",
        "Loss curves",
        "Blend weights",
        "What was measured of each head",
        "Confusion matrices",
        "With some of the modalities",
        "Time and memory",
        "The configuration",
    ] {
        assert!(page.contains(title), "{title}");
    }
    let charts = page.matches("role=\"img\"").count();
    assert!(charts >= 12, "{charts}");
    assert_eq!(page.matches("<desc id=").count(), charts);
    assert_eq!(
        page.matches("<figure").count(),
        page.matches("<summary>The figures behind it</summary>").count()
    );
}

#[test]
fn a_page_needs_nothing_else() {
    let page = of(&run());
    for part in [
        "<script",
        "<link",
        "src=",
        "url(",
        "@import",
        "href=\"http",
        "javascript:",
    ] {
        assert!(!page.contains(part), "{part}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn names_are_text_wherever_they_stand() {
    let evil = "<script>alert(1)</script>\"'&\"=\"#050000\"";
    let mut run = run();
    run.summary.strategy = evil.into();
    run.summary.heads[0].name = evil.into();
    run.summary.blends[0].heads[0].name = evil.into();
    run.epochs
        .iter_mut()
        .for_each(|epoch| epoch.heads[0].name = evil.into());
    let test = run.test.as_mut().unwrap();
    test.classes[0] = evil.into();
    test.subsets[0].modalities[0] = evil.into();
    run.config = evil.into();
    let page = of(&run);
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
    // An attribute that a name would have brought in.
    assert!(!page.contains("'&\""), "a quotation mark got through");
}

#[test]
fn the_same_folder_gives_the_same_page() {
    assert_eq!(of(&run()), of(&run()));
}

#[test]
fn a_run_without_validation_samples_says_so() {
    let mut run = run();
    let heads = run.epochs.iter_mut().flat_map(|epoch| &mut epoch.heads);
    heads.for_each(|head| head.validation = None);
    let page = of(&run);
    assert!(page.contains("no gap to show") && page.contains("run.validation"));
}

#[test]
fn several_labels_are_counted_class_by_class_with_their_mean_average_precision() {
    let page = of(&several_labels());
    assert!(page.contains("What was said of each class") && page.contains("mAP"));
    assert!(page.contains("F1 score of each class") && page.contains("mean average precision"));
}

#[test]
fn many_classes_are_a_list_of_confusions_and_not_a_matrix() {
    let mut run = run();
    let test = run.test.as_mut().unwrap();
    test.classes = (0..400).map(|class| format!("class {class}")).collect();
    let matrix: Vec<Vec<u64>> = (0..400)
        .map(|class| {
            (0..400)
                .map(|said| u64::from(class == said || class + said == 7))
                .collect()
        })
        .collect();
    test.prediction.counts = Counts::Matrix(matrix);
    test.heads.clear();
    let page = of(&run);
    assert!(!page.contains("Confusion matrices"));
    assert!(page.contains("said to be") && page.contains("class 7"));
    assert!(page.len() < 400_000, "{}", page.len());
}

#[test]
fn an_older_run_without_details_of_the_test_has_the_rest() {
    let mut run = run();
    run.test = None;
    let page = of(&run);
    assert!(page.contains("no test.json") && page.contains("Loss curves"));
}

#[test]
fn a_comparison_compares_classes_over_the_seeds_that_are_there() {
    let comparison = comparison(&[0.7, 0.8, 0.9]);
    let (mut single, blend) = (run(), run());
    let confusion = &mut single.test.as_mut().unwrap().prediction;
    confusion.counts = Counts::Matrix(vec![vec![20, 30], vec![10, 40]]);
    let page = compared(
        &comparison,
        &[
            ("cells/single-sound/seed-0", &single),
            ("cells/single-sound/seed-2", &single),
            ("cells/ogr/seed-0", &blend),
            ("cells/ogr/seed-1", &blend),
            ("cells/ogr/seed-2", &blend),
        ],
    );
    assert!(page.contains("Means over 2 seed(s)"));
    // 40 of 50 less 20 of 50.
    assert!(page.contains("+40.0") && page.contains("seed 0"));
    assert!(page.contains("better") && page.contains("a loss is NaN"));
}

#[test]
fn three_heads_are_a_triangle_two_a_line_and_more_a_table() {
    for heads in 2..=4_usize {
        let mut comparison = comparison(&[0.7, 0.8]);
        let corner = |k: usize| {
            (0..heads)
                .map(|head| f64::from(u8::from(head == k)))
                .collect::<Vec<f64>>()
        };
        let point = |k: usize| SimplexPoint {
            weights: corner(k),
            test_accuracy: vec![0.5],
            test_metrics: BTreeMap::new(),
            mean: 0.5 + k as f64 / 10.0,
        };
        comparison.simplex = Some(Simplex {
            heads: (0..heads).map(|head| format!("head{head}")).collect(),
            steps: 1,
            points: (0..heads).map(point).collect(),
            estimate: point(0),
            regret: Difference {
                to: "ogr".into(),
                mean: 0.1,
                ci95: None,
                significant: false,
                parts: None,
                settles: None,
                p: None,
            },
        });
        let page = compared(&comparison, &[]);
        let figure = page.split("Accuracy over all blend weights</h4>").nth(1).unwrap();
        let figure = figure.split("</figure>").next().unwrap();
        assert_eq!(figure.contains("role=\"img\""), heads < 4, "{heads}");
        assert!(figure.contains("weight of head1"), "{heads}");
    }
}

#[test]
fn several_runs_stand_side_by_side_before_each_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folders = ["first", "second"].map(|name| folder.path().join(name));
    folders.iter().for_each(|folder| write(folder, &run()));
    let page = page(&folders).unwrap();
    let runs = data(&page, "data-run");
    assert_eq!(runs.len(), 2);
    assert!(page.find("Side by side").unwrap() < page.find("Run first</h2>").unwrap());
    assert!(page.contains("Run second</h2>"));
    // Text alternatives are referred to by name: no two alike.
    let ids: Vec<&str> = page
        .split(" id=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    let unique: std::collections::BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len());
}

#[test]
fn probabilities_stand_beside_how_often_they_came_true() {
    let page = of(&run());
    assert!(page.contains("Can probabilities be taken at their word?"));
    assert!(page.contains("joint 6.25"), "the error in points");
    assert!(page.contains("<td class=\"number\">82.5 %</td>"));
    let mut older = run();
    if let Some(test) = &mut older.test {
        test.calibration.clear();
    }
    assert!(!of(&older).contains("taken at their word"));
}
