//! What feature spaces tell, as tables.

use super::table;
use crate::records::{Against, FeatureSpace, States};

/// Tables of what is read of each modality's features, how they lie beside others, and how modalities find each other.
pub(crate) fn feature_space_tables(space: &FeatureSpace) -> String {
    let alone = space.towers.iter().any(|tower| tower.uniformity.alone.is_some());
    let share = |value: f64| format!("{:.1} %", 100.0 * value);
    let number = |value: f64| format!("{value:.3}");
    let states = |of: &States, written: &dyn Fn(f64) -> String| {
        let mut cells = vec![written(of.trained), written(of.initial)];
        cells.extend(alone.then(|| of.alone.map_or_else(|| "-".to_owned(), written)));
        cells
    };
    let against = |of: &Against, written: &dyn Fn(f64) -> String| {
        let mut cells = vec!["-".to_owned(), written(of.initial)];
        cells.extend(alone.then(|| of.alone.map_or_else(|| "-".to_owned(), written)));
        cells
    };
    let mut rows = Vec::new();
    for tower in &space.towers {
        let mut push = |label: &str, figure: String, cells: Vec<String>| {
            rows.push([vec![tower.name.clone(), label.to_owned(), figure], cells].concat());
        };
        for reading in &tower.labels {
            let knn = format!("{}-NN accuracy", space.neighbors);
            push(&reading.label, knn, states(&reading.knn, &share));
            push(
                &reading.label,
                "linear probe".to_owned(),
                states(&reading.probe, &share),
            );
            push(
                &reading.label,
                "retrieval mAP".to_owned(),
                states(&reading.retrieval, &share),
            );
        }
        let shared = format!("{} neighbors shared", space.neighbors);
        push("", shared, against(&tower.overlap, &share));
        push("", "uniformity".to_owned(), states(&tower.uniformity, &number));
        push(
            "",
            "kernel alignment".to_owned(),
            against(&tower.kernel_alignment, &number),
        );
    }
    let mut header = vec!["features of", "label", "figure", "trained", "initial"];
    header.extend(alone.then_some("trained alone"));
    let mut text = table(&header, 3, rows);
    if !space.pairs.is_empty() {
        let mut rows = Vec::new();
        for pair in &space.pairs {
            for (from, to, recall) in [
                (&pair.from, &pair.to, pair.recall),
                (&pair.to, &pair.from, pair.recall_back),
            ] {
                let found = recall.map(share);
                let lie = [number(pair.gap), number(pair.alignment)];
                rows.push([&[from.clone(), to.clone()], &found[..], &lie[..]].concat());
            }
        }
        let header = [
            "from",
            "to",
            "recall@1",
            "recall@5",
            "recall@10",
            "gap",
            "alignment",
        ];
        text = format!("{text}\n\n{}", table(&header, 2, rows));
    }
    format!(
        "{text}\n\n{} samples. Kernel alignment can move although nothing that features tell does, and stay although it does: go by \
         the others.",
        space.samples
    )
}
