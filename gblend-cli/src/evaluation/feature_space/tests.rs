//! What is read out of features, held against scikit-learn (`xtask/peers/feature_space.py`).
#![allow(clippy::unwrap_used)]
use super::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Stored {
    neighbors: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    width: usize,
    features: Vec<f32>,
    other: Vec<f32>,
    labels: Vec<u32>,
    numbers: Vec<u64>,
    knn: Vec<bool>,
    probe: Vec<bool>,
    retrieval: f64,
    recall: [f64; 3],
}

#[test]
fn neighbors_probes_retrieval_and_recall_are_those_of_scikit_learn() {
    let stored: Stored =
        serde_json::from_str(include_str!("../../../tests/fixtures/feature_space.json")).unwrap();
    for case in stored.cases {
        let features = Vectors::new(&case.features, case.width);
        let other = Vectors::new(&case.other, case.width);
        let half = case.labels.len() / 2;
        let parts = [0..half, half..case.labels.len()].map(|part| part.collect::<Vec<usize>>());
        let [known, judged] = parts.each_ref().map(|part| features.select(part));
        let (of_known, of_judged) = case.labels.split_at(half);
        let knn = neighbors::knn_right((&known, of_known), (&judged, of_judged), stored.neighbors);
        assert_eq!(knn, case.knn);
        assert_eq!(
            probe::probe_right((&known, of_known), (&judged, of_judged)),
            case.probe
        );
        let retrieval = neighbors::mean_average_precision(&features, &case.labels).unwrap();
        assert!(
            (retrieval - case.retrieval).abs() < 1e-12,
            "{retrieval} {}",
            case.retrieval
        );
        let recall = neighbors::recall(&features, &other, &case.numbers, FIRST);
        for (found, expected) in recall.iter().zip(case.recall) {
            assert!((found - expected).abs() < 1e-12, "{recall:?} {:?}", case.recall);
        }
    }
}

/// Eight samples of two modalities; the features of the first tell the label.
fn towers() -> Vec<Tower> {
    let told: Vec<f32> = (0..8)
        .flat_map(|sample| [1.0, if sample % 2 == 0 { 1.0 } else { -1.0 }])
        .collect();
    let untold: Vec<f32> = (0..8).flat_map(|sample| [1.0, (sample / 2) as f32]).collect();
    let tower = |name: &str, trained: &[f32], initial: &[f32]| Tower {
        name: name.to_owned(),
        samples: (0..8).collect(),
        trained: Vectors::new(trained, 2),
        initial: Vectors::new(initial, 2),
        alone: None,
        projections: Some(Vectors::new(trained, 2)),
    };
    vec![tower("a", &told, &untold), tower("b", &untold, &untold)]
}

fn measured(labels: &[ReadLabel]) -> Result<FeatureSpace> {
    let spaces = Spaces {
        samples: 8,
        identities: None,
        labels,
        towers: &towers(),
        neighbors: 1,
    };
    spaces.measure()
}

#[test]
fn what_features_tell_is_read_of_the_state_that_tells_it() {
    let parity = ReadLabel {
        name: "parity".to_owned(),
        of_samples: (0..8).map(|sample| Some(sample % 2)).collect(),
    };
    let space = measured(&[parity]).unwrap();
    let reading = &space.towers[0].labels[0];
    assert_eq!(
        (
            reading.knn.trained,
            reading.probe.trained,
            reading.retrieval.trained
        ),
        (1.0, 1.0, 1.0)
    );
    assert!(reading.retrieval.initial < 1.0 && reading.knn.alone.is_none());
    assert_eq!(
        (space.towers[1].overlap.initial, space.towers[1].labels[0].classes),
        (1.0, 2)
    );
    assert!((space.towers[1].kernel_alignment.initial - 1.0).abs() < 1e-12);
    assert_eq!(space.pairs.len(), 1);
}

#[test]
fn a_label_of_one_class_is_refused() {
    for of_samples in [vec![Some(0); 8], vec![None; 8]] {
        let label = ReadLabel {
            name: "color".to_owned(),
            of_samples,
        };
        let error = measured(&[label]).unwrap_err().to_string();
        assert!(error.contains("`color`"), "{error}");
    }
}

#[test]
fn neighbors_are_told_of_samples_that_are_spread_evenly_and_of_no_sample_itself() {
    let towers = towers();
    let found = towers[0].nearest_others(3, 2);
    // In the middle of thirds of eight.
    let asked: Vec<usize> = found.iter().map(|found| found.sample).collect();
    assert_eq!(asked, [1, 4, 6]);
    for near in &found {
        // As trained, the nearest have the same parity; as training began, the same half of it.
        assert!(near.trained.iter().all(|other| (other + near.sample) % 2 == 0));
        assert_eq!(near.initial[0], near.sample ^ 1);
        assert!(!near.trained.contains(&near.sample) && near.trained.len() == 2);
    }
    assert_eq!(towers[0].nearest_others(20, 2).len(), 8);
    assert!(towers[0].nearest_others(0, 2).is_empty());
}
