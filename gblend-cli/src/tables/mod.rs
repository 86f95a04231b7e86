//! Tables for people.

mod blend;
mod feature_space;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use gblend_core::MetricKind;

use crate::records::{ClassWeight, Figure, Metrics, PredictionRule, three_digits};

pub(crate) use blend::{blend_table, estimate_table};
pub(crate) use feature_space::feature_space_tables;

/// A table; columns after the first `left` ones are aligned to the right.
pub(crate) fn table(header: &[&str], left: usize, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(left) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// A table of how good things are, behind columns of their own, of which the first `left` ones are not aligned to the right.
/// `on` says of which samples, as in `test `. Of the `kinds` of figures, those have a column that something has, and that say
/// something else than the main one in some row: where classes are equally frequent the balanced accuracy is the accuracy.
/// What was not judged has no figures; where nothing was, there is no column for them.
pub(crate) fn metrics_table<'a>(
    columns: &[&str],
    left: usize,
    on: &str,
    kinds: impl IntoIterator<Item = &'a MetricKind>,
    rows: impl Iterator<Item = (Vec<String>, Option<Metrics>)>,
) -> String {
    let rows: Vec<_> = rows.collect();
    let judged = || rows.iter().filter_map(|(_, metrics)| metrics.as_ref());
    let mut shown: Vec<&MetricKind> = Vec::new();
    for kind in kinds {
        let has = judged().any(|metrics| metrics.get(&kind.name).is_some());
        let tells = shown
            .first()
            .is_none_or(|main| judged().any(|metrics| metric(metrics, kind) != metric(metrics, main)));
        if has && tells && shown.iter().all(|other| other.name != kind.name) {
            shown.push(kind);
        }
    }
    let main = shown.first().map(|main| format!("{on}{}", main.label));
    let loss = format!("{on}loss");
    let mut header = columns.to_vec();
    header.extend(main.as_deref());
    header.extend(shown.iter().skip(1).map(|kind| kind.label.as_ref()));
    let any = judged().next().is_some();
    header.extend(any.then_some(&*loss));
    let or_dash = |figure: Option<String>| figure.unwrap_or_else(|| "-".to_owned());
    let rows = rows.into_iter().map(|(mut row, metrics)| {
        let metrics = metrics.as_ref();
        row.extend(
            shown
                .iter()
                .map(|kind| or_dash(metrics.map(|metrics| metric(metrics, kind)))),
        );
        row.extend(any.then(|| or_dash(metrics.map(|metrics| format!("{:.3}", metrics.loss)))));
        row
    });
    table(&header, left, rows)
}

/// A line about losses in which samples count by their classes, if they do.
pub(crate) fn weighted_losses(weights: &[ClassWeight]) -> Option<String> {
    const LISTED: usize = 8;
    let listed = weights.iter().take(LISTED).map(|of| {
        let without = of
            .without
            .map(|without| format!(" (without {})", three_digits(without)));
        format!(
            "{} {}{}",
            of.class,
            three_digits(of.weight),
            without.unwrap_or_default()
        )
    });
    let more = weights.len().saturating_sub(LISTED);
    let more = (more > 0).then(|| format!("and {more} others"));
    let listed: Vec<String> = listed.chain(more).collect();
    (!listed.is_empty()).then(|| format!("losses count samples by their classes: {}", listed.join(", ")))
}

/// `predictions from: joint 71.6 % (predict), mean 70.1 %`: the main figure of each way of predicting, and which one the
/// run takes.
pub(crate) fn predictions_line(
    chosen: PredictionRule,
    main: &MetricKind,
    rules: impl Iterator<Item = (PredictionRule, Metrics)>,
) -> String {
    let each = rules.map(|(rule, metrics)| {
        let mark = if rule == chosen { " (predict)" } else { "" };
        format!("{} {}{mark}", rule.name(), metric(&metrics, main))
    });
    format!("predictions from: {}", each.collect::<Vec<_>>().join(", "))
}

/// A figure of this kind, or `-` where there is none.
fn metric(metrics: &Metrics, kind: &MetricKind) -> String {
    let value = metrics.get(&kind.name);
    value.map_or_else(|| "-".to_owned(), |value| Figure::new(value, kind).text())
}

/// Words in lines of at most `width` letters, as far as words are no longer.
pub(crate) fn wrapped(words: impl IntoIterator<Item: AsRef<str>>, width: usize) -> String {
    let mut wrapped = String::new();
    let mut column = 0;
    for word in words {
        let word = word.as_ref();
        let length = word.chars().count();
        let (gap, at) = match column {
            0 => ("", length),
            _ if column + 1 + length > width => ("\n", length),
            _ => (" ", column + 1 + length),
        };
        wrapped.push_str(gap);
        wrapped.push_str(word);
        column = at;
    }
    wrapped
}

/// `71.4 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_alone() {
        assert_eq!(
            wrapped(["one", "two", "unbreakable", "x"], 7),
            "one two\nunbreakable\nx"
        );
        assert_eq!(wrapped([""; 0], 7), "");
    }
}
