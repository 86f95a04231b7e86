//! What the feature spaces of cells tell, method by method.

use gblend_core::MetricKind;

use super::measured::Done;
use super::method::Method;
use super::plan::Plan;
use crate::records::{Estimate, FeatureSpace, Measured, SpaceRow, difference, estimate};

/// A figure of a feature space: the modality, the label, and what it is called.
type Figure = ((String, String, String), f64);

/// The figures of every method that has some, each with its difference to matching alone, seed by seed.
pub(super) fn rows(plan: &Plan, results: &[Option<Done>]) -> Vec<SpaceRow> {
    let of_entry = |entry: usize| {
        let cells = plan
            .cells
            .iter()
            .zip(results)
            .filter(move |(cell, _)| cell.entry == entry);
        let spaces = cells.filter_map(|(cell, done)| Some((cell.seed, done.as_ref()?)));
        let spaces = spaces.filter_map(|(seed, done)| Some((seed, done, done.feature_space.as_ref()?)));
        spaces
            .map(|(seed, done, space)| {
                let weight = plan.tested_on().weight(done.test_samples);
                (seed, weight, figures(space))
            })
            .collect::<Vec<_>>()
    };
    let joint = plan
        .entries
        .iter()
        .position(|entry| matches!(entry.method, Method::Joint));
    let base = joint.map(of_entry).unwrap_or_default();
    let value = |figures: &[Figure], key: &(String, String, String)| {
        figures
            .iter()
            .find(|(other, _)| other == key)
            .map(|(_, value)| *value)
    };
    let mut rows = Vec::new();
    let methods = plan.entries.iter().enumerate();
    for (entry, of) in methods.filter(|(_, of)| !matches!(of.method, Method::Fixed(_))) {
        let spaces = of_entry(entry);
        let Some((.., first)) = spaces.first() else {
            continue;
        };
        for (key, _) in first {
            let measured = |weight: f64, figure: f64| Measured {
                weight,
                ..Measured::from(figure)
            };
            let own = spaces
                .iter()
                .filter_map(|(_, weight, figures)| Some(measured(*weight, value(figures, key)?)));
            let own: Vec<Measured<'_>> = own.collect();
            let pairs = spaces.iter().filter_map(|(seed, weight, figures)| {
                let (.., other) = base.iter().find(|(of, ..)| of == seed)?;
                Some((
                    measured(*weight, value(figures, key)?),
                    measured(*weight, value(other, key)?),
                ))
            });
            let kind = MetricKind::share("share", "share");
            let other = joint.filter(|&joint| joint != entry);
            let Estimate { mean, ci95, .. } = estimate(&own, &kind);
            rows.push(SpaceRow {
                method: of.method.name(),
                tower: key.0.clone(),
                label: key.1.clone(),
                figure: key.2.clone(),
                mean,
                ci95,
                paired_difference_to_joint: other
                    .and_then(|_| difference("joint", pairs, &kind, plan.tested_on())),
                values: own.iter().map(|one| one.figure).collect(),
            });
        }
    }
    rows
}

fn figures(space: &FeatureSpace) -> Vec<Figure> {
    let mut figures = Vec::new();
    for tower in &space.towers {
        for reading in &tower.labels {
            for (figure, states) in [
                ("knn", reading.knn),
                ("probe", reading.probe),
                ("retrieval", reading.retrieval),
            ] {
                let key = (tower.name.clone(), reading.label.clone(), figure.to_owned());
                figures.push((key, states.trained));
            }
        }
    }
    for pair in &space.pairs {
        for (from, to, recall) in [
            (&pair.from, &pair.to, pair.recall),
            (&pair.to, &pair.from, pair.recall_back),
        ] {
            let key = (format!("{from} to {to}"), String::new(), "recall_at_1".to_owned());
            figures.push((key, recall[0]));
        }
    }
    figures
}
