//! How well it goes with some of the modalities.

use super::ink::Ink;
use super::rows::{Axis, Mark, Row, in_words, rows};
use super::sheet::Scale;
use super::{Chart, Table, figure, percent, plus_minus};
use crate::error::Result;
use crate::records::Comparison;
use crate::report::reading::{Run, label};

/// As many as fit on a screen; the table has all.
const MOST: usize = 40;

fn chart(title: &str, caption: String, mut drawn: Vec<Row>, table: Table) -> Result<Option<Chart>> {
    if drawn.is_empty() {
        return Ok(None);
    }
    let mut caption = caption;
    if drawn.len() > MOST {
        caption = format!(
            "{caption} The first {MOST} of {} are drawn; the table has all.",
            drawn.len()
        );
        drawn.truncate(MOST);
    }
    let axis = Axis {
        range: 0.0..1.0,
        name: "test accuracy",
        scale: Scale::Percent,
        line: None,
    };
    let says = format!("{title}: {}.", in_words(&drawn));
    Ok(Some(Chart {
        title: title.to_owned(),
        caption,
        legend: Vec::new(),
        drawings: vec![rows(title, says, &axis, &drawn)?],
        table,
    }))
}

/// The joint head of a run, with the other modalities taken away; `None` if it was not measured.
pub(in crate::report) fn subsets_of_run(run: &Run) -> Result<Option<Chart>> {
    let subsets = run.test.as_ref().map_or(&[][..], |test| &test.subsets);
    let mut table = Table::new(1, &["the joint head sees", "accuracy", "loss"]);
    let mut drawn = Vec::new();
    for subset in subsets
        .iter()
        .filter(|subset| (0.0..=1.0).contains(&subset.accuracy))
    {
        let name = subset.modalities.join(" + ");
        table
            .rows
            .push(vec![name.clone(), percent(subset.accuracy), figure(subset.loss)]);
        drawn.push(Row {
            name,
            figure: percent(subset.accuracy),
            marks: vec![Mark::Bar(
                0.0,
                subset.accuracy,
                Ink::Series(subset.modalities.len().saturating_sub(1)),
            )],
        });
    }
    let caption = "The same joint head with zeros in the place of the modalities that are not named. It was trained with \
                   all of them, so this tells what it leans on, not what a network for the others could do. Colors tell \
                   how many modalities it sees.";
    chart("With some of the modalities", caption.to_owned(), drawn, table)
}

/// Networks of a comparison that were trained on some of the modalities, beside those of `whole`, the method that stands
/// for all of them; `None` if there are none.
pub(in crate::report) fn subsets_trained(
    comparison: &Comparison,
    whole: Option<&str>,
) -> Result<Option<Chart>> {
    let all = comparison.modalities.len();
    let some = comparison.rows.iter().any(|row| row.modalities.len() < all);
    let fusion = comparison.rows.first().map(|row| &row.fusion);
    let varied: Vec<&str> = comparison
        .rows
        .iter()
        .filter(|row| row.modalities.len() < all && row.single().is_none())
        .map(|row| row.method.as_str())
        .collect();
    // Without combinations, all modalities together are seen beside each alone.
    let together = |method: &str| {
        if varied.is_empty() {
            Some(method) == whole
        } else {
            varied.contains(&method)
        }
    };
    let wanted = comparison.rows.iter().filter(|row| {
        some && (row.modalities.len() < all || together(&row.method) && Some(&row.fusion) == fusion)
    });
    let mut wanted: Vec<_> = wanted.filter(|row| (0.0..=1.0).contains(&row.mean)).collect();
    wanted.sort_by_key(|row| row.modalities.len());
    let mut table = Table::new(2, &["method", "modalities", "mean accuracy"]);
    let mut drawn = Vec::new();
    for row in wanted {
        let name = label(row, comparison);
        let accuracy = plus_minus(row.mean, row.ci95);
        table
            .rows
            .push(vec![name.clone(), row.modalities.join(" + "), accuracy.clone()]);
        drawn.push(Row {
            name,
            figure: accuracy,
            marks: vec![Mark::Bar(
                0.0,
                row.mean,
                Ink::Series(row.modalities.len().saturating_sub(1)),
            )],
        });
    }
    let caption = "Networks trained on some of the modalities alone, as means over seeds. Colors tell how many modalities \
                   a network has.";
    chart(
        "Trained on some of the modalities",
        caption.to_owned(),
        drawn,
        table,
    )
}
