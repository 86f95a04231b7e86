//! The differences in `docs/onnx.md`.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Case;
use super::trained::Trained;
use crate::Result;
use crate::process::workspace;

/// Where they stand.
const BEGIN: &str = "<!-- Written by `cargo xtask onnx --write`; do not edit. -->\n";
const END: &str = "<!-- Until here. -->\n";

/// Writes a table for each that cases name, and a line for each trained model.
pub(super) fn write(cases: &[Case], trained: &[Trained]) -> Result {
    let path = workspace().join("docs/onnx.md");
    let text = std::fs::read_to_string(&path)?;
    let places = text.find(BEGIN).zip(text.find(END));
    let Some((begin, end)) = places.filter(|(begin, end)| begin < end) else {
        return Err(format!("{} lacks the place of its tables", path.display()).into());
    };
    let mut written = text[..begin + BEGIN.len()].to_owned();
    let mut titles: Vec<&str> = Vec::new();
    for case in cases {
        if !titles.contains(&case.table.as_str()) {
            titles.push(&case.table);
        }
    }
    for title in titles {
        let of: Vec<&Case> = cases.iter().filter(|case| case.table == title).collect();
        writeln!(written, "\n{}", table(title, &of)?.trim_end())?;
    }
    written.push_str("\n| models that were trained, on samples from files | |\n|---|---|\n");
    for Trained { of, difference } in trained {
        writeln!(written, "| {of} | {difference:.0e} |")?;
    }
    written.push('\n');
    written.push_str(&text[end..]);
    std::fs::write(&path, written)?;
    println!("wrote docs/onnx.md");
    Ok(())
}

/// The differences of some cases, a line for each row.
fn table(title: &str, cases: &[&Case]) -> Result<String> {
    let mut columns: Vec<&str> = Vec::new();
    let mut rows: Vec<(&str, BTreeMap<&str, String>)> = Vec::new();
    for case in cases {
        if !columns.contains(&case.column.as_str()) {
            columns.push(&case.column);
        }
        let difference = case.difference.map(|difference| format!("{difference:.0e}"));
        let difference = difference.unwrap_or_else(|| "–".to_owned());
        match rows.iter_mut().find(|(row, _)| *row == case.row) {
            Some((_, found)) => {
                found.insert(&case.column, difference);
            }
            None => rows.push((&case.row, BTreeMap::from([(case.column.as_str(), difference)]))),
        }
    }
    let lines = "---|".repeat(columns.len());
    let mut text = format!("| {title} | {} |\n|---|{lines}\n", columns.join(" | "));
    for (row, found) in rows {
        let cells = columns
            .iter()
            .map(|column| found.get(column).map_or("", String::as_str));
        writeln!(text, "| {row} | {} |", cells.collect::<Vec<_>>().join(" | "))?;
    }
    Ok(text)
}
