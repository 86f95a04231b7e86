//! What features tell, and what is near to what.

use super::page::{compared, comparison, of};
use super::*;
use crate::error::Error;
use crate::records::{
    Against, Difference, FeatureSpace, LabelReading, NeighborSample, Neighborhood, PairSpace, Shown,
    SpaceRow, States, TowerNeighbors, TowerSpace,
};
use crate::report;

fn states(trained: f64, initial: f64) -> States {
    States {
        trained,
        initial,
        alone: None,
    }
}

fn space() -> FeatureSpace {
    let tower = |name: &str, knn: f64| TowerSpace {
        name: name.to_owned(),
        samples: 100,
        labels: vec![LabelReading {
            label: "look".to_owned(),
            classes: 4,
            samples: 100,
            knn: states(knn, 0.25),
            probe: states(0.7, 0.375),
            retrieval: states(0.5, 0.125),
        }],
        overlap: Against {
            initial: 0.3125,
            alone: None,
        },
        kernel_alignment: Against {
            initial: 0.625,
            alone: None,
        },
        uniformity: states(-2.5, -0.75),
    };
    FeatureSpace {
        samples: 100,
        neighbors: 5,
        towers: vec![tower("camera", 0.8125), tower("caption", 0.4375)],
        pairs: vec![PairSpace {
            from: "camera".to_owned(),
            to: "caption".to_owned(),
            samples: 100,
            recall: [0.1875, 0.5, 0.875],
            recall_back: [0.0625, 0.5, 0.875],
            gap: 0.456,
            alignment: 0.789,
        }],
    }
}

/// Three samples: what was near to the first has another look, what is near has its own.
fn neighbors() -> Neighbors {
    let sample = |id: &str, look: Option<&str>, text: &str| NeighborSample {
        id: id.to_owned(),
        labels: vec![look.map(str::to_owned)],
        shown: vec![
            Some(Shown::Picture("iVBORw==".to_owned())),
            Some(Shown::Text(text.to_owned())),
        ],
    };
    let queries = vec![Neighborhood {
        sample: 0,
        initial: vec![1],
        trained: vec![2],
    }];
    let tower = |name: &str| TowerNeighbors {
        name: name.to_owned(),
        queries: queries.clone(),
    };
    Neighbors::new(
        100,
        vec!["look".to_owned()],
        vec![
            sample("one", Some("ball"), "a red thing"),
            sample("two", None, "a blue thing"),
            sample("three", Some("ball"), "a round thing"),
        ],
        vec![tower("camera"), tower("caption")],
    )
}

fn looked_at() -> Run {
    let mut run = run();
    run.summary.feature_space = Some(space());
    run.neighbors = Some(neighbors());
    run
}

