//! What the features of modalities tell.

use gblend_core::MetricKind;
use maud::{Markup, html};

use super::figure::table;
use crate::records::{Comparison, FeatureSpace, FigureDifference, SpaceRow, States};
use crate::report::charts::Table;

fn share(value: f64) -> String {
    format!("{:.1} %", 100.0 * value)
}

/// Of one run: every label, and how modalities find each other.
pub(super) fn of_run(space: &FeatureSpace) -> Markup {
    let mut read = Table::new(3, &["features of", "label", "read by", "trained", "initial"]);
    for tower in &space.towers {
        for reading in &tower.labels {
            let knn = format!("{} nearest neighbors", space.neighbors);
            let figures: [(String, States); 3] = [
                (knn, reading.knn),
                ("linear probe".to_owned(), reading.probe),
                ("retrieval, mAP".to_owned(), reading.retrieval),
            ];
            for (figure, states) in figures {
                let cells = [share(states.trained), share(states.initial)];
                let about = [tower.name.clone(), reading.label.clone(), figure];
                read.rows.push(about.into_iter().chain(cells).collect());
            }
        }
    }
    let mut found = Table::new(2, &["from", "to", "recall@1", "recall@5", "recall@10", "gap"]);
    for pair in &space.pairs {
        for (from, to, recall) in [
            (&pair.from, &pair.to, pair.recall),
            (&pair.to, &pair.from, pair.recall_back),
        ] {
            let cells = recall.map(share).into_iter().chain([format!("{:.3}", pair.gap)]);
            found
                .rows
                .push([from.clone(), to.clone()].into_iter().chain(cells).collect());
        }
    }
    html! {
        h3 { "What features tell" }
        p.note {
            "Labels that no head was asked for, read out of the features of " (space.samples) " test samples as trained and as training \
             began. What fell is what the encoder has forgotten."
        }
        @if !read.rows.is_empty() { (table(&read)) }
        @if !found.rows.is_empty() { (table(&found)) }
    }
}

/// Of a comparison: each method, beside matching alone.
pub(super) fn of_comparison(comparison: &Comparison) -> Markup {
    let kind = MetricKind::share("share", "share");
    let mut rows: Vec<&SpaceRow> = comparison.feature_spaces.iter().collect();
    rows.sort_by(|a, b| (&a.tower, &a.label, &a.figure).cmp(&(&b.tower, &b.label, &b.figure)));
    let mut told = Table::new(
        4,
        &["features of", "label", "read by", "method", "test", "− joint"],
    );
    for row in rows {
        let figure = match row.figure.as_str() {
            "knn" => "nearest neighbors",
            "probe" => "linear probe",
            "retrieval" => "retrieval, mAP",
            _ => "recall@1",
        };
        let mean = match row.ci95 {
            Some(ci95) => format!("{} ± {:.1}", share(row.mean), 100.0 * ci95),
            None => share(row.mean),
        };
        let difference = row
            .paired_difference_to_joint
            .as_ref()
            .map_or_else(String::new, |difference| {
                let mark = if difference.significant { " *" } else { "" };
                let told = FigureDifference::new(difference.mean, &kind);
                match difference.ci95 {
                    Some(ci95) => format!("{} ± {}{mark}", told.signed(), told.width(ci95)),
                    None => told.signed(),
                }
            });
        let about = [&row.tower, &row.label].map(Clone::clone);
        let cells = [figure.to_owned(), row.method.clone(), mean, difference];
        told.rows.push(about.into_iter().chain(cells).collect());
    }
    html! {
        @if !told.rows.is_empty() {
            h3 { "What features tell" }
            p.note {
                "Labels that no head was asked for, read out of the features, and how modalities find each other; differences to matching \
                 alone, seed by seed, in points; * the interval leaves out 0."
            }
            (table(&told))
        }
    }
}
