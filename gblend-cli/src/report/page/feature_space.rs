//! What the features of modalities tell.

use maud::{Markup, html};

use super::figure::{Names, figure, table};
use super::neighbors;
use crate::error::Result;
use crate::records::{Comparison, FeatureSpace};
use crate::report::charts::{
    Table, figure as written, labels_read, percent, recall, spaces_beside_joint, spaces_of_methods,
};
use crate::report::reading::Run;

/// Of one run: what features tell of labels, how modalities find each other and how spaces lie, and what is near to what.
pub(super) fn of_run(names: &mut Names, run: &Run) -> Result<Markup> {
    let Some(space) = &run.summary.feature_space else {
        return Ok(html! {});
    };
    Ok(html! {
        h3 { "What features tell" }
        @if let Some(chart) = labels_read(space)? { (figure(names, &chart)) }
        @if let Some(chart) = recall(space)? { (figure(names, &chart)) }
        (how_spaces_lie(space))
        @match &run.neighbors {
            Some(found) => (neighbors::section(found)),
            None => p.note { "The run folder has no neighbors.json: an older gblend wrote it, or it was taken away." },
        }
    })
}

fn how_spaces_lie(space: &FeatureSpace) -> Markup {
    let or_dash =
        |value: Option<f64>, text: &dyn Fn(f64) -> String| value.map_or_else(|| "–".to_owned(), text);
    let has_alone = space.towers.iter().any(|tower| tower.overlap.alone.is_some());
    let mut columns = vec![
        "features of",
        "uniformity as trained",
        "as training began",
        "neighbors shared with the beginning",
        "kernel alignment with the beginning",
    ];
    if has_alone {
        columns.extend([
            "uniformity as trained alone",
            "neighbors shared with that",
            "kernel alignment with that",
        ]);
    }
    let mut within = Table::new(1, &columns);
    for tower in &space.towers {
        let mut row = vec![
            tower.name.clone(),
            written(tower.uniformity.trained),
            written(tower.uniformity.initial),
            percent(tower.overlap.initial),
            written(tower.kernel_alignment.initial),
        ];
        if has_alone {
            row.push(or_dash(tower.uniformity.alone, &written));
            row.push(or_dash(tower.overlap.alone, &percent));
            row.push(or_dash(tower.kernel_alignment.alone, &written));
        }
        within.rows.push(row);
    }
    let mut between = Table::new(2, &["projections of", "and of", "gap", "alignment"]);
    for pair in &space.pairs {
        let figures = [written(pair.gap), written(pair.alignment)];
        let about = [pair.from.clone(), pair.to.clone()];
        between.rows.push(about.into_iter().chain(figures).collect());
    }
    html! {
        h4 { "How spaces lie" }
        (table(&within))
        @if !between.rows.is_empty() { (table(&between)) }
        ul.note {
            li {
                strong { "Uniformity" } " is the logarithm of the mean of exp(−2 d²) over every two directions: the lower, the more evenly \
                 features are spread, and 0 where all are one point."
            }
            li {
                strong { "Neighbors shared" } " is the share of the " (space.neighbors) " nearest neighbors of a sample that were so in the \
                 other state, in the mean: it sees what readers of neighbors see."
            }
            @if !space.pairs.is_empty() {
                li {
                    strong { "The gap" } " is the distance between the means of two modalities’ directions: a large one means that modalities \
                     lie apart, which recall within a pair does not mind and thresholds for similarity do."
                }
                li {
                    strong { "Alignment" } " is the mean squared distance between what belongs together: 0 where partners are one point, 2 \
                     where they stand at right angles."
                }
            }
            li {
                strong { "Kernel alignment" } " (linear, centered) is told beside the others alone. A few points that move far change it \
                 although features tell what they told, and it hardly moves where a direction is lost that little variance lies in, \
                 whatever a label depended on there."
            }
        }
    }
}

/// Of a comparison: each method, and beside matching alone.
pub(super) fn of_comparison(names: &mut Names, comparison: &Comparison) -> Result<Markup> {
    let Some(methods) = spaces_of_methods(comparison)? else {
        return Ok(html! {});
    };
    Ok(html! {
        h3 { "What features tell" }
        @if let Some(chart) = spaces_beside_joint(comparison)? { (figure(names, &chart)) }
        (figure(names, &methods))
    })
}