#[test]
fn every_label_of_every_tower_has_a_drawing_with_words_and_a_row_with_its_figures() {
    let page = of(&looked_at());
    for part in [
        "What features tell",
        "camera: look",
        "caption: look",
        "25.0 → 81.2 %",
        "25.0 → 43.8 %",
        "camera to caption",
        "recall@1 18.8 %",
        "recall@1 6.2 %",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // Every figure of how spaces lie has its sentence.
    for part in [
        "−2.50",
        "31.2 %",
        "0.625",
        "0.456",
        "0.789",
        "Uniformity",
        "The gap",
        "Alignment",
        "Kernel alignment",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("as trained alone"));
    let charts = page.matches("role=\"img\"").count();
    assert_eq!(page.matches("<desc id=").count(), charts);
}

#[test]
fn a_tower_that_was_trained_alone_stands_beside_the_others() {
    let mut run = looked_at();
    let space = run.summary.feature_space.as_mut().unwrap();
    space.towers[0].labels[0].knn.alone = Some(0.9375);
    space.towers[0].overlap.alone = Some(0.28125);
    let page = of(&run);
    for part in ["as trained alone", "93.8 %", "28.1 %"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn neighbors_are_seen_before_and_after_and_what_they_share_is_marked() {
    let page = of(&looked_at());
    assert_eq!(page.matches("data:image/png;base64,iVBORw==").count(), 3);
    assert!(page.contains("img-src data:"));
    for part in [
        "as training began",
        "a blue thing",
        "a round thing",
        "look (ball) 0 → 1",
        "<strong>✓ ball</strong>",
        "alt=\"three: ball\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // Every picture has words, and nothing else is fetched.
    assert_eq!(page.matches("<img ").count(), page.matches(" alt=\"").count());
    assert!(!page.contains("://"), "a page that asks for something");
}

#[test]
fn names_of_neighbors_are_text_wherever_they_stand() {
    let evil = "<script>alert(1)</script>\" onerror=\"x";
    let mut run = looked_at();
    let neighbors = run.neighbors.as_mut().unwrap();
    neighbors.labels[0] = evil.into();
    for sample in &mut neighbors.samples {
        sample.id = evil.into();
        sample.labels[0] = Some(evil.into());
        sample.shown = vec![Some(Shown::Picture(evil.into())), Some(Shown::Text(evil.into()))];
    }
    let page = of(&run);
    assert!(!page.contains("<script") && !page.contains("\" onerror"));
}

#[test]
fn a_run_whose_pictures_were_taken_away_has_the_rest() {
    let mut run = looked_at();
    run.neighbors = None;
    let page = of(&run);
    assert!(page.contains("no neighbors.json") && page.contains("camera: look"));
    run.summary.feature_space = None;
    assert!(!of(&run).contains("What features tell"));
}

#[test]
fn neighbors_that_contradict_themselves_are_refused() {
    let refused = |change: &dyn Fn(&mut Neighbors)| {
        let mut run = looked_at();
        change(run.neighbors.as_mut().unwrap());
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &run);
        let error = report::page(&[folder.path().to_owned()]).unwrap_err();
        assert!(matches!(error, Error::Run { .. }), "{error:?}");
        error.to_string()
    };
    let error = refused(&|neighbors| neighbors.format = "gblend-neighbors-9".into());
    assert!(error.contains("gblend-neighbors-9"), "{error}");
    let error = refused(&|neighbors| neighbors.towers[1].queries[0].trained[0] = 3);
    assert!(error.contains("sample 3 of 3"), "{error}");
    let error = refused(&|neighbors| neighbors.samples[2].labels.clear());
    assert!(error.contains("`three` has 0 labels"), "{error}");
    let error = refused(&|neighbors| neighbors.samples[1].shown.truncate(1));
    assert!(error.contains("`two`"), "{error}");
}

#[test]
fn a_comparison_draws_methods_and_their_differences_to_matching_alone() {
    let mut comparison = comparison(&[0.7, 0.8]);
    let row = |method: &str, figure: &str, mean: f64, difference: Option<(f64, bool)>| SpaceRow {
        method: method.to_owned(),
        tower: "camera".to_owned(),
        label: "look".to_owned(),
        figure: figure.to_owned(),
        values: vec![mean - 0.0625, mean + 0.0625],
        mean,
        ci95: Some(0.03125),
        paired_difference_to_joint: difference.map(|(mean, significant)| Difference {
            to: "joint".into(),
            mean,
            ci95: Some(0.015625),
            significant,
            parts: None,
            settles: None,
            p: None,
        }),
    };
    comparison.feature_spaces = vec![
        row("joint", "knn", 0.625, None),
        row("equal", "knn", 0.75, Some((0.125, true))),
        row("joint", "probe", 0.5, None),
        row("equal", "probe", 0.4375, Some((-0.0625, false))),
    ];
    let page = compared(&comparison, &[]);
    for part in [
        "Beside matching alone",
        "camera: look, nearest neighbors",
        "camera: look, linear probe",
        "equal +12.5 ± 1.6 *",
        "equal −6.2 ± 1.6",
        "62.5 ± 3.1 %",
        "56.2 %, 68.8 %",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for row in &mut comparison.feature_spaces {
        row.paired_difference_to_joint = None;
    }
    let page = compared(&comparison, &[]);
    assert!(!page.contains("Beside matching alone") && page.contains("camera: look, linear probe"));
}
