//! How well it goes with some of the modalities.

use gblend_core::{MetricFormat, MetricKind};

use super::accuracy::{direction, scale};
use super::ink::Ink;
use super::rows::{Axis, Mark, Row, in_words, reach, rows};
use super::sheet::around;
use super::{Chart, Table, figure, of_kind, of_kind_within};
use crate::error::Result;
use crate::records::Comparison;
use crate::report::reading::{Run, label};

/// As many as fit on a screen; the table has all.
const MOST: usize = 40;

fn chart(
    kind: &MetricKind,
    title: &str,
    caption: String,
    mut drawn: Vec<Row>,
    table: Table,
) -> Result<Option<Chart>> {
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
    let range = match kind.format {
        MetricFormat::Percent => Some(0.0..1.0),
        _ => around(reach(&drawn).chain([0.0])),
    };
    let Some(range) = range else { return Ok(None) };
    let name = format!("test {}", kind.label);
    let axis = Axis {
        range,
        name: &name,
        scale: scale(kind),
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
    let main = run.main();
    let mut table = Table::new(1, &["the joint head sees", &main.label, "loss"]);
    let mut drawn = Vec::new();
    let figures = subsets
        .iter()
        .filter_map(|subset| Some((subset, subset.all().get(&main.name)?)));
    for (subset, value) in figures.filter(|(_, value)| plausible(*value, main)) {
        let name = subset.modalities.join(" + ");
        table
            .rows
            .push(vec![name.clone(), of_kind(value, main), figure(subset.loss)]);
        drawn.push(Row {
            name,
            figure: of_kind(value, main),
            marks: vec![Mark::Bar(
                0.0,
                value,
                Ink::Series(subset.modalities.len().saturating_sub(1)),
            )],
        });
    }
    let caption = format!(
        "The same joint head with zeros in the place of the modalities that are not named. It was trained with all of them, \
         so this tells what it leans on, not what a network for the others could do. Colors tell how many modalities it \
         sees.{}",
        direction(main)
    );
    chart(main, "With some of the modalities", caption, drawn, table)
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
    let main = comparison.main();
    let mut wanted: Vec<_> = wanted.filter(|row| plausible(row.mean, main)).collect();
    wanted.sort_by_key(|row| row.modalities.len());
    let mean = format!("mean {}", main.label);
    let mut table = Table::new(2, &["method", "modalities", &mean]);
    let mut drawn = Vec::new();
    for row in wanted {
        let name = label(row, comparison);
        let figure = of_kind_within(row.mean, row.ci95, main);
        table
            .rows
            .push(vec![name.clone(), row.modalities.join(" + "), figure.clone()]);
        drawn.push(Row {
            name,
            figure,
            marks: vec![Mark::Bar(
                0.0,
                row.mean,
                Ink::Series(row.modalities.len().saturating_sub(1)),
            )],
        });
    }
    let caption = format!(
        "Networks trained on some of the modalities alone, as means over {}s. Colors tell how many modalities a network \
         has.{}",
        comparison.repeat(),
        direction(main)
    );
    chart(main, "Trained on some of the modalities", caption, drawn, table)
}

/// Whether a figure of this kind can be so large.
fn plausible(value: f64, kind: &MetricKind) -> bool {
    match kind.format {
        MetricFormat::Percent => (0.0..=1.0).contains(&value),
        _ => value.is_finite(),
    }
}
